//! What a tool answered, as a person or the next program in a pipe reads it. Pure. What the server wrote
//! stays as it is written: a number of 30 digits is the same number afterwards.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::value::RawValue;

use crate::mcp::{Members, json_text};

/// Deeper than this, JSON is printed as it came.
const DEPTH: usize = 64;

/// The text parts as they are, a line for each other part; without any, the structured content.
pub(super) fn text(result: &str) -> String {
    let result = Members::read(result).unwrap_or_default();
    let parts: Vec<&RawValue> = parts(&result);
    if parts.is_empty() {
        return structured(&result).map(pretty).map(ended).unwrap_or_default();
    }
    parts.iter().filter_map(|part| Members::read(part.get())).map(|part| ended(in_words(&part))).collect()
}

/// The structured content; else the text as JSON; else the text.
pub(super) fn content(result: &str) -> String {
    let result = Members::read(result).unwrap_or_default();
    if let Some(structured) = structured(&result) {
        return ended(pretty(structured));
    }
    let parts = parts(&result);
    let texts = parts.iter().filter_map(|part| Some(Members::read(part.get())?.text("text")?.into_owned()));
    let text = texts.collect::<Vec<_>>().join("\n");
    ended(match serde_json::from_str::<&RawValue>(&text) {
        Ok(json) => pretty(json.get()),
        Err(_) => text,
    })
}

/// JSON with a line for each member and item, its tokens as they are.
pub(super) fn pretty(json: &str) -> String {
    let mut text = String::new();
    lay_out(json, 0, &mut text);
    text
}

fn parts<'r>(result: &'r Members<'_>) -> Vec<&'r RawValue> {
    result.get("content").and_then(|parts| serde_json::from_str(parts).ok()).unwrap_or_default()
}

fn structured<'r>(result: &'r Members<'_>) -> Option<&'r str> {
    result.get("structuredContent").filter(|content| *content != "null")
}

fn ended(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// A part: its text, or what it is.
fn in_words(part: &Members<'_>) -> String {
    let kind = part.text("type").unwrap_or_default();
    let resource = part.get("resource").and_then(Members::read).unwrap_or_default();
    let of = |part: &Members<'_>, name: &str| part.text(name).map(Cow::into_owned);
    match &*kind {
        "text" => of(part, "text").unwrap_or_default(),
        "resource_link" => format!("[link to {}]", of(part, "uri").unwrap_or_default()),
        "resource" => of(&resource, "text").unwrap_or_else(|| {
            let uri = of(&resource, "uri").unwrap_or_default();
            format!("[{uri}{}]", size(of(&resource, "blob").as_deref()))
        }),
        _ => {
            let what = of(part, "mimeType").unwrap_or_else(|| kind.to_string());
            format!("[{what}{}]", size(of(part, "data").as_deref()))
        }
    }
}

/// How long Base64 is once it is decoded, in words.
fn size(base64: Option<&str>) -> String {
    let Some(base64) = base64 else { return String::new() };
    let bytes = base64.trim_end_matches('=').len() * 3 / 4;
    match bytes {
        0..1000 => format!(", {bytes} bytes"),
        1000..1_000_000 => format!(", {} kB", (bytes + 500) / 1000),
        _ => format!(", {} MB", (bytes + 500_000) / 1_000_000),
    }
}

fn lay_out(json: &str, depth: usize, to: &mut String) {
    let inner = |to: &mut String| {
        to.push('\n');
        to.extend(std::iter::repeat_n("  ", depth + 1));
    };
    let last = |to: &mut String, end: char| {
        to.push('\n');
        to.extend(std::iter::repeat_n("  ", depth));
        to.push(end);
    };
    let json = json.trim();
    let members = Members::read(json).filter(|members| !members.is_empty());
    let items = serde_json::from_str::<Vec<&RawValue>>(json).ok().filter(|items| !items.is_empty());
    match (members, items) {
        (Some(members), _) if depth < DEPTH => {
            to.push('{');
            for (at, (name, value)) in members.iter().enumerate() {
                to.push_str(if at == 0 { "" } else { "," });
                inner(to);
                // Writing to a string cannot fail.
                let _ = write!(to, "{}: ", json_text(&name));
                lay_out(value, depth + 1, to);
            }
            last(to, '}');
        }
        (_, Some(items)) if depth < DEPTH => {
            to.push('[');
            for (at, item) in items.iter().enumerate() {
                to.push_str(if at == 0 { "" } else { "," });
                inner(to);
                lay_out(item.get(), depth + 1, to);
            }
            last(to, ']');
        }
        _ => to.push_str(json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn text_is_as_it_is_and_other_parts_are_named() {
        let png = "iVBOR".repeat(3200);
        let result = json!({"content": [
            {"type": "text", "text": "one\ntwo"},
            {"type": "image", "mimeType": "image/png", "data": png},
            {"type": "audio", "mimeType": "audio/wav", "data": "UklGRg=="},
            {"type": "resource_link", "uri": "file:///x", "name": "x"},
            {"type": "resource", "resource": {"uri": "file:///y", "text": "why\n"}},
            {"type": "resource", "resource": {"uri": "file:///z", "blob": "AAAA"}},
            {"type": "new"},
        ], "structuredContent": {"a": 1}});
        assert_eq!(
            text(&result.to_string()),
            "one\ntwo\n[image/png, 12 kB]\n[audio/wav, 4 bytes]\n[link to file:///x]\nwhy\n[file:///z, 3 bytes]\n[new]\n"
        );
        assert_eq!(
            text(r#"{"content":[],"structuredContent":{"b":1.0,"a":[]}}"#),
            "{\n  \"b\": 1.0,\n  \"a\": []\n}\n"
        );
        assert_eq!(text(r#"{"content":[]}"#), "");
    }

    #[test]
    fn content_is_structured_or_json_or_text() {
        let of = |text: &str| content(&json!({"content": [{"type": "text", "text": text}]}).to_string());
        assert_eq!(
            content(r#"{"content":[{"type":"text","text":"x"}],"structuredContent":{"a":1e999}}"#),
            "{\n  \"a\": 1e999\n}\n"
        );
        assert_eq!(
            of(r#" {"n": 123456789012345678901234567890}"#),
            "{\n  \"n\": 123456789012345678901234567890\n}\n"
        );
        assert_eq!((of("7"), of("plain"), of("")), ("7\n".into(), "plain\n".into(), String::new()));
    }

    #[test]
    fn json_that_is_laid_out_is_the_same_json() {
        let value = json!({"b": [1, {"a": "é\n\"", "c": [[]]}, null], "a\n": {}, "n": -1.5e-9});
        let laid_out = pretty(&value.to_string());
        assert_eq!(serde_json::from_str::<Value>(&laid_out).expect("JSON"), value);
        assert_eq!(laid_out, format!("{value:#}"));
        let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(pretty(&deep).replace([' ', '\n'], ""), deep);
    }
}
