//! What a container runs: the words for its command, its folder and its variables, as promised and as
//! they are. Values of variables are never among them.

use std::collections::{BTreeMap, BTreeSet};

use super::container::{Container, Inherited};
use super::observed::Live;
use crate::config::is_variable;
use crate::model::Secret;

/// The whole command as promised, the image's own where nothing else was asked for.
pub(super) fn promised_command(container: &Container, inherited: &Inherited) -> String {
    let command = if container.command.is_empty() { &inherited.command } else { &container.command };
    in_words(&inherited.entrypoint, command)
}

/// The whole command as it is.
pub(super) fn found_command(live: &Live) -> String {
    in_words(&live.entrypoint, &live.command)
}

/// A word that is not plain is quoted: two words and one with a space in it are not the same.
fn in_words(entrypoint: &[String], command: &[String]) -> String {
    let plain = |word: &str| !word.is_empty() && !word.contains([' ', '"', '\\', '\n', '\t']);
    // An entrypoint of nothing but an empty word is how engines spell that there is none.
    let entrypoint = if matches!(entrypoint, [only] if only.is_empty()) { &[] } else { entrypoint };
    let words = entrypoint.iter().chain(command);
    let words = words.map(|word| if plain(word) { word.clone() } else { format!("{word:?}") });
    words.collect::<Vec<_>>().join(" ")
}

/// The folder that the command starts in.
pub(super) fn folder(working_dir: &str) -> &str {
    if working_dir.is_empty() { "/" } else { working_dir }
}

/// Variables that engines add by themselves, with the one value that they have then.
const ENGINES: [(&str, &str); 3] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("TERM", "xterm"),
    ("container", "podman"),
];

/// Both sides of the comparison of the variables: how many are as planned, and which are not.
pub(super) fn environments(container: &Container, inherited: &Inherited, live: &Live) -> (String, String) {
    let mut promised: BTreeMap<&str, &Secret> = BTreeMap::new();
    promised.extend(inherited.environment.iter().map(|(name, value)| (name.as_str(), value)));
    promised.extend(container.environment.iter().map(|(name, value)| (name.as_str(), value)));
    let planned = format!("as planned ({} variables)", promised.len());

    let mut differing = BTreeSet::new();
    for (name, value) in &promised {
        match live.environment.get(*name) {
            None => differing.insert(format!("{} (missing)", shown(name))),
            Some(found) if found != *value => differing.insert(format!("{} (another value)", shown(name))),
            Some(_) => false,
        };
    }
    for (name, value) in &live.environment {
        let engines = ENGINES.contains(&(name, value.expose()))
            || (name == "HOSTNAME" && value.expose() == live.hostname);
        if !promised.contains_key(name.as_str()) && !engines {
            differing.insert(format!("{} (added)", shown(name)));
        }
    }
    let found = if differing.is_empty() {
        planned.clone()
    } else {
        format!("as planned but for {}", differing.into_iter().collect::<Vec<_>>().join(", "))
    };
    (planned, found)
}

/// What is no name may be a piece of a value.
fn shown(name: &str) -> &str {
    if is_variable(name) { name } else { "one that is no name" }
}
