//! Keys and values → the text of a `mcpo.yaml`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::ledger::clean;
use crate::config;

/// The value of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    One(String),
    List(Vec<String>),
    /// Names to values; one without is taken from the environment.
    Map(BTreeMap<String, Option<String>>),
}

/// What is written, by key.
#[derive(Debug, Default)]
pub(super) struct Entries(BTreeMap<usize, (&'static str, Value)>);

impl Entries {
    pub(super) fn insert(&mut self, key: &'static str, value: Value) {
        self.0.insert(config::place(key), (key, value));
    }

    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(&config::place(key)).map(|(_, value)| value)
    }

    /// What holds for a key: what is written, else the default.
    pub(super) fn effective(&self, key: &str) -> String {
        match self.get(key) {
            Some(Value::One(text)) => text.clone(),
            Some(Value::List(_) | Value::Map(_)) | None => config::default_text(key).to_owned(),
        }
    }
}

/// A value as YAML on one line.
pub(super) fn flow(value: &Value) -> String {
    match value {
        Value::One(text) => scalar(text),
        Value::List(items) => {
            format!("[{}]", items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(", "))
        }
        Value::Map(entries) => {
            let entry = |(name, value): (&String, &Option<String>)| {
                format!("{}: {}", quoted(name), value.as_deref().map_or_else(|| "~".to_owned(), quoted))
            };
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
    }
}

/// The whole file.
pub(super) fn text(entries: &Entries, file: &str) -> String {
    let mut text = format!(
        "# Written by `mcpo-deploy import` from {}. What is not here has its default:\n\
         # `mcpo-deploy config` shows all of it.\n",
        clean(file)
    );
    let mut open: Vec<&str> = Vec::new();
    for (key, value) in entries.0.values() {
        let mut sections: Vec<&str> = key.split('.').collect();
        let word = sections.pop().unwrap_or_default();
        let same = sections.iter().zip(&open).take_while(|(one, two)| one == two).count();
        if same == 0 && !sections.is_empty() {
            text.push('\n');
        }
        for (depth, section) in sections.iter().enumerate().skip(same) {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}{section}:", "  ".repeat(depth));
        }
        add(&mut text, word, value, &"  ".repeat(sections.len()));
        open = sections;
    }
    text
}

fn add(text: &mut String, word: &str, value: &Value, indent: &str) {
    let entries = match value {
        Value::Map(entries) if !entries.is_empty() => entries,
        value => {
            let _ = writeln!(text, "{indent}{word}: {}", flow(value));
            return;
        }
    };
    let _ = writeln!(text, "{indent}{word}:");
    for (name, value) in entries {
        let name = scalar(name);
        let _ = match value {
            Some(value) => writeln!(text, "{indent}  {name}: {}", quoted(value)),
            None => writeln!(text, "{indent}  {name}:"),
        };
    }
}

/// A scalar whose kind the key knows: numbers and flags stay plain.
fn scalar(text: &str) -> String {
    let number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    if number || matches!(text, "true" | "false") { text.to_owned() } else { quoted(text) }
}

/// A text that every reader of YAML takes for that text: plain where nothing could mistake it.
fn quoted(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let plain = text.len() <= 200
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '.'))
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_./@=:-".contains(c))
        && !text.contains(":/")
        && !text.ends_with(':')
        && text.contains(|c: char| c.is_ascii_alphabetic())
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
        // A number with a fraction, or infinity.
        && !text.strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric()) && rest != "env");
    if plain {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        let _ = match c {
            '"' => write!(out, "\\\""),
            '\\' => write!(out, "\\\\"),
            '\n' => write!(out, "\\n"),
            '\t' => write!(out, "\\t"),
            '\r' => write!(out, "\\r"),
            // What YAML does not count as printable, or as a line's end, and what people cannot see.
            c if c.is_control() || is_hidden(c) => match u32::from(c) {
                code @ ..=0xffff => write!(out, "\\u{code:04x}"),
                code => write!(out, "\\U{code:08x}"),
            },
            c => write!(out, "{c}"),
        };
    }
    out.push('"');
    out
}

fn is_hidden(c: char) -> bool {
    matches!(u32::from(c),
        0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xfff0..=0xffff | 0xe0000..=0x10_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree::{Data, read};

    #[test]
    fn whatever_is_quoted_is_read_back_as_it_was() {
        for text in [
            "plain",
            "a b",
            "",
            "~",
            "null",
            "true",
            "No",
            "1",
            "1.5",
            ".5",
            ".inf",
            "0x1f",
            "- a",
            "a: b",
            "a #b",
            "#a",
            "{{ x }}",
            "!tag",
            "&a",
            "*a",
            "a\nb",
            "\u{7}",
            "\u{85}\u{2028}\u{feff}",
            "é😀",
            "'\"\\",
            "%a",
            "@a",
            "`a",
            "|",
            ">",
            "ws://x:1",
            "a:",
            "${A}",
            "2026-01-01",
            "12:30:45",
            "=",
            ".env",
            "\u{10fffe}",
            "privileged: true",
        ] {
            for written in [quoted(text), scalar(text)] {
                let node = read(&format!("k: {written}\n")).map_err(|error| error.message).expect("YAML");
                let Data::Map(entries) = &node.data else { panic!("{text}") };
                let Data::Scalar(back) = &entries[0].1.data else { panic!("{text:?}: {written}") };
                assert_eq!(&**back, text, "{written}");
            }
        }
    }
}
