//! The file, the environment and the flags, laid over each other.

use std::collections::HashMap;

use super::kind::Kind;
use super::problem::{Place, Problem, Problems, Warning};
use super::settings::{
    PREFIX, SECTIONS, SETTINGS, Setting, VARIABLES_OF_OTHERS, below, children, is_section, last_word, setting,
};
use super::shape::shown;
use super::suggest::nearest;
use super::tree::{Data, Node, Spot};
use super::values::{Value, Values, node_of_text, read, twice};
use crate::env::Env;

/// A setting on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The key, such as `hardening.memory`, or a key and a name within its map, such as
    /// `orchestrator.environment.LANG`.
    pub key: String,
    /// The value; lists and maps as YAML in brackets or separated by commas.
    pub value: String,
    /// The flag, as problems name it, such as `--set` or `--memory`.
    pub flag: String,
}

/// What was read so far. Later layers beat earlier ones, key by key.
pub(super) struct Layers<'a> {
    pub(super) env: &'a Env,
    pub(super) values: Values,
    pub(super) problems: Problems,
    pub(super) warnings: Vec<Warning>,
}

impl<'a> Layers<'a> {
    pub(super) fn new(env: &'a Env) -> Self {
        Self { env, values: Values::default(), problems: Problems::default(), warnings: Vec::new() }
    }

    /// Lays the file over what there is. `file` is its name as it is shown.
    pub(super) fn lay_file(&mut self, tree: &Node, file: &str) {
        self.lay_section("", tree, file);
    }

    fn lay_section(&mut self, path: &str, node: &Node, file: &str) {
        let place = |spot: Spot| Place::File { file: file.to_owned(), line: spot.line, column: spot.column };
        let entries = match &node.data {
            Data::Null => return,
            Data::Map(entries) => entries,
            Data::Scalar(_) | Data::List(_) => {
                let keys: Vec<_> = children(path).into_iter().map(last_word).collect();
                let message = format!("must be a section with keys ({})", keys.join(", "));
                self.problems.push(Problem::new(path, message, place(node.spot)));
                return;
            }
        };
        let mut seen: HashMap<&str, Spot> = HashMap::new();
        for (key, value) in entries.iter() {
            let full = if path.is_empty() { key.name.to_string() } else { format!("{path}.{}", key.name) };
            if path.is_empty() && key.name.starts_with("x-") {
                continue;
            }
            if let Some(first) = seen.insert(&key.name, key.spot) {
                self.problems.push(Problem::new(shown(&full), twice(first), place(key.spot)));
            } else if let Some(setting) = setting(&full) {
                self.lay_value(setting, value, &place);
            } else if is_section(&full) {
                self.lay_section(&full, value, file);
            } else {
                self.problems.push_with(|| unknown(path, &key.name, &full, place(key.spot)));
            }
        }
    }

    /// Lays the `MCPO_…` variables over what there is.
    pub(super) fn lay_env(&mut self) {
        let env = self.env;
        for setting in &SETTINGS {
            let variable = setting.variable();
            let (variable, text) = match env.get(&variable) {
                Some(text) => (variable, text),
                // As in Compose, so that one variable names the project for both.
                None if setting.key == "project" => match env.get("COMPOSE_PROJECT_NAME") {
                    Some(text) => ("COMPOSE_PROJECT_NAME".to_owned(), text),
                    None => continue,
                },
                None => continue,
            };
            self.lay_text(setting, text, &Place::Env(variable));
        }
        let ours: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
        for (name, _) in env.with_prefix(PREFIX) {
            let read_elsewhere = VARIABLES_OF_OTHERS
                .iter()
                .any(|other| if other.ends_with('_') { name.starts_with(other) } else { name == *other });
            if !read_elsewhere && !ours.iter().any(|variable| variable == name) {
                let near = nearest(name, ours.iter().map(String::as_str)).map(str::to_owned);
                let warning = Warning::new("", "this variable is not known", Place::Env(shown(name)));
                self.warnings.push(warning.suggesting(near));
            }
        }
    }

    /// Lays flags over what there is, in their order.
    pub(super) fn lay_flags(&mut self, overrides: &[Override]) {
        for Override { key, value, flag } in overrides {
            let place = Place::Flag(flag.clone());
            if let Some(setting) = setting(key) {
                self.lay_text(setting, value, &place);
            } else if let Some((setting, name)) = entry_of_map(key) {
                self.lay_entry(setting, name, value, &place);
            } else {
                let section = key.rsplit_once('.').map_or("", |(section, _)| section);
                self.problems.push(unknown(section, last_word(key), key, place));
            }
        }
    }

    fn lay_text(&mut self, setting: &'static Setting, text: &str, place: &Place) {
        match node_of_text(&setting.kind, text) {
            Ok(node) => self.lay_value(setting, &node, &|_| place.clone()),
            Err(error) => {
                self.values.set_broken(setting.key);
                self.problems.push(Problem::new(setting.key, error.message, place.clone()));
            }
        }
    }

    fn lay_entry(&mut self, setting: &'static Setting, name: &str, text: &str, place: &Place) {
        let node = Node {
            spot: Spot::default(),
            data: Data::Map(
                [(
                    super::tree::Key { spot: Spot::default(), name: name.into() },
                    Node { spot: Spot::default(), data: Data::Scalar(text.into()) },
                )]
                .into(),
            ),
        };
        let before = self.values.get(setting.key).map(|entry| entry.value.clone());
        self.lay_value(setting, &node, &|_| place.clone());
        if let (Some(Value::Map(mut merged)), Some(Value::Map(added))) =
            (before, self.values.get(setting.key).map(|entry| entry.value.clone()))
        {
            merged.extend(added);
            self.values.set(setting.key, Value::Map(merged), place.clone());
        }
    }

    fn lay_value(&mut self, setting: &'static Setting, node: &Node, place: &dyn Fn(Spot) -> Place) {
        let (value, faults) = read(setting, node, self.env);
        if !faults.is_empty() {
            self.values.set_broken(setting.key);
        }
        for fault in faults {
            let key = if fault.below.is_empty() {
                setting.key.to_owned()
            } else {
                format!("{}.{}", setting.key, shown(&fault.below))
            };
            let problem = Problem::new(key, fault.fault.message, place(fault.spot));
            self.problems.push(problem.suggesting(fault.fault.suggestion));
        }
        if let Some(value) = value {
            if setting.is_secret() {
                self.warn_of_dollars(setting, &value, &place(node.spot));
            }
            self.values.set(setting.key, value, place(node.spot));
        }
    }

    fn warn_of_dollars(&mut self, setting: &Setting, value: &Value, place: &Place) {
        let Value::Map(variables) = value else { return };
        for (name, value) in variables {
            if value.text.as_ref().is_some_and(|text| text.starts_with("${") && text.ends_with('}')) {
                let message = "is kept as it is written: `${…}` is not replaced; \
                               leave the value out to take it from the environment";
                self.warnings.push(Warning::new(format!("{}.{name}", setting.key), message, place.clone()));
            }
        }
    }
}

fn entry_of_map(key: &str) -> Option<(&'static Setting, &str)> {
    SETTINGS
        .iter()
        .filter(|setting| matches!(setting.kind, Kind::Map { .. }))
        .find_map(|setting| Some((setting, below(key, setting.key)?)))
}

fn unknown(section: &str, name: &str, full: &str, place: Place) -> Problem {
    if is_section(full) {
        let keys: Vec<_> = children(full).into_iter().map(last_word).collect();
        return Problem::new(full, format!("is a section; set one of its keys ({})", keys.join(", ")), place);
    }
    let siblings = children(section);
    let near = nearest(name, siblings.iter().map(|key| last_word(key)))
        .and_then(|word| siblings.iter().copied().find(|key| last_word(key) == word))
        // A key of another section, at the wrong place.
        .or_else(|| SETTINGS.iter().map(|setting| setting.key).find(|key| last_word(key) == name))
        .or_else(|| SECTIONS.iter().map(|(key, _)| *key).find(|key| last_word(key) == name))
        .or_else(|| nearest(full, SETTINGS.iter().map(|setting| setting.key)));
    Problem::new(shown(full), "is not a key", place).suggesting(near.map(str::to_owned))
}
