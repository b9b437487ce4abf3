//! Why a server that is asked over HTTP has no answer: what it said instead, in its own words.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::time::timeout;

use super::place::Place;
use crate::mcp::{FrameError, TransportError};

/// How much is read of what a server says of an error, in bytes.
const SAID_BYTES: usize = 64 * 1024;
/// How much of it is shown, in characters.
const SHOWN: usize = 512;
/// How long it may take.
const SAID_PATIENCE: Duration = Duration::from_secs(5);

/// What came in the place of an answer.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Nobody listens there, it cannot be reached, or it does not prove who it is.
    #[error("cannot connect to {0}")]
    Connect(Place, #[source] io::Error),
    /// The connection was not made in time.
    #[error("cannot connect to {0} within {1:?}")]
    NoConnection(Place, Duration),
    /// The connection broke, or its other end speaks no HTTP.
    #[error("{0} broke off the exchange")]
    Broken(Place, #[source] hyper::Error),
    /// A notice was not taken in time.
    #[error("{0} did not answer within {1:?}")]
    Silent(Place, Duration),
    /// A status that is no success.
    #[error("{place} answered with status {status}{words}")]
    Status {
        /// Who answered.
        place: Place,
        /// The HTTP status.
        status: u16,
        /// The body's words, after a colon, where there are any.
        words: String,
    },
    /// A redirect, which would carry a token somewhere else.
    #[error("{0} redirects to {1:?}, and redirects are not followed")]
    Redirect(Place, String),
    /// The session has ended.
    #[error("{0} does not know the session any more{1}")]
    LostSession(Place, String),
    /// Something else than JSON or events.
    #[error("{0} answered with {1}, which is neither JSON nor a stream of events")]
    NotMessages(Place, String),
    /// JSON that is no answer, or one to something else.
    #[error("{0} answered with something that is no answer to what it was asked")]
    NotTheAnswer(Place),
    /// An answer, or one event of it, past the bound.
    #[error("the answer of {0} is longer than {1} bytes")]
    TooLong(Place, usize),
    /// Bytes that are no text.
    #[error("the answer of {0} is not UTF-8")]
    NotUtf8(Place),
    /// A request that was taken like a notification.
    #[error("{0} accepted the request with status {1}, without an answer")]
    NoAnswer(Place, u16),
    /// A stream that ended, and could not be resumed.
    #[error("{0} ended its answer before it was complete")]
    EndedEarly(Place),
}

impl Refusal {
    /// Whether another message may fare better: a server of one era does not take those of the other.
    fn is_of_message(&self) -> bool {
        match self {
            Self::Status { status, .. } => {
                (400..500).contains(status) && ![401, 403, 407, 429].contains(status)
            }
            Self::NoAnswer(..) => true,
            _ => false,
        }
    }
}

impl From<Refusal> for FrameError {
    fn from(refusal: Refusal) -> Self {
        let of_message = refusal.is_of_message();
        Self::Transport(TransportError { error: Box::new(refusal), of_message })
    }
}

/// What a body says of an error.
pub(super) enum Said {
    /// JSON-RPC's error object, as JSON.
    Rpc(String),
    /// Words, after a colon; nothing where there are none.
    Words(String),
}

/// Reads what is said of an error, as far as that is worth it.
pub(super) async fn said(body: Incoming) -> Said {
    let read = timeout(SAID_PATIENCE, Limited::new(body, SAID_BYTES).collect()).await;
    let bytes = read.ok().and_then(Result::ok).map_or_else(Bytes::new, http_body_util::Collected::to_bytes);
    understood(&bytes)
}

/// A JSON-RPC error, the `detail` of an RFC 9457 problem, the usual members of others, or a text's first line.
pub(super) fn understood(bytes: &[u8]) -> Said {
    let text = String::from_utf8_lossy(bytes);
    let value: Value = serde_json::from_str(&text).unwrap_or_default();
    if value["error"]["code"].is_i64() {
        return Said::Rpc(value["error"].to_string());
    }
    let members =
        [&value["detail"], &value["error_description"], &value["message"], &value["error"], &value["title"]];
    let words = members.into_iter().find_map(Value::as_str).map(str::to_owned);
    let is_text = value.is_null() && !text.trim_start().starts_with('<');
    let words =
        words.or_else(|| text.lines().find(|line| is_text && !line.trim().is_empty()).map(str::to_owned));
    let words: String = words.unwrap_or_default().chars().filter(|c| !c.is_control()).take(SHOWN).collect();
    Said::Words(if words.is_empty() { words } else { format!(": {words}") })
}

impl Said {
    /// As words, after a colon.
    pub(super) fn words(self) -> String {
        match self {
            Self::Words(words) => words,
            Self::Rpc(error) => {
                let error: Value = serde_json::from_str(&error).unwrap_or_default();
                error["message"].as_str().map(|words| format!(": {words}")).unwrap_or_default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_an_error_is_found_in_whatever_shape_it_has() {
        for (body, words) in [
            (r#"{"title":"Bad Request","status":400,"detail":"no such tool"}"#, ": no such tool"),
            (r#"{"error":"invalid_token","error_description":"it has expired"}"#, ": it has expired"),
            (r#"{"error":"nope"}"#, ": nope"),
            (r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no session"}}"#, ": no session"),
            ("\nout of order\r\nmore", ": out of order"),
            ("<html><title>502</title></html>", ""),
            ("\u{1b}[31mred", ": [31mred"),
            ("", ""),
            ("[1]", ""),
        ] {
            assert_eq!(understood(body.as_bytes()).words(), words, "{body}");
        }
        assert_eq!(understood(&b"x".repeat(9999)).words().len(), 2 + SHOWN);
    }
}
