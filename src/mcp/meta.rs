//! The keys of `_meta` that MCP 2026-07-28 defines, and what puts them there.

use serde_json::{Map, Value, json};

use super::envelope::Members;
use super::message::MODERN;

/// The revision that a request is of.
pub const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
/// What the client can be asked for.
pub const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
/// Who the client is.
pub const CLIENT_KEY: &str = "io.modelcontextprotocol/clientInfo";
/// From which level on the client wants to be told what the server logs.
pub const LOG_LEVEL_KEY: &str = "io.modelcontextprotocol/logLevel";
/// The request of `subscriptions/listen` that a notification is for.
pub const SUBSCRIPTION_KEY: &str = "io.modelcontextprotocol/subscriptionId";
/// Who the server is.
pub const SERVER_KEY: &str = "io.modelcontextprotocol/serverInfo";

/// From the least to the most severe (RFC 5424).
const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// How severe a level is; `None` for what is none.
#[must_use]
pub fn severity(level: &str) -> Option<usize> {
    LEVELS.iter().position(|known| *known == level)
}

/// The level of a severity that [`severity`] returned; for any other, the most severe.
#[must_use]
pub fn level_name(severity: usize) -> &'static str {
    LEVELS.get(severity).copied().unwrap_or(LEVELS[LEVELS.len() - 1])
}

/// An object's `_meta` changed where it stands; one that is there no more is taken out. `None` where the
/// text, or its `_meta`, is no object that says each thing once.
#[must_use]
pub fn change_meta(text: &str, change: impl FnOnce(&mut Members<'_>)) -> Option<String> {
    let mut members = Members::read(text)?;
    let meta = members.get("_meta").unwrap_or("{}").to_owned();
    let mut meta = Members::read(&meta)?;
    change(&mut meta);
    if meta.is_empty() {
        members.remove("_meta");
    } else {
        members.set("_meta", meta.to_string());
    }
    Some(members.to_string())
}

/// Who we are, as a client.
pub(super) fn client_info() -> Value {
    json!({"name": "mcpo-deploy", "version": env!("CARGO_PKG_VERSION")})
}

/// What every request in the stateless era says of a client without capabilities.
pub(super) fn client_meta() -> Map<String, Value> {
    let members = [(VERSION_KEY, MODERN.into()), (CAPABILITIES_KEY, json!({})), (CLIENT_KEY, client_info())];
    members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The parameters of a request in the stateless era, from a client without capabilities.
#[must_use]
pub fn with_meta(mut params: Value) -> Value {
    params["_meta"] = client_meta().into();
    params
}

/// The name and version in the answer to a handshake, or in that to `server/discover`, which has them in
/// its `_meta`.
pub(super) fn server_of(result: &Value) -> Option<String> {
    let info = result.get("serverInfo").or_else(|| result.get("_meta")?.get(SERVER_KEY))?;
    let name = info.get("name")?.as_str()?;
    let version = info.get("version").and_then(Value::as_str).unwrap_or("");
    Some(format!("{name} {version}").trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meta_is_changed_where_it_stands_and_goes_when_it_is_empty() {
        let given = r#"{"a": 1.0,"_meta":{"x": 1e999},"b":2}"#;
        let set = change_meta(given, |meta| meta.set("y", "3"));
        assert_eq!(set.as_deref(), Some(r#"{"a":1.0,"_meta":{"x":1e999,"y":3},"b":2}"#));
        let gone = change_meta(given, |meta| drop(meta.remove("x")));
        assert_eq!(gone.as_deref(), Some(r#"{"a":1.0,"b":2}"#));
        let new = change_meta("{}", |meta| meta.set("y", "3"));
        assert_eq!(new.as_deref(), Some(r#"{"_meta":{"y":3}}"#));
        assert_eq!(change_meta("[]", |_| ()), None);
        assert_eq!(change_meta(r#"{"_meta":7}"#, |_| ()), None);
    }

    #[test]
    fn levels_are_ordered() {
        assert!(severity("debug") < severity("emergency"));
        assert_eq!(severity("loud"), None);
    }
}
