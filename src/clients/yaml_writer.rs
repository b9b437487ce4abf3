//! Values as YAML that every reader, of 1.1 and of 1.2, takes for the same.

use super::value::{Value, quoted};

/// What a reader of YAML 1.1 takes for something other than a text.
const WORDS: [&str; 12] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf", "none"];

/// A value by lines, the first of them without its indentation, the last without its end.
pub(super) fn block(value: &Value, indent: usize, eol: &str) -> String {
    let pad = format!("{eol}{}", " ".repeat(indent));
    match value {
        Value::Map(members) if !members.is_empty() => {
            let members: Vec<String> = members
                .iter()
                .map(|(key, value)| format!("{}:{}", name(key), below(value, indent, eol)))
                .collect();
            members.join(&pad)
        }
        Value::List(items) if !items.is_empty() => {
            let items: Vec<String> =
                items.iter().map(|item| format!("- {}", block(item, indent + 2, eol))).collect();
            items.join(&pad)
        }
        other => scalar(other),
    }
}

/// What follows the colon of a key at an indentation.
pub(super) fn below(value: &Value, indent: usize, eol: &str) -> String {
    if value.is_collection() && !value.is_empty() {
        format!("{eol}{}{}", " ".repeat(indent + 2), block(value, indent + 2, eol))
    } else {
        format!(" {}", scalar(value))
    }
}

/// A value on one line.
pub(super) fn flow(value: &Value) -> String {
    match value {
        Value::List(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Map(members) if members.is_empty() => "{}".to_owned(),
        Value::Map(members) => {
            let members: Vec<String> = members.iter().map(|(key, value)| member(key, value)).collect();
            format!("{{ {} }}", members.join(", "))
        }
        Value::Text(text) => quoted(text),
        other => scalar(other),
    }
}

/// A member of a map on one line.
pub(super) fn member(key: &str, value: &Value) -> String {
    format!("{}: {}", name(key), flow(value))
}

pub(super) fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Bare(bare) => bare.clone(),
        Value::Text(text) if is_plain(text) => text.clone(),
        Value::Text(text) => quoted(text),
        Value::List(_) => "[]".to_owned(),
        Value::Map(_) => "{}".to_owned(),
    }
}

pub(super) fn name(key: &str) -> String {
    if is_plain(key) && !key.contains(':') { key.to_owned() } else { quoted(key) }
}

/// Whether a text can go without quotes and stays a text.
fn is_plain(text: &str) -> bool {
    let word = text.trim_start_matches('-');
    text.len() - word.len() <= 2
        && word.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '_'))
        && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_./+=@:-".contains(&b))
        && !word.ends_with(':')
        && !WORDS.contains(&word.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_read_as_something_else_is_quoted() {
        for text in ["docker", "--rm", "-i", "a:b", "/x/y.env", "mcp-orchestrator:latest", "A=b", "node_18"] {
            assert_eq!(scalar(&Value::text(text)), text);
        }
        for text in [
            "",
            "yes",
            "No",
            "1",
            "1e3",
            "0x1",
            "-1",
            "a: b",
            "a #b",
            "a:",
            "- x",
            "---",
            "*a",
            "&a",
            "!x",
            "{a",
            "[",
            "a\nb",
            "ü",
            ".5",
            "@a",
            "`",
            "2001-01-01",
            "12:30",
            "~",
            "null",
            "a, b",
            " a",
            "%",
        ] {
            assert_eq!(scalar(&Value::text(text)), quoted(text), "{text}");
        }
    }
}
