//! What a line says: a JSON-RPC message of MCP, or a request or answer in the bare dialect.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::envelope::present;

/// The newest revision with a handshake.
pub const LEGACY: &str = "2025-11-25";
/// Every revision with a handshake, the latest first.
pub const LEGACY_VERSIONS: [&str; 4] = [LEGACY, "2025-06-18", "2025-03-26", "2024-11-05"];
/// The stateless revision.
pub const MODERN: &str = "2026-07-28";

/// How a server wants to be spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dialect {
    /// MCP with `initialize`; the revision that was agreed on.
    Legacy(String),
    /// Stateless MCP; the revision that every request names.
    Modern(String),
    /// One line `{"method", "params"}` in, one line of JSON out; no JSON-RPC.
    Bare,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Legacy(version) => write!(f, "MCP {version}, handshake"),
            Self::Modern(version) => write!(f, "MCP {version}, stateless"),
            Self::Bare => f.write_str("bare JSON lines"),
        }
    }
}

/// A request in the bare dialect.
#[derive(Debug, Clone, PartialEq)]
pub struct BareRequest {
    /// The tool's name.
    pub method: String,
    /// The tool's arguments; absent means none.
    pub params: Value,
}

impl BareRequest {
    /// Reads a request. Nothing but an object is one, and whatever else it holds is passed over.
    #[must_use]
    pub fn read(message: Value) -> Option<Self> {
        let Value::Object(mut members) = message else { return None };
        let Some(Value::String(method)) = members.remove("method") else { return None };
        Some(Self { method, params: members.remove("params").unwrap_or_default() })
    }
}

/// Whether a message is a request in the bare dialect: an object with a `method` and no `jsonrpc`.
#[must_use]
pub fn is_bare_request(message: &Value) -> bool {
    message.get("jsonrpc").is_none() && message.get("method").is_some_and(Value::is_string)
}

/// What came from a server. What is JSON in it is text, as it came.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// The answer to our request of that id.
    Result(u64, String),
    /// The error to our request of that id.
    Error(u64, RpcError),
    /// An error to a message that could not be understood, so that nobody knows which one it was
    /// (JSON-RPC 2.0, section 5: its id is null).
    Misunderstood(RpcError),
    /// A request of the server's, with its id as it came.
    Request(Value, String),
    /// A notification: its method and its parameters.
    Notification(String, String),
    /// JSON that is no JSON-RPC: an answer in the bare dialect.
    Bare(String),
    /// An answer to nobody, or no JSON at all.
    Other,
}

/// JSON-RPC's error object, without its data.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RpcError {
    /// The code.
    #[serde(default)]
    pub code: i64,
    /// What the server says.
    #[serde(default)]
    pub message: String,
}

/// A line's members, as far as they say what it is.
#[derive(Deserialize)]
struct Parts<'a> {
    #[serde(borrow, default)]
    jsonrpc: Option<&'a RawValue>,
    #[serde(default)]
    id: Value,
    #[serde(default)]
    method: Value,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    /// `null` is one too.
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<Value>,
}

const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;

impl Incoming {
    /// Reads a line.
    #[must_use]
    pub fn read(line: &str) -> Self {
        let line = line.trim();
        // A list would be read as its members in their order.
        let parts = line.starts_with('{').then(|| serde_json::from_str::<Parts<'_>>(line).ok()).flatten();
        let Some(Parts { jsonrpc, id, method, params, result, error }) = parts else { return Self::Other };
        if jsonrpc.is_none() {
            return Self::Bare(line.to_owned());
        }
        if let Value::String(method) = method {
            if id.is_null() {
                return Self::Notification(method, params.map_or("{}", RawValue::get).to_owned());
            }
            return Self::Request(id, method);
        }
        let error = error.map(|error| {
            let unknown = || RpcError { code: 0, message: "an error without a message".to_owned() };
            serde_json::from_value(error).unwrap_or_else(|_| unknown())
        });
        let id = match (id.as_u64(), error) {
            (Some(id), Some(error)) => return Self::Error(id, error),
            (Some(id), None) => id,
            // Some answer a notification like that too, with other codes.
            (None, Some(error)) if id.is_null() && matches!(error.code, PARSE_ERROR | INVALID_REQUEST) => {
                return Self::Misunderstood(error);
            }
            (None, _) => return Self::Other,
        };
        result.map_or(Self::Other, |result| Self::Result(id, result.get().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_bare_request_is_an_object_and_nothing_else() {
        let wanted = |method: &str, params| Some(BareRequest { method: method.into(), params });
        for (message, expected) in [
            (json!({"method": "a", "params": {"n": 1}, "more": 1}), wanted("a", json!({"n": 1}))),
            (json!({"method": "a"}), wanted("a", Value::Null)),
            (json!(["a", {"n": 1}]), None),
            (json!(["a"]), None),
            (json!({"method": 1}), None),
            (json!("a"), None),
        ] {
            assert_eq!(BareRequest::read(message.clone()), expected, "{message}");
        }
    }

    #[test]
    fn lines_are_told_apart() {
        let error = RpcError { code: -32601, message: "no".into() };
        for (line, expected) in [
            (r#"{"jsonrpc":"2.0","id":3,"result":{}}"#, Incoming::Result(3, "{}".into())),
            (
                r#"{"jsonrpc":"2.0","id":3,"result":{"n": 1e999}}"#,
                Incoming::Result(3, r#"{"n": 1e999}"#.into()),
            ),
            (r#"{"jsonrpc":"2.0","id":3,"error":{"code":-32601,"message":"no"}}"#, Incoming::Error(3, error)),
            (r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#, Incoming::Request(json!("a"), "ping".into())),
            (
                r#"{"jsonrpc":"2.0","method":"n","params":{"a": 1}}"#,
                Incoming::Notification("n".into(), r#"{"a": 1}"#.into()),
            ),
            (r#"{"jsonrpc":"2.0","id":null,"error":{}}"#, Incoming::Other),
            (r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"no"}}"#, Incoming::Other),
            (
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"what"}}"#,
                Incoming::Misunderstood(RpcError { code: -32700, message: "what".into() }),
            ),
            (r#"{"status":"active"}"#, Incoming::Bare(r#"{"status":"active"}"#.into())),
            (r#"["2.0",3,"m"]"#, Incoming::Other),
            ("starting…", Incoming::Other),
            ("7", Incoming::Other),
        ] {
            assert_eq!(Incoming::read(line), expected, "{line}");
        }
    }
}
