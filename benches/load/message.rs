//! The requests, and whether an answer is the right one.
//!
//! A text is `~CCCCCCCC-SSSSSSSSSS~xxx…`: whose it is and which of theirs, so that an answer that went
//! to somebody else is seen. Both numbers, and the request's id, have a fixed width: a request is
//! written once and then only patched.

use std::ops::Range;

use serde_json::{Value, json};

use crate::args::Wire;

/// Digits of a client's number and of a request's.
const CLIENT: usize = 8;
const SEQUENCE: usize = 10;
/// The mark's length: the two numbers, the dash and the tildes.
pub(crate) const MARK: usize = CLIENT + SEQUENCE + 3;
/// Ids begin here, so that all have the same width.
const FIRST_ID: u64 = 1_000_000_000;

/// What an answer turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Right,
    /// Somebody else's, an earlier one, or damaged.
    Wrong,
    /// No echo at all, but this.
    Refused(String),
}

/// A request that is patched from call to call.
#[derive(Debug, Default)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    /// Where the id's digits are; the REST shapes have none.
    id: Option<usize>,
    text: Range<usize>,
    sequence: u64,
}

impl Template {
    /// The request of `client` to the echo tool in the shape of `wire`, with a text of `length` bytes.
    pub(crate) fn echo(wire: Wire, tool: &str, client: usize, length: usize) -> Self {
        let text = format!("~{client:0CLIENT$}-{:0SEQUENCE$}~{}", 0, "x".repeat(length.saturating_sub(MARK)));
        let bytes = body(wire, tool, &json!({"text": text})).into_bytes();
        let start = position(&bytes, b"~").unwrap_or_default();
        let id = position(&bytes, FIRST_ID.to_string().as_bytes());
        Self { bytes, id, text: start..start + text.len(), sequence: 0 }
    }

    /// The same behind `head`, for wires that carry more than the message.
    pub(crate) fn behind(mut self, head: &[u8]) -> Self {
        self.bytes.splice(0..0, head.iter().copied());
        self.id = self.id.map(|id| id + head.len());
        self.text = self.text.start + head.len()..self.text.end + head.len();
        self
    }

    /// The body's length, before anything is put in front of it.
    pub(crate) fn length(&self) -> usize {
        self.bytes.len()
    }

    /// The next request.
    pub(crate) fn next(&mut self) -> &[u8] {
        self.sequence += 1;
        let from = self.text.start + 1 + CLIENT + 1;
        digits(&mut self.bytes[from..from + SEQUENCE], self.sequence);
        if let Some(id) = self.id {
            digits(&mut self.bytes[id..id + 10], FIRST_ID + self.sequence);
        }
        &self.bytes
    }

    /// Whether `answer` is the one to the request before.
    pub(crate) fn judge(&self, answer: &[u8]) -> Verdict {
        let text = &self.bytes[self.text.clone()];
        let Some(start) = answer.iter().position(|byte| *byte == b'~') else {
            return Verdict::Refused(excerpt(answer));
        };
        if answer[start..].starts_with(text) { Verdict::Right } else { Verdict::Wrong }
    }

    /// The id of the request before, where it has one.
    pub(crate) fn id(&self) -> Option<u64> {
        self.id.map(|_| FIRST_ID + self.sequence)
    }
}

/// A call of `tool` in the shape of `wire`.
pub(crate) fn body(wire: Wire, tool: &str, arguments: &Value) -> String {
    let mut params = json!({"name": tool, "arguments": arguments});
    match wire {
        Wire::Rest => return json!({"method": tool, "params": arguments}).to_string(),
        Wire::Tool => return arguments.to_string(),
        Wire::Modern => {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": {"name": "load", "version": "1"},
            });
        }
        Wire::Pipe | Wire::Ws | Wire::Legacy | Wire::Stateless => {}
    }
    json!({"jsonrpc": "2.0", "id": FIRST_ID, "method": "tools/call", "params": params}).to_string()
}

/// The legacy handshake's first message.
pub(crate) fn initialize() -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "load", "version": "1"},
    }})
    .to_string()
}

/// And its last.
pub(crate) const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// The message in an answer that may be a stream of events.
pub(crate) fn parsed(answer: &[u8]) -> Option<Value> {
    if let Ok(value) = serde_json::from_slice(answer) {
        return Some(value);
    }
    let text = std::str::from_utf8(answer).ok()?;
    text.lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .find_map(|data| serde_json::from_str(data).ok())
}

/// The beginning of what a peer said, for a report.
pub(crate) fn excerpt(answer: &[u8]) -> String {
    String::from_utf8_lossy(answer).chars().take(200).collect()
}

/// Where `wanted` begins.
pub(crate) fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echoed(template: &mut Template) -> Vec<u8> {
        let request: Value = serde_json::from_slice(template.next()).unwrap_or_default();
        request["params"]["arguments"]["text"].to_string().into_bytes()
    }

    #[test]
    fn a_request_s_echo_is_right_and_anybody_else_s_or_an_earlier_one_is_wrong() {
        let mut ours = Template::echo(Wire::Ws, "echo", 7, 100);
        let mut theirs = Template::echo(Wire::Ws, "echo", 8, 100);
        let (first, foreign) = (echoed(&mut ours), echoed(&mut theirs));
        assert_eq!(ours.judge(&first), Verdict::Right);
        assert_eq!(ours.judge(&foreign), Verdict::Wrong);
        let second = echoed(&mut ours);
        assert_eq!(ours.judge(&first), Verdict::Wrong);
        assert_eq!(ours.judge(&second[..second.len() - 2]), Verdict::Wrong, "cut short");
        assert_eq!(ours.judge(b"{\"error\":1}"), Verdict::Refused("{\"error\":1}".to_owned()));
    }

    #[test]
    fn every_request_has_an_id_of_its_own_and_the_text_s_length_as_asked() {
        for wire in [Wire::Pipe, Wire::Ws, Wire::Legacy, Wire::Stateless, Wire::Modern] {
            let mut template = Template::echo(wire, "it/echo", 0, 1024).behind(b"POST / HTTP/1.1\r\n\r\n");
            template.next();
            let bytes = template.next()[19..].to_vec();
            let request: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            assert_eq!(request["id"].as_u64(), template.id(), "{request}");
            assert_eq!(request["params"]["arguments"]["text"].as_str().map(str::len), Some(1024));
        }
    }

    #[test]
    fn a_message_is_found_in_a_stream_of_events_too() {
        let stream = b"event: message\ndata: {\"id\":1}\n\n";
        assert_eq!(parsed(stream), Some(json!({"id": 1})));
        assert_eq!(parsed(b"{\"id\":1}"), Some(json!({"id": 1})));
        assert_eq!(parsed(b"<html>"), None);
    }
}
