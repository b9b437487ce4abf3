//! Headers that repeat what a body says, and events: what is written is read again as it was.

use data_encoding::BASE64;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

use super::json;
use super::source::Source;
use crate::bridge::mirrored::Mirrored;
use crate::bridge::sessions::sse;
use crate::bridge::stateless::decoded;
use crate::mcp::json_text;

pub(super) fn check(data: &[u8]) {
    let mut source = Source::of(data);
    let text = source.text();
    assert_eq!(decoded(&encoded(&text)).as_deref(), Some(text.as_str()));
    mirrors(&mut source);
    events(&mut source);
}

/// As a client of MCP 2026-07-28 writes it.
fn encoded(text: &str) -> String {
    let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if plain && text.trim() == text && !text.starts_with("=?base64?") {
        return text.to_owned();
    }
    format!("=?base64?{}?=", BASE64.encode(text.as_bytes()))
}

/// An argument that a header repeats: its name, its text, and what its header says.
struct Argument {
    name: &'static str,
    text: Option<String>,
    told: Option<String>,
}

impl Argument {
    fn invented(source: &mut Source<'_>, name: &'static str) -> Self {
        let (text, told) = match source.below(5) {
            0 => (None, None),
            1 => (Some("null".to_owned()), None),
            2 => {
                let is = source.is().to_string();
                (Some(is.clone()), Some(is))
            }
            3 => {
                // Whole numbers of any length.
                let digits: String =
                    source.take(30).iter().map(|byte| char::from(b'0' + byte % 10)).collect();
                let digits = format!("{}1{digits}", if source.is() { "-" } else { "" });
                (Some(digits.clone()), Some(digits))
            }
            _ => {
                let text = source.text();
                (Some(json::spelt(source, &text)), Some(encoded(&text)))
            }
        };
        Self { name, text, told }
    }
}

/// Whatever else the parameters say: what the headers say is compared with what the server reads.
fn mirrors(source: &mut Source<'_>) {
    let header = |name: &str| json!({"type": "any", "x-mcp-header": name});
    let tool = json!({"name": "t", "inputSchema": {"properties": {
        "a": header("A"), "deep": {"properties": {"b": header("B")}},
    }}});
    let tool = tool.to_string();
    let mirrored = Mirrored::of(std::iter::once(("t", tool.as_str())));
    let (a, b) = (Argument::invented(source, "a"), Argument::invented(source, "b"));
    let member = |argument: &Argument| argument.text.clone().map(|text| (argument.name, text));
    let deep: Vec<_> = member(&b).into_iter().chain([("x", json::value(source, 3))]).collect();
    let deep = json::object(source, &deep);
    let arguments: Vec<_> =
        member(&a).into_iter().chain([("deep", deep), ("y", json::value(source, 3))]).collect();
    let arguments = json::object(source, &arguments);
    let params = [("name", json_text(&"t")), ("arguments", arguments), ("z", json::value(source, 3))];
    let params = json::object(source, &params);

    let headers = headers([("mcp-param-a", a.told.as_deref()), ("mcp-param-b", b.told.as_deref())]);
    assert_eq!(mirrored.check("t", &params, &headers), Ok(()), "{params} {headers:?}");
    for (name, argument) in [("mcp-param-a", &a), ("mcp-param-b", &b)] {
        let mut others = vec![None, Some(String::new()), Some("x".to_owned()), Some("0".to_owned())];
        if let Some(told) = &argument.told {
            others.push(Some(format!("{told}0")));
            // Another last digit, or another last letter.
            let mut last = told.clone().into_bytes();
            if let Some(last) = last.last_mut().filter(|last| last.is_ascii_alphanumeric()) {
                *last ^= 1;
            }
            others.push(String::from_utf8(last).ok());
        }
        for other in others.iter().filter(|other| **other != argument.told) {
            let mut headers = headers.clone();
            headers.remove(name);
            if let Some(other) = other.as_deref().and_then(|other| HeaderValue::from_str(other).ok()) {
                headers.insert(HeaderName::from_static(name), other);
            }
            assert!(mirrored.check("t", &params, &headers).is_err(), "{params} {headers:?}");
        }
    }
}

fn headers(pairs: [(&'static str, Option<&str>); 2]) -> HeaderMap {
    let value = |(name, value): (&'static str, Option<&str>)| {
        Some((HeaderName::from_static(name), HeaderValue::from_str(value?).expect("visible")))
    };
    pairs.into_iter().filter_map(value).collect()
}

fn events(source: &mut Source<'_>) {
    let (mut stream, mut sent) = (Vec::new(), Vec::new());
    for number in 1..=1 + source.below(4) {
        let text = source.text();
        let id = source.is().then(|| format!("3-{number}"));
        stream.extend_from_slice(&sse::event(id.as_deref(), text.as_bytes()));
        if source.is() {
            stream.extend_from_slice(&sse::STILL_HERE);
        }
        sent.push((id, text.replace(['\r', '\n'], " ")));
    }
    let stream = String::from_utf8(stream).expect("text");
    assert_eq!(received(&stream), sent, "{stream:?}");
}

/// As a browser reads a stream of events (WHATWG HTML, section 9.2.6), but that an id is its own event's.
fn received(stream: &str) -> Vec<(Option<String>, String)> {
    let (mut events, mut id, mut data) = (Vec::new(), None, Vec::new());
    for line in stream.replace("\r\n", "\n").split(['\r', '\n']) {
        if line.is_empty() {
            if !data.is_empty() {
                events.push((id.take(), std::mem::take(&mut data).join("\n")));
            }
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match field {
            "id" => id = Some(value),
            "data" => data.push(value),
            _ => {}
        }
    }
    events
}
