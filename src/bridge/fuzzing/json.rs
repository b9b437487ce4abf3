//! Texts of JSON, spelt in the ways in which others spell it, and what must hold of such texts.

use serde::de::IgnoredAny;

use super::source::Source;
use crate::mcp::json_text;

const NUMBERS: [&str; 14] = [
    "0",
    "1",
    "2",
    "-0",
    "1.0",
    "1e2",
    "0.1",
    "-1.5E-7",
    "9007199254740993",
    "18446744073709551615",
    "-9223372036854775808",
    "123456789012345678901234567890",
    "1e999",
    "2.638344616030823e-256",
];
const STRINGS: [&str; 6] =
    [r#""""#, r#""\ud800""#, r#""\u0000\/\\""#, r#""é\u2028\n""#, r#""\u0061""#, r#""1""#];
const NAMES: [&str; 8] = ["a", "b", "name", "_meta", "progressToken", "jsonrpc", "é\"\\", "\u{0}"];
const SPACES: [&str; 8] = ["", "", "", "", " ", "\n", "\r\n", "\t\r"];

/// Anything.
pub(crate) fn value(source: &mut Source<'_>, depth: usize) -> String {
    match source.below(if depth == 0 { 4 } else { 7 }) {
        0 => source.pick(&["null", "true", "false"]).to_owned(),
        1 | 2 => source.pick(&NUMBERS).to_owned(),
        3 => string(source),
        4 => {
            let values: Vec<String> = (0..source.below(4)).map(|_| value(source, depth - 1)).collect();
            format!("[{}]", values.join(&format!("{},", source.pick(&SPACES))))
        }
        _ => {
            let mut names = NAMES.to_vec();
            let mut members = Vec::new();
            for _ in 0..source.below(4) {
                let name = names.remove(source.below(names.len()));
                members.push((name, value(source, depth - 1)));
            }
            object(source, &members)
        }
    }
}

/// Any string.
pub(crate) fn string(source: &mut Source<'_>) -> String {
    if source.is() { source.pick(&STRINGS).to_owned() } else { json_text(&source.text()) }
}

/// An object with these members; their names may be spelt with escapes, with spaces around them.
pub(crate) fn object(source: &mut Source<'_>, members: &[(&str, String)]) -> String {
    let mut text = format!("{{{}", source.pick(&SPACES));
    for (at, (name, value)) in members.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        text.push_str(comma);
        text.push_str(source.pick(&SPACES));
        text.push_str(&spelt(source, name));
        text.push_str(source.pick(&SPACES));
        text.push(':');
        text.push_str(source.pick(&SPACES));
        text.push_str(value);
    }
    text.push_str(source.pick(&SPACES));
    text.push('}');
    text
}

/// A string, with escapes where none is needed.
pub(crate) fn spelt(source: &mut Source<'_>, text: &str) -> String {
    let escaped = match source.below(8) {
        0 => usize::MAX,
        1 => source.below(text.len().max(1)),
        _ => return json_text(&text),
    };
    let mut all = String::from("\"");
    for (at, character) in text.chars().enumerate() {
        if escaped == usize::MAX || at == escaped {
            let units = character.encode_utf16(&mut [0; 2]).to_vec();
            all.extend(units.into_iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            let plain = json_text(&character.to_string());
            all.push_str(&plain[1..plain.len() - 1]);
        }
    }
    all.push('"');
    all
}

/// Whether it is JSON; more than this no reader of ours asks of what is passed on.
pub(crate) fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}
