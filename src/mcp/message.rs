//! What a line says: a JSON-RPC message of MCP, or a request or answer in the bare dialect.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

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

/// What came from a server.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// The answer to our request of that id.
    Result(u64, Value),
    /// The error to our request of that id.
    Error(u64, RpcError),
    /// A request of the server's, with its id as it came.
    Request(Value, String),
    /// JSON that is no JSON-RPC: an answer in the bare dialect.
    Bare(Value),
    /// A notification, an answer to nobody, or no JSON at all.
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

impl Incoming {
    /// Reads a line.
    #[must_use]
    pub fn read(line: &str) -> Self {
        let Ok(mut message) = serde_json::from_str::<Value>(line) else { return Self::Other };
        if message.get("jsonrpc").is_none() {
            return if message.is_object() { Self::Bare(message) } else { Self::Other };
        }
        let id = message.get("id").cloned().unwrap_or(Value::Null);
        if let Some(method) = message.get("method").and_then(Value::as_str) {
            return if id.is_null() { Self::Other } else { Self::Request(id, method.to_owned()) };
        }
        let Some(id) = id.as_u64() else { return Self::Other };
        if let Some(error) = message.get_mut("error").map(Value::take) {
            let unknown = || RpcError { code: 0, message: "an error without a message".to_owned() };
            return Self::Error(id, serde_json::from_value(error).unwrap_or_else(|_| unknown()));
        }
        message.get_mut("result").map_or(Self::Other, |result| Self::Result(id, result.take()))
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
            (r#"{"jsonrpc":"2.0","id":3,"result":{}}"#, Incoming::Result(3, json!({}))),
            (r#"{"jsonrpc":"2.0","id":3,"error":{"code":-32601,"message":"no"}}"#, Incoming::Error(3, error)),
            (r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#, Incoming::Request(json!("a"), "ping".into())),
            (r#"{"jsonrpc":"2.0","method":"notifications/x"}"#, Incoming::Other),
            (r#"{"jsonrpc":"2.0","id":null,"error":{}}"#, Incoming::Other),
            (r#"{"status":"active"}"#, Incoming::Bare(json!({"status": "active"}))),
            ("starting…", Incoming::Other),
            ("7", Incoming::Other),
        ] {
            assert_eq!(Incoming::read(line), expected, "{line}");
        }
    }
}
