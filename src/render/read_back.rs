//! What a rendered file says of each service's confinement, against what was asked for.

use std::collections::BTreeSet;
use std::fmt;

use serde_yaml::{Mapping, Value};

use super::view::{File, ServiceView};

/// A field that says less than what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weaker {
    /// The service.
    pub service: String,
    /// The key in the file.
    pub key: &'static str,
    /// What was asked for.
    pub asked: String,
    /// What the file says.
    pub found: String,
}

impl fmt::Display for Weaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, key, asked, found } = self;
        write!(f, "{service}: {key} is {found}, asked for was {asked}")
    }
}

/// Keys that give a container something of the host's, and are never rendered.
const OPENINGS: [&str; 14] = [
    "privileged",
    "pid",
    "ipc",
    "uts",
    "userns_mode",
    "cgroup",
    "cgroup_parent",
    "devices",
    "device_cgroup_rules",
    "volumes_from",
    "group_add",
    "sysctls",
    "runtime",
    "credential_spec",
];

/// Every field of `text` that is weaker than in `file`; an error where it is no Compose file.
pub(super) fn read_back(text: &str, file: &File) -> Result<Vec<Weaker>, String> {
    let mut document: Value = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
    document.apply_merge().map_err(|error| error.to_string())?;
    let services = document.get("services").and_then(Value::as_mapping).ok_or("it has no services")?;
    let mut weaker = Vec::new();
    for asked in &file.services {
        let Some(found) = services.get(asked.name.as_str()).and_then(Value::as_mapping) else {
            let name = asked.name.clone();
            let (asked, found) = ("a service".to_owned(), "not there".to_owned());
            weaker.push(Weaker { service: name, key: "services", asked, found });
            continue;
        };
        let mut compared = Compared { asked, found, weaker: &mut weaker };
        compared.service();
    }
    Ok(weaker)
}

struct Compared<'a> {
    asked: &'a ServiceView,
    found: &'a Mapping,
    weaker: &'a mut Vec<Weaker>,
}

impl Compared<'_> {
    fn service(&mut self) {
        let asked = self.asked;
        self.text("user", Some(asked.user.clone()));
        self.at_least("read_only", asked.read_only);
        self.all_of("cap_drop", &["ALL".to_owned()].into());
        self.none_but("cap_add", &asked.cap_add.iter().cloned().collect());
        self.same("security_opt", &asked.security_opt.iter().cloned().collect());
        self.same("tmpfs", &asked.tmpfs.iter().cloned().collect());
        self.text("mem_limit", asked.mem_limit.clone());
        self.text(
            "memswap_limit",
            asked.memswap_limit.as_ref().map(|value| value.to_string().replace('"', "")),
        );
        self.text("cpus", asked.cpus.as_ref().map(ToString::to_string));
        self.text("pids_limit", asked.pids_limit.map(|limit| limit.to_string()));
        self.none_but("networks", &asked.network.iter().cloned().collect());
        self.text("network_mode", asked.network.is_none().then(|| "none".to_owned()));
        self.none_but("ports", &asked.ports.iter().cloned().collect());
        let mounts =
            asked.volumes.iter().map(|mount| format!("{} {} {}", mount.kind, mount.source, mount.target));
        self.none_but("volumes", &mounts.collect());
        let options = self.found.get("logging").and_then(|logging| logging.get("options"));
        let limit = |key: &str| options.and_then(|options| text_of(options.get(key)?));
        let found = format!("{:?} files of {:?}", limit("max-file"), limit("max-size"));
        let wanted = format!("{:?} files of {:?}", Some(&asked.log_files), Some(&asked.log_size));
        self.unless(found == wanted, "logging", wanted, found);
        for key in OPENINGS {
            let found =
                self.found.get(key).filter(|value| !matches!(value, Value::Bool(false) | Value::Null));
            if let Some(found) = found {
                self.unless(false, key, "nothing".to_owned(), shown(found));
            }
        }
    }

    fn unless(&mut self, holds: bool, key: &'static str, asked: String, found: String) {
        if !holds {
            self.weaker.push(Weaker { service: self.asked.name.clone(), key, asked, found });
        }
    }

    fn text(&mut self, key: &'static str, asked: Option<String>) {
        let found = self.found.get(key).and_then(text_of);
        let words = |text: Option<String>| text.unwrap_or_else(|| "not set".to_owned());
        self.unless(found == asked, key, words(asked), words(found));
    }

    fn at_least(&mut self, key: &'static str, asked: bool) {
        let found = self.found.get(key).and_then(text_of).unwrap_or_else(|| "not set".to_owned());
        self.unless(!asked || found == "true", key, asked.to_string(), found);
    }

    fn list(&self, key: &str) -> BTreeSet<String> {
        match self.found.get(key) {
            Some(Value::Sequence(items)) => items.iter().map(item).collect(),
            Some(Value::Mapping(entries)) => entries.keys().filter_map(text_of).collect(),
            Some(one) => [item(one)].into(),
            None => BTreeSet::new(),
        }
    }

    fn all_of(&mut self, key: &'static str, asked: &BTreeSet<String>) {
        let found = self.list(key);
        self.unless(asked.is_subset(&found), key, listed(asked), listed(&found));
    }

    fn none_but(&mut self, key: &'static str, asked: &BTreeSet<String>) {
        let found = self.list(key);
        self.unless(found.is_subset(asked), key, listed(asked), listed(&found));
    }

    fn same(&mut self, key: &'static str, asked: &BTreeSet<String>) {
        let found = self.list(key);
        self.unless(*asked == found, key, listed(asked), listed(&found));
    }
}

/// An entry of a list: text, or a mount in its long form.
fn item(value: &Value) -> String {
    let part = |key: &str| value.get(key).and_then(text_of);
    match (part("type"), part("target")) {
        (Some(kind), Some(target)) => format!("{kind} {} {target}", part("source").unwrap_or_default()),
        _ => text_of(value).unwrap_or_else(|| shown(value)),
    }
}

/// A scalar as Compose reads it.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.replace("$$", "$")),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn shown(value: &Value) -> String {
    serde_yaml::to_string(value).unwrap_or_default().trim().replace('\n', " ")
}

fn listed(items: &BTreeSet<String>) -> String {
    if items.is_empty() { "nothing".to_owned() } else { items.iter().cloned().collect::<Vec<_>>().join(", ") }
}
