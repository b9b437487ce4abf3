//! Nodes of a compose file → texts, lists and fields; what is misshapen is noted and passed over.

use std::collections::BTreeSet;

use super::interpolation::interpolate;
use super::ledger::Ledger;
use super::service::Variable;
use super::words::split;
use crate::config::tree::{Data, Key, Node};
use crate::model::Secret;

/// How many entries are read, those that `<<` brings in counted each time.
pub(super) const MAX_ENTRIES: usize = 50_000;
/// How deep `<<` is followed.
const MAX_MERGES: usize = 16;

/// An entry of a map.
pub(super) struct Field {
    pub(super) name: String,
    pub(super) node: Node,
    pub(super) line: usize,
}

pub(super) struct Reader<'l> {
    pub(super) ledger: &'l mut Ledger,
    left: usize,
}

impl<'l> Reader<'l> {
    pub(super) fn new(ledger: &'l mut Ledger) -> Self {
        Self { ledger, left: MAX_ENTRIES }
    }

    /// The entries of a map, those of `<<` after its own; of what is there twice the first.
    pub(super) fn fields(&mut self, node: &Node, path: &str) -> Vec<Field> {
        let mut fields = Vec::new();
        match &node.data {
            Data::Map(entries) => self.gather(entries, path, 0, &mut BTreeSet::new(), &mut fields),
            Data::Null => {}
            Data::Scalar(_) | Data::List(_) => self.misshapen(node, path, "a map"),
        }
        fields
    }

    fn gather(
        &mut self,
        entries: &[(Key, Node)],
        path: &str,
        depth: usize,
        seen: &mut BTreeSet<String>,
        fields: &mut Vec<Field>,
    ) {
        let mut merged: Vec<&Node> = Vec::new();
        for (key, node) in entries {
            if self.left == 0 || depth > MAX_MERGES {
                // What is nested like this is not meant to be read: nothing further is.
                self.left = 0;
                return self.ledger.note(key.spot.line, path, "there is more of it than is read");
            }
            self.left -= 1;
            match (&*key.name, &node.data) {
                ("<<", Data::List(items)) => merged.extend(items.iter()),
                ("<<", _) => merged.push(node),
                (name, _) if seen.insert(name.to_owned()) => {
                    fields.push(Field { name: name.to_owned(), node: node.clone(), line: key.spot.line });
                }
                _ if depth == 0 => {
                    self.ledger.note(key.spot.line, path, "a key is there twice; the first one counts");
                }
                _ => {}
            }
        }
        for node in merged {
            if self.left == 0 {
                return;
            }
            match &node.data {
                Data::Map(entries) => self.gather(entries, path, depth + 1, seen, fields),
                _ => self.misshapen(node, &format!("{path}.<<"), "a map"),
            }
        }
    }

    /// A text, its variables replaced by their defaults. Nothing where one has no default.
    pub(super) fn text(&mut self, node: &Node, path: &str) -> Option<String> {
        match &node.data {
            Data::Scalar(text) => self.replaced(text, node.spot.line, path),
            Data::Null => None,
            Data::List(_) | Data::Map(_) => {
                self.misshapen(node, path, "a text");
                None
            }
        }
    }

    /// As [`Reader::text`], of a text that stands in a line.
    pub(super) fn replaced(&mut self, text: &str, line: usize, path: &str) -> Option<String> {
        let done = interpolate(text);
        if !done.unresolved.is_empty() {
            let names = done.unresolved.join(", ");
            self.ledger.note(line, path, format!("it depends on {names}, which mcpo.yaml does not replace"));
            return None;
        }
        if !done.defaulted.is_empty() {
            let names = done.defaulted.join(", ");
            self.ledger.note(line, path, format!("the default of {names} is taken over for good"));
        }
        Some(done.text)
    }

    /// A list of texts, or one.
    pub(super) fn texts(&mut self, node: &Node, path: &str) -> Vec<String> {
        match &node.data {
            Data::List(items) => items.iter().filter_map(|item| self.text(item, path)).collect(),
            Data::Map(_) => {
                self.misshapen(node, path, "a list");
                Vec::new()
            }
            Data::Scalar(_) | Data::Null => self.text(node, path).into_iter().collect(),
        }
    }

    /// The items of a list.
    pub(super) fn items<'n>(&mut self, node: &'n Node, path: &str) -> &'n [Node] {
        match &node.data {
            Data::List(items) => items,
            Data::Null => &[],
            Data::Scalar(_) | Data::Map(_) => {
                self.misshapen(node, path, "a list");
                &[]
            }
        }
    }

    /// A command: a list as it is, a text cut into words.
    pub(super) fn command(&mut self, node: &Node, path: &str) -> Option<Vec<String>> {
        match &node.data {
            Data::Scalar(_) => {
                let text = self.text(node, path)?;
                let words = split(&text);
                if words.is_none() {
                    self.ledger.note(node.spot.line, path, "a quote in it is never closed");
                }
                words
            }
            Data::List(items) => {
                let words: Vec<String> = items.iter().filter_map(|item| self.text(item, path)).collect();
                (words.len() == items.len()).then_some(words)
            }
            Data::Null => None,
            Data::Map(_) => {
                self.misshapen(node, path, "a command");
                None
            }
        }
    }

    pub(super) fn flag(&mut self, node: &Node, path: &str) -> Option<bool> {
        let text = self.text(node, path)?;
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => {
                self.misshapen(node, path, "true or false");
                None
            }
        }
    }

    /// Names with or without values, as a map or as a list of `NAME=value`.
    pub(super) fn pairs(&mut self, node: &Node, path: &str) -> Vec<(String, Option<String>, usize)> {
        let Data::List(items) = &node.data else {
            let fields = self.fields(node, path);
            return fields.into_iter().filter_map(|field| self.pair(field, path)).collect();
        };
        let mut pairs = Vec::new();
        for item in items.iter() {
            match &item.data {
                Data::Scalar(text) => {
                    let (name, value) = match text.split_once('=') {
                        Some((name, value)) => (name, Some(value.to_owned())),
                        None => (&**text, None),
                    };
                    pairs.push((name.to_owned(), value, item.spot.line));
                }
                _ => self.misshapen(item, path, "NAME=value"),
            }
        }
        pairs
    }

    fn pair(&mut self, field: Field, path: &str) -> Option<(String, Option<String>, usize)> {
        match &field.node.data {
            Data::Scalar(text) => Some((field.name, Some(text.to_string()), field.line)),
            Data::Null => Some((field.name, None, field.line)),
            Data::List(_) | Data::Map(_) => {
                self.misshapen(&field.node, path, "a text");
                None
            }
        }
    }

    /// What a variable of a service holds.
    pub(super) fn variable(
        &mut self,
        name: &str,
        value: Option<String>,
        line: usize,
        path: &str,
    ) -> Variable {
        let Some(value) = value else { return Variable::Passed };
        let done = interpolate(&value);
        if done.whole.as_deref() == Some(name) {
            return Variable::Passed;
        }
        if !done.unresolved.is_empty() {
            return Variable::Unresolved(done.unresolved);
        }
        if !done.defaulted.is_empty() {
            let names = done.defaulted.join(", ");
            self.ledger.note(line, path, format!("the default of {names} is taken over for good"));
        }
        Variable::Written(Secret::new(done.text))
    }

    pub(super) fn misshapen(&mut self, node: &Node, path: &str, what: &str) {
        self.ledger.note(node.spot.line, path, format!("it is not {what}"));
    }
}

/// A path of a note with the name of a variable, where that is one: anything else may be a secret.
pub(super) fn variable_path(path: &str, name: &str) -> String {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if plain && !name.is_empty() && !crate::model::is_secret_value(name) {
        format!("{path}.{name}")
    } else {
        path.to_owned()
    }
}
