//! The values of settings, checked one by one, and where each came from.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::kind::{Fault, Kind};
use super::problem::Place;
use super::settings::{SETTINGS, Setting};
use super::tree::{self, Data, Key, Node, NotATree, Spot};
use crate::env::Env;

/// A value, every text in it checked and in its one spelling. No `Debug`: it may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Value {
    One(String),
    List(Vec<String>),
    Map(BTreeMap<String, Text>),
}

/// A value of a map.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Text {
    /// `None` where the environment, too, has none.
    pub(super) text: Option<String>,
    /// Whether it was to be taken from the environment, because none stands there.
    pub(super) passed: bool,
}

impl Text {
    fn written(text: String) -> Self {
        Self { text: Some(text), passed: false }
    }
}

#[derive(Clone)]
pub(super) struct Entry {
    pub(super) value: Value,
    pub(super) place: Place,
}

/// What is set, by key.
#[derive(Default)]
pub(super) struct Values {
    entries: BTreeMap<&'static str, Entry>,
    /// Keys that somebody tried to set and got wrong: what depends on them is not judged.
    broken: BTreeSet<&'static str>,
}

impl Values {
    pub(super) fn set(&mut self, key: &'static str, value: Value, place: Place) {
        self.entries.insert(key, Entry { value, place });
    }

    /// Takes a default back that does not hold after all.
    pub(super) fn unset_default(&mut self, key: &str) {
        if self.place(key) == Place::Default {
            self.entries.remove(key);
        }
    }

    pub(super) fn set_broken(&mut self, key: &'static str) {
        self.broken.insert(key);
    }

    pub(super) fn is_broken(&self, key: &str) -> bool {
        self.broken.contains(key)
    }

    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }

    pub(super) fn place(&self, key: &str) -> Place {
        self.get(key).map_or(Place::Default, |entry| entry.place.clone())
    }

    /// Whether somebody set the key, in whatever way.
    pub(super) fn is_set(&self, key: &str) -> bool {
        self.is_broken(key) || self.get(key).is_some_and(|entry| entry.place != Place::Default)
    }

    /// Gives every setting that nobody set its default from the table.
    pub(super) fn fill(&mut self, env: &Env) {
        for setting in &SETTINGS {
            if self.entries.contains_key(setting.key) {
                continue;
            }
            let Some(node) = setting.default.and_then(|text| node_of_text(&setting.kind, text).ok()) else {
                continue;
            };
            if let (Some(value), _) = read(setting, &node, env) {
                self.set(setting.key, value, Place::Default);
            }
        }
    }
}

/// A fault within a value.
pub(super) struct FaultAt {
    /// What of the value is wrong, below the setting's key; empty: the value itself.
    pub(super) below: String,
    pub(super) fault: Fault,
    pub(super) spot: Spot,
}

/// A value that stands in an environment variable, in a flag or in the table: scalars as they
/// are, lists and maps as YAML in brackets or separated by commas.
pub(super) fn node_of_text(kind: &Kind, text: &str) -> Result<Node, NotATree> {
    let spot = Spot::default();
    let scalar = |text: &str| Node { spot, data: Data::Scalar(text.into()) };
    let parts = || text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let data = match kind {
        Kind::List(_) | Kind::Map { .. } if text.trim_start().starts_with(['[', '{']) => {
            return tree::read(text);
        }
        Kind::List(_) => Data::List(parts().map(scalar).collect()),
        Kind::Map { .. } => {
            let entry = |part: &str| match part.split_once('=') {
                Some((name, value)) => (Key { spot, name: name.into() }, scalar(value)),
                None => (Key { spot, name: part.into() }, Node { spot, data: Data::Null }),
            };
            Data::Map(parts().map(entry).collect())
        }
        _ => return Ok(scalar(text)),
    };
    Ok(Node { spot, data })
}

/// Checks a value. `None` without a fault means that nothing is set (`null`).
pub(super) fn read(setting: &Setting, node: &Node, env: &Env) -> (Option<Value>, Vec<FaultAt>) {
    let mut faults = Vec::new();
    let value = match (&setting.kind, &node.data) {
        (_, Data::Null) => None,
        (Kind::List(kind), Data::List(items)) => Some(Value::List(list(kind, items, &mut faults))),
        (Kind::Map { key, value }, Data::Map(entries)) => {
            Some(Value::Map(map(key, value, entries, env, &mut faults)))
        }
        (Kind::List(_) | Kind::Map { .. }, _) => {
            faults.push(misshapen(&setting.kind, node.spot));
            None
        }
        (kind, _) => one(kind, node, "", &mut faults).map(Value::One),
    };
    (value.filter(|_| faults.is_empty()), faults)
}

fn misshapen(kind: &Kind, spot: Spot) -> FaultAt {
    FaultAt { below: String::new(), fault: format!("must be {}", kind.what()).into(), spot }
}

fn one(kind: &Kind, node: &Node, below: &str, faults: &mut Vec<FaultAt>) -> Option<String> {
    let checked = match &node.data {
        Data::Scalar(text) => kind.check(text),
        Data::Null => Err(format!("must be {}, not nothing", kind.what()).into()),
        Data::List(_) => Err(format!("must be {}, not a list", kind.what()).into()),
        Data::Map(_) => Err(format!("must be {}, not a map", kind.what()).into()),
    };
    checked.map_err(|fault| faults.push(FaultAt { below: below.to_owned(), fault, spot: node.spot })).ok()
}

fn list(kind: &Kind, items: &[Node], faults: &mut Vec<FaultAt>) -> Vec<String> {
    items.iter().filter_map(|item| one(kind, item, "", faults)).collect()
}

fn map(
    key: &Kind,
    value: &Kind,
    entries: &[(Key, Node)],
    env: &Env,
    faults: &mut Vec<FaultAt>,
) -> BTreeMap<String, Text> {
    let mut read = BTreeMap::new();
    let mut seen: BTreeMap<Rc<str>, Spot> = BTreeMap::new();
    for (name, node) in entries {
        let checked = match key.check(&name.name) {
            Ok(checked) => checked,
            Err(fault) => {
                // Between secrets, what is no name may be a piece of one.
                let message = match value {
                    Kind::Value => format!("a key must be {}", key.what()),
                    _ => format!("a key {}", fault.message),
                };
                faults.push(FaultAt { below: String::new(), fault: message.into(), spot: name.spot });
                continue;
            }
        };
        if let Some(first) = seen.insert(name.name.clone(), name.spot) {
            let message = twice(first);
            faults.push(FaultAt { below: name.name.to_string(), fault: message.into(), spot: name.spot });
            continue;
        }
        match (value, &node.data) {
            // As a name without a value in an env file: from the environment, or not at all.
            (Kind::Value, Data::Null) => {
                let text = env.get_raw(&checked).map(str::to_owned);
                read.insert(checked, Text { text, passed: true });
            }
            (Kind::MountOptions, Data::Null) => {
                read.insert(checked, Text::written(String::new()));
            }
            _ => {
                if let Some(text) = one(value, node, &name.name, faults) {
                    read.insert(checked, Text::written(text));
                }
            }
        }
    }
    read
}

/// The message for a key that stands there twice.
pub(super) fn twice(first: Spot) -> String {
    match first.line {
        0 => "is there twice".to_owned(),
        line => format!("is there twice; the first is in line {line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_of_the_table_is_a_value_of_its_kind() {
        let mut values = Values::default();
        values.fill(&Env::default());
        for setting in &SETTINGS {
            assert_eq!(setting.default.is_some(), values.get(setting.key).is_some(), "{}", setting.key);
        }
    }
}
