//! What a template of the user's made, against what ours make of the same values.
//!
//! Compose has too many keys that open a container (and gets more) for a list of the bad ones to hold:
//! whatever is not said by our templates is told, but for what cannot matter to a container.

use std::fmt;

use serde_yaml::{Mapping, Value};

use crate::model::label;

/// A place where a file says other than the description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weaker {
    /// The service; empty for the rest of the file.
    pub service: String,
    /// The key in the service, or in the file.
    pub key: String,
    /// What was asked for.
    pub asked: String,
    /// What the file says.
    pub found: String,
}

impl fmt::Display for Weaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, key, asked, found } = self;
        let place = if service.is_empty() { "the file" } else { service };
        write!(f, "{place}: {key} is {found}, asked for was {asked}")
    }
}

/// Every place where `text` says other than `ours`; an error where it is no Compose file.
pub(super) fn read_back(text: &str, ours: &str) -> Result<Vec<Weaker>, String> {
    let read = |text: &str| -> Result<Value, String> {
        let mut document: Value = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        document.apply_merge().map_err(|error| error.to_string())?;
        Ok(document)
    };
    let (asked, found) = (read(ours)?, read(text)?);
    if found.get("services").and_then(Value::as_mapping).is_none() {
        return Err("it has no services".to_owned());
    }
    let mut compared = Compared(Vec::new());
    compared.values(&mut Vec::new(), &asked, &found);
    Ok(compared.0)
}

struct Compared(Vec<Weaker>);

impl Compared {
    fn values(&mut self, path: &mut Vec<String>, asked: &Value, found: &Value) {
        match (asked, found) {
            _ if is_pairs(path) => self.pairs(path, &pairs(asked), &pairs(found)),
            (Value::Mapping(asked), Value::Mapping(found)) => self.mappings(path, asked, found),
            (Value::Sequence(one), Value::Sequence(other)) if one.len() == other.len() => {
                for (at, (asked, found)) in one.iter().zip(other).enumerate() {
                    path.push(at.to_string());
                    self.values(path, asked, found);
                    path.pop();
                }
            }
            _ if text_of(asked).is_some() && text_of(asked) == text_of(found) => {}
            _ => self.add(path, shown(asked), shown(found)),
        }
    }

    fn mappings(&mut self, path: &mut Vec<String>, asked: &Mapping, found: &Mapping) {
        for (key, asked) in asked {
            path.push(name(key));
            match found.get(key) {
                Some(found) => self.values(path, asked, found),
                None => self.add(path, shown(asked), NOT_SET.to_owned()),
            }
            path.pop();
        }
        for (key, found) in found.iter().filter(|(key, _)| !asked.contains_key(*key)) {
            let key = name(key);
            // An extension is nobody's to act on; but among services it is one.
            let extends = path.is_empty() || path.len() == 2 && path[0] == "services";
            if !(extends && key.starts_with("x-")) {
                path.push(key);
                self.add(path, NOT_SET.to_owned(), shown(found));
                path.pop();
            }
        }
    }

    fn pairs(&mut self, path: &mut Vec<String>, asked: &Pairs, found: &Pairs) {
        let (Some(asked), Some(found)) = (asked, found) else {
            return self.add(path, "a list or a map".to_owned(), "something else".to_owned());
        };
        let value = |pairs: &[(String, Option<String>)], key: &str| {
            pairs.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.clone())
        };
        let told = |value: Option<Option<String>>| match value {
            None => NOT_SET.to_owned(),
            Some(None) => "the environment's".to_owned(),
            Some(Some(value)) => value,
        };
        let is_labels = path.last().is_some_and(|key| key == "labels");
        let mut keys: Vec<&String> = asked.iter().chain(found).map(|(key, _)| key).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            let (asked, found) = (value(asked, key), value(found, key));
            let own = asked.is_none() && is_labels && !label::is_reserved(key);
            if asked != found && !own {
                path.push(key.clone());
                self.add(path, told(asked), told(found));
                path.pop();
            }
        }
    }

    fn add(&mut self, path: &[String], asked: String, found: String) {
        let (service, rest) = match path {
            [services, service, rest @ ..] if services == "services" && !rest.is_empty() => {
                (service.clone(), rest)
            }
            all => (String::new(), all),
        };
        self.0.push(Weaker { service, key: rest.join("."), asked, found });
    }
}

const NOT_SET: &str = "not set";

/// Names with values; `None` for a value is the environment's.
type Pairs = Option<Vec<(String, Option<String>)>>;

/// Whether Compose takes a list of `NAME=VALUE` and a map for the same here.
fn is_pairs(path: &[String]) -> bool {
    matches!(path, [services, _, key] if services == "services" && (key == "environment" || key == "labels"))
}

fn pairs(value: &Value) -> Pairs {
    match value {
        Value::Null => Some(Vec::new()),
        Value::Sequence(items) => items
            .iter()
            .map(|item| {
                let item = text_of(item)?;
                let split = item.split_once('=').map(|(key, value)| (key.to_owned(), Some(value.to_owned())));
                Some(split.unwrap_or((item, None)))
            })
            .collect(),
        Value::Mapping(entries) => entries
            .iter()
            .map(|(key, value)| match value {
                Value::Null => Some((text_of(key)?, None)),
                value => Some((text_of(key)?, Some(text_of(value)?))),
            })
            .collect(),
        _ => None,
    }
}

/// A scalar as Compose reads it.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn name(key: &Value) -> String {
    text_of(key).unwrap_or_else(|| shown(key))
}

fn shown(value: &Value) -> String {
    match value {
        Value::Sequence(items) if items.is_empty() => "nothing".to_owned(),
        Value::Sequence(items) if items.iter().all(|item| text_of(item).is_some()) => {
            items.iter().filter_map(text_of).collect::<Vec<_>>().join(", ")
        }
        Value::Null => NOT_SET.to_owned(),
        value => serde_yaml::to_string(value).unwrap_or_default().trim().replace('\n', " "),
    }
}
