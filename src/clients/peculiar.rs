//! What a client makes of an entry besides starting what it says: whoever starts it in the client's place
//! cannot do the same.

use super::table::Client;
use super::value::Value;

/// What a program, its folder or its variables are replaced by in some clients.
const REPLACED: [&str; 4] = ["${", "{env:", "{file:", "$("];
/// Keys of more than one client's that change how a program is started.
const STARTED_OTHERWISE: [&str; 4] = ["cwd", "workingDirectory", "envFile", "env_file"];

/// Why an entry is not to be judged by starting what it says, in words; `None` where it is.
pub(super) fn peculiarity(client: &Client, entry: &Value) -> Option<String> {
    let within = client.variants.iter().find_map(|variant| entry.get(variant.shape.inner?));
    let entry = within.unwrap_or(entry);
    off(entry).or_else(|| otherwise(entry)).or_else(|| replaced(entry)).or_else(|| shown(client, entry))
}

fn off(entry: &Value) -> Option<String> {
    let says = |key: &str, off: bool| entry.get(key) == Some(&Value::Bool(off));
    (says("enabled", false) || says("disabled", true)).then(|| "it is switched off in the file".to_owned())
}

fn otherwise(entry: &Value) -> Option<String> {
    if let Some(kind @ ("sse" | "ws")) = entry.get("type").and_then(Value::as_text) {
        return Some(format!("it is of the type {kind}, which is not spoken here"));
    }
    let key = STARTED_OTHERWISE.iter().find(|key| entry.get(key).is_some())?;
    Some(format!("{key} is heeded by the client alone"))
}

/// The headers are judged by themselves: of them the token is understood.
fn replaced(entry: &Value) -> Option<String> {
    let is_header = |name: &str| name.to_ascii_lowercase().contains("header") || name == "requestOptions";
    let mut others = entry.members().iter().filter(|(name, _)| !is_header(name)).map(|(_, value)| value);
    let sign = others.find_map(|value| REPLACED.iter().find(|sign| value.mentions(sign)))?;
    Some(format!("the client replaces what it has in {sign}…, and with what is only known to it"))
}

fn shown(client: &Client, entry: &Value) -> Option<String> {
    let remotes = client.variants.iter().filter_map(|variant| variant.shape.url);
    let headers = |keys: &[&str]| keys.iter().try_fold(entry, |value, key| value.get(key));
    let headers = remotes.filter_map(|remote| headers(remote.headers)).flat_map(Value::members);
    let token = |value: &Value| value.as_text().is_some_and(|text| text.starts_with("Bearer "));
    let mut others =
        headers.filter(|(name, value)| !(name.eq_ignore_ascii_case("authorization") && token(value)));
    others.next().map(|(name, _)| format!("the client sends the header {name}, which is left to it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::change::raw;
    use crate::clients::client;

    fn of(id: &str, text: &str) -> Option<String> {
        let client = client(id).expect("a client");
        let entry = raw(text.as_bytes(), client, "x").unwrap_or_else(|error| panic!("{text}: {error}"));
        entry.and_then(|entry| peculiarity(client, &entry))
    }

    fn cursor(entry: &str) -> Option<String> {
        of("cursor", &format!("{{\"mcpServers\": {{\"x\": {entry}}}}}"))
    }

    #[test]
    fn what_is_only_started_is_nothing_peculiar() {
        for entry in [
            r#"{"command": "docker", "args": ["run"], "env": {"A": "$B"}, "disabled": false}"#,
            r#"{"url": "http://a/mcp", "headers": {"authorization": "Bearer ${env:TOKEN}"}}"#,
        ] {
            assert_eq!(cursor(entry), None, "{entry}");
        }
        assert_eq!(of("cursor", "{}"), None);
    }

    #[test]
    fn what_only_the_client_does_is_told() {
        for (id, text, words) in [
            ("codex", "[mcp_servers.x]\ncommand = \"a\"\nenabled = false\n", "switched off"),
            ("codex", "[mcp_servers.x]\ncommand = \"./a\"\ncwd = \"/b\"\n", "cwd"),
            ("cline", r#"{"mcpServers": {"x": {"command": "a", "disabled": true}}}"#, "switched off"),
            ("goose", "extensions:\n  x:\n    cmd: a\n    enabled: false\n", "switched off"),
            ("opencode", r#"{"mcp": {"x": {"command": ["{env:HOME}/a"]}}}"#, "{env:"),
            (
                "continue-json",
                r#"{"experimental": {"modelContextProtocolServers": [{"name": "x", "transport": {"type": "sse", "url": "http://a"}}]}}"#,
                "type sse",
            ),
        ] {
            assert!(of(id, text).is_some_and(|why| why.contains(words)), "{id}: {:?}", of(id, text));
        }
        for (entry, words) in [
            (r#"{"command": "${env:HOME}/a"}"#, "${"),
            (r#"{"command": "a", "env": {"K": "${input:k}"}}"#, "${"),
            (r#"{"command": "a", "envFile": ".env"}"#, "envFile"),
            (r#"{"type": "sse", "url": "http://a/sse"}"#, "type sse"),
            (r#"{"url": "http://a/mcp", "headers": {"X-Api-Key": "k"}}"#, "X-Api-Key"),
            (r#"{"url": "http://a/mcp", "headers": {"Authorization": "Basic k"}}"#, "Authorization"),
        ] {
            assert!(cursor(entry).is_some_and(|why| why.contains(words)), "{entry}: {:?}", cursor(entry));
        }
    }
}
