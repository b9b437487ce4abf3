//! A message that is sent over HTTP, and what of that which comes back is its answer. Pure.

use serde_json::value::RawValue;

use super::mirrored::version_of;
use crate::mcp::{Envelope, Kind, Members, Outcome, response_line};

/// A message that is sent.
pub(super) struct Asked {
    pub(super) body: String,
    what: What,
    /// Empty for an answer, and in the bare dialect.
    pub(super) method: String,
    /// JSON.
    pub(super) params: String,
    /// The revision that it names, in the era without sessions.
    pub(super) version: Option<String>,
}

enum What {
    /// By its id, as JSON.
    Request(String),
    /// A call in the bare dialect.
    Bare,
    /// A notification or an answer.
    Notice,
}

impl Asked {
    pub(super) fn read(line: &str) -> Self {
        let body = line.to_owned();
        let Ok((envelope, kind)) = Envelope::read(line) else {
            return Self {
                body,
                what: What::Bare,
                method: String::new(),
                params: String::new(),
                version: None,
            };
        };
        let id = envelope.id.map_or("null", RawValue::get).to_owned();
        let (what, method) = match kind {
            Kind::Request(method) => (What::Request(id), method),
            Kind::Notification(method) => (What::Notice, method),
            Kind::Response(_) => (What::Notice, String::new()),
        };
        let params = envelope.params.map_or("{}", RawValue::get).to_owned();
        Self { body, what, method, version: version_of(&params), params }
    }

    /// Whether it has no answer.
    pub(super) fn is_notice(&self) -> bool {
        matches!(self.what, What::Notice)
    }

    /// The line that answers it; `None` for what cannot be answered so.
    pub(super) fn answered(&self, outcome: &Outcome<impl AsRef<str>>) -> Option<String> {
        let What::Request(id) = &self.what else { return None };
        Some(response_line(id, outcome))
    }

    /// A text, if it is the answer.
    pub(super) fn answer(&self, text: &str) -> Option<String> {
        let bare = || Members::read(text).filter(|members| members.get("jsonrpc").is_none());
        let What::Request(id) = &self.what else { return bare().map(|_| text.to_owned()) };
        let Ok((envelope, kind)) = Envelope::read(text) else {
            // By which the client knows the bare dialect.
            return bare().map(|_| text.to_owned());
        };
        match (kind, envelope.id) {
            // Of a request whose id could not be read.
            (Kind::Response(Outcome::Error(error)), None) => self.answered(&Outcome::Error(error.get())),
            (Kind::Response(_), Some(of)) if of.get() == id => Some(text.to_owned()),
            _ => None,
        }
    }
}

/// The result in an answer.
pub(super) fn result_of(answer: &str) -> Option<&str> {
    match Envelope::read(answer).ok()?.1 {
        Kind::Response(Outcome::Result(result)) => Some(result.get()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_told_apart() {
        let request = Asked::read(r#"{"jsonrpc":"2.0","id":7,"method":"m","params":{"a":1}}"#);
        assert_eq!((request.method.as_str(), request.params.as_str()), ("m", r#"{"a":1}"#));
        assert!(!request.is_notice() && request.version.is_none());
        for notice in [r#"{"jsonrpc":"2.0","method":"n"}"#, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#] {
            assert!(Asked::read(notice).is_notice(), "{notice}");
        }
        assert!(!Asked::read(r#"{"method":"t","params":{}}"#).is_notice());
        let meta = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#;
        let stateless = Asked::read(&format!(r#"{{"jsonrpc":"2.0","id":7,"method":"m","params":{meta}}}"#));
        assert_eq!(stateless.version.as_deref(), Some("2026-07-28"));
    }

    #[test]
    fn an_answer_is_of_the_id_that_was_asked() {
        let request = Asked::read(r#"{"jsonrpc":"2.0","id":7,"method":"m"}"#);
        let of = |text: &str| request.answer(text);
        let same = |text: &str| assert_eq!(of(text).as_deref(), Some(text));
        same(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#);
        same(r#"{"jsonrpc":"2.0","id":7,"error":{"code":1}}"#);
        same(r#"{"bare":true}"#);
        let nameless = of(r#"{"jsonrpc":"2.0","id":null,"error":{"code":1}}"#);
        assert_eq!(nameless.as_deref(), Some(r#"{"jsonrpc":"2.0","id":7,"error":{"code":1}}"#));
        for other in [
            r#"{"jsonrpc":"2.0","id":8,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":"7","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/progress"}"#,
            r#"{"jsonrpc":"2.0","id":7,"result":{},"result":{}}"#,
            "[1]",
            "words",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
