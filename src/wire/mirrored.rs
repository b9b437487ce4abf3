//! What a request of the stateless era repeats in headers (MCP 2026-07-28, Streamable HTTP, "Request
//! Metadata"): its method, what it is about, and the parameters of a tool that ask for it. Pure.

use std::collections::HashMap;

use data_encoding::BASE64;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::Value;

use crate::mcp::{Members, VERSION_KEY};

pub(super) const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// The word in a schema that asks for a header.
const ASKS: &str = "x-mcp-header";
/// How deep a schema's properties are looked through.
const DEPTH: usize = 16;

/// Parameters of tools that are repeated in headers, as far as the tools were listed.
#[derive(Debug, Default)]
pub(super) struct Mirrored(HashMap<String, Vec<Parameter>>);

#[derive(Debug, PartialEq, Eq)]
struct Parameter {
    /// The keys that lead to it.
    path: Vec<String>,
    header: HeaderName,
}

/// The revision that a request names; `None` where it is of the era that does not.
pub(super) fn version_of(params: &str) -> Option<String> {
    let params = Members::read(params)?;
    Members::read(params.get("_meta")?)?.value(VERSION_KEY)
}

impl Mirrored {
    /// The headers of a request of the revision `version`. `params` is JSON.
    pub(super) fn headers(
        &self,
        version: &str,
        method: &str,
        params: &str,
    ) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = vec![(VERSION, value_of(version)), (METHOD, value_of(method))];
        let Some(params) = Members::read(params) else { return headers };
        let about = match method {
            "tools/call" | "prompts/get" => params.text("name"),
            "resources/read" => params.text("uri"),
            _ => None,
        };
        let Some(about) = about else { return headers };
        headers.push((NAME, value_of(&about)));
        let mirrored = self.0.get(&*about).filter(|_| method == "tools/call");
        for Parameter { path, header } in mirrored.into_iter().flatten() {
            if let Some(text) = found(params.get("arguments").unwrap_or("{}"), path) {
                headers.push((header.clone(), value_of(&text)));
            }
        }
        headers
    }

    /// Learns from the result of `tools/list`. One that asks for headers that there cannot be must not be
    /// used: without these it is returned, where there are any.
    pub(super) fn learn(&mut self, result: &str) -> Option<String> {
        if !result.contains(ASKS) {
            return None;
        }
        let mut result: Value = serde_json::from_str(result).ok()?;
        let tools = result.get_mut("tools")?.as_array_mut()?;
        let all = tools.len();
        tools.retain(|tool| {
            let Some(name) = tool["name"].as_str() else { return true };
            match asked(&tool["inputSchema"]) {
                Ok(parameters) => {
                    self.0.insert(name.to_owned(), parameters);
                    true
                }
                Err(why) => {
                    tracing::warn!("the tool {name:?} is left out: {why}");
                    false
                }
            }
        });
        (tools.len() < all).then(|| result.to_string())
    }
}

/// The parameters that a schema wants repeated.
fn asked(schema: &Value) -> Result<Vec<Parameter>, String> {
    let mut found = Vec::new();
    collect(schema, &mut Vec::new(), &mut found)?;
    let mut names: Vec<&str> = found.iter().map(|parameter| parameter.header.as_str()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err("two parameters ask for one header".to_owned());
    }
    // Anywhere else than at a property it has no meaning that both sides share.
    let said = occurrences(schema, 0);
    if said > found.len() { Err(format!("{ASKS} stands where no parameter is")) } else { Ok(found) }
}

fn collect(schema: &Value, path: &mut Vec<String>, found: &mut Vec<Parameter>) -> Result<(), String> {
    let Some(properties) = schema["properties"].as_object().filter(|_| path.len() < DEPTH) else {
        return Ok(());
    };
    for (name, schema) in properties {
        path.push(name.clone());
        if let Some(header) = schema.get(ASKS) {
            let name = header.as_str().filter(|name| !name.is_empty());
            let header = name.and_then(|name| format!("mcp-param-{name}").parse().ok());
            let header = header.ok_or_else(|| format!("{} is no header's name", schema[ASKS]))?;
            if !["string", "integer", "boolean"].iter().any(|kind| schema["type"] == **kind) {
                return Err(format!("{} is neither text nor a whole number nor a boolean", path.join(".")));
            }
            found.push(Parameter { path: path.clone(), header });
        }
        collect(schema, path, found)?;
        path.pop();
    }
    Ok(())
}

/// How often a schema asks for a header; a property of that name asks for nothing.
fn occurrences(schema: &Value, depth: usize) -> usize {
    if depth > 2 * DEPTH {
        return 0;
    }
    match schema {
        Value::Object(members) => {
            let below = members.iter().map(|(key, value)| match (key.as_str(), value) {
                ("properties", Value::Object(properties)) => {
                    properties.values().map(|schema| occurrences(schema, depth + 2)).sum()
                }
                ("default" | "const" | "enum" | "examples", _) => 0,
                _ => occurrences(value, depth + 1),
            });
            usize::from(members.contains_key(ASKS)) + below.sum::<usize>()
        }
        Value::Array(items) => items.iter().map(|item| occurrences(item, depth + 1)).sum(),
        _ => 0,
    }
}

/// What a path leads to, as a header says it; nothing where it is not there, `null`, or of another kind.
fn found(text: &str, path: &[String]) -> Option<String> {
    let Some((name, rest)) = path.split_first() else {
        return match text.as_bytes().first()? {
            b'"' => serde_json::from_str(text).ok(),
            b'{' | b'[' | b'n' => None,
            _ => Some(text.to_owned()),
        };
    };
    found(Members::read(text)?.get(name)?, rest)
}

/// A text as a header's value: as it is, or as Base64 where it could be read as something else.
fn value_of(text: &str) -> HeaderValue {
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && text.trim() == text
        && !(text.starts_with("=?base64?") && text.ends_with("?="));
    let encoded = || format!("=?base64?{}?=", BASE64.encode(text.as_bytes()));
    let value = if is_plain { HeaderValue::from_str(text) } else { HeaderValue::from_str(&encoded()) };
    // Both are visible ASCII.
    value.unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn list(properties: &Value) -> String {
        json!({"tools": [{"name": "t", "inputSchema": {"type": "object", "properties": properties}}]})
            .to_string()
    }

    fn said(mirrored: &Mirrored, method: &str, params: &Value) -> Vec<String> {
        let headers = mirrored.headers("2026-07-28", method, &params.to_string());
        let line =
            |(name, value): &(HeaderName, HeaderValue)| format!("{name}: {}", value.to_str().expect("text"));
        headers.iter().skip(1).map(line).collect()
    }

    #[test]
    fn a_request_repeats_its_method_and_what_it_is_about() {
        let none = Mirrored::default();
        assert_eq!(said(&none, "tools/list", &json!({"name": "x"})), ["mcp-method: tools/list"]);
        assert_eq!(
            said(&none, "tools/call", &json!({"name": "échö"})),
            ["mcp-method: tools/call", "mcp-name: =?base64?w6ljaMO2?="]
        );
        assert_eq!(
            said(&none, "resources/read", &json!({"uri": "file:///x"})),
            ["mcp-method: resources/read", "mcp-name: file:///x"]
        );
    }

    #[test]
    fn values_are_plain_or_base64_as_in_the_specification_s_table() {
        for (text, value) in [
            ("us-west1", "us-west1"),
            ("", ""),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ] {
            assert_eq!(value_of(text), value, "{text:?}");
        }
    }

    #[test]
    fn a_tool_s_parameters_are_repeated_where_they_are_given() {
        let mut mirrored = Mirrored::default();
        let schema = json!({
            "region": {"type": "string", "x-mcp-header": "Region"},
            "deep": {"type": "object", "properties": {"n": {"type": "integer", "x-mcp-header": "N"}}},
            "sure": {"type": "boolean", "x-mcp-header": "Sure"},
            "x-mcp-header": {"type": "string"},
        });
        assert_eq!(mirrored.learn(&list(&schema)), None);
        let call =
            |arguments: Value| said(&mirrored, "tools/call", &json!({"name": "t", "arguments": arguments}));
        assert_eq!(
            call(json!({"region": "north", "deep": {"n": -7}, "sure": true}))[2..],
            ["mcp-param-n: -7", "mcp-param-region: north", "mcp-param-sure: true"]
        );
        assert_eq!(call(json!({"region": null, "deep": 1, "sure": [1]}))[2..], [""; 0]);
    }

    #[test]
    fn a_tool_that_asks_for_what_cannot_be_is_left_out() {
        for properties in [
            json!({"a": {"type": "string", "x-mcp-header": ""}}),
            json!({"a": {"type": "string", "x-mcp-header": "a b"}}),
            json!({"a": {"type": "string", "x-mcp-header": 7}}),
            json!({"a": {"type": "number", "x-mcp-header": "A"}}),
            json!({"a": {"type": "string", "x-mcp-header": "A"}, "b": {"type": "string", "x-mcp-header": "a"}}),
            json!({"a": {"type": "array", "items": {"type": "string", "x-mcp-header": "A"}}}),
            json!({"a": {"anyOf": [{"type": "string", "x-mcp-header": "A"}]}}),
        ] {
            let left = Mirrored::default().learn(&list(&properties));
            assert_eq!(left.as_deref(), Some(r#"{"tools":[]}"#), "{properties}");
        }
    }
}
