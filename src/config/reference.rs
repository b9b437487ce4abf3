//! The reference of `mcpo.yaml` in Markdown.

use std::fmt::Write as _;

use super::kind::{Kind, Word};
use super::settings::{SECTIONS, SETTINGS, Setting, UNLIMITED, VARIABLES_OF_OTHERS};

const HEAD: &str = "# mcpo.yaml

<!-- Generated from src/config/settings.rs; a test compares. -->

Every key is optional, and so is the file. Flags beat the environment, the environment beats the
file, the file beats the defaults; `mcpo-deploy config` shows what came of it and where each value
came from.

- The file is the one that `-f` or `MCPO_FILE` names, else `mcpo.yaml` or `mcpo.yml` in the current
  folder or the nearest one above it. Relative paths start from its folder, those in flags from the
  current one.
- A key without a value (`null`) is not set. A top-level key that starts with `x-` is not read, and is
  a place for anchors.
- In the environment and in `--set key=value`, a list is `[a, b]` or `a,b`, a map `{A: b, C: d}` or
  `A=b,C=d`. `--set` also takes one entry of a map, such as `--set orchestrator.environment.LANG=C`.
- The project is what `-p` says, else `MCPO_PROJECT`, `COMPOSE_PROJECT_NAME`, `project`, the folder's
  name by Compose's rule.
- Sizes are numbers with `b`, `k`, `m`, `g` or `t`, powers of 1024; spans of time are numbers with
  `ms`, `s`, `m`, `h` or `d`, such as `1m30s`.
- A value of `environment` is never shown, and `${…}` in it is not replaced.
";

/// The reference. `docs/reference/config.md` is this, and a test compares.
#[must_use]
pub fn reference() -> String {
    let mut text = HEAD.to_owned();
    table(&mut text, "General", "What everything has in common.", |key| !key.contains('.'));
    for (section, doc) in SECTIONS {
        if !section.contains('.') {
            table(&mut text, section, doc, |key| {
                key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
            });
        }
    }
    let others: Vec<_> = VARIABLES_OF_OTHERS
        .iter()
        .map(|name| if name.ends_with('_') { format!("`{name}…`") } else { format!("`{name}`") })
        .collect();
    let _ = write!(
        text,
        "\nOther variables that start with `MCPO_` are read elsewhere: {}. Any further one is warned of.\n",
        others.join(", ")
    );
    text
}

fn table(text: &mut String, title: &str, doc: &str, holds: impl Fn(&str) -> bool) {
    let _ = write!(text, "\n## {title}\n\n{doc}\n\n");
    text.push_str("| Key | Value | Default | Variable | What it does |\n|---|---|---|---|---|\n");
    for setting in SETTINGS.iter().filter(|setting| holds(setting.key)) {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | `{}` | {} |",
            setting.key,
            value(&setting.kind),
            default(setting),
            setting.variable(),
            setting.doc
        );
    }
}

fn default(setting: &Setting) -> String {
    match (setting.default, setting.otherwise) {
        (None, otherwise) => otherwise.to_owned(),
        (Some(default), "") => format!("`{default}`"),
        (Some(default), otherwise) => format!("`{default}`; {otherwise}"),
    }
}

fn value(kind: &Kind) -> String {
    match kind {
        Kind::Number { min, max } => format!("number, {min} to {max}"),
        Kind::Size { .. } => "size".to_owned(),
        Kind::Cpus => "number".to_owned(),
        Kind::Duration { .. } => "span of time".to_owned(),
        Kind::Flag => "`true` or `false`".to_owned(),
        Kind::Limit(inner) => format!("{} or `{UNLIMITED}`", value(inner)),
        Kind::Image => "image".to_owned(),
        Kind::Address => "IP address".to_owned(),
        Kind::User => "number or numbers".to_owned(),
        Kind::Project | Kind::Variable | Kind::Volume | Kind::Network => "name".to_owned(),
        Kind::HostPath | Kind::InnerPath | Kind::ContainerPath => "path".to_owned(),
        Kind::Text | Kind::Value => "text".to_owned(),
        Kind::MountOptions => "options".to_owned(),
        Kind::Origin => "origin".to_owned(),
        Kind::Host => "host".to_owned(),
        Kind::Word(Word::Capability) => "capability".to_owned(),
        Kind::Word(word) => word.all().iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Kind::List(inner) => format!("list: {}", value(inner)),
        Kind::Map { key, value: inner } => format!("map: {} to {}", value(key), value(inner)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_breaks_its_table() {
        for line in reference().lines().filter(|line| line.starts_with('|')) {
            assert_eq!(line.matches('|').count(), 6, "{line}");
        }
    }
}
