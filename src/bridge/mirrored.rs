//! Tool parameters that a client repeats in headers, so that whoever stands in between can read them without
//! the body (MCP 2026-07-28, Streamable HTTP, "Custom Headers from Tool Parameters"). Pure.

use std::collections::HashMap;

use http::HeaderMap;
use serde_json::Value;

use super::stateless::{decoded, only};
use crate::mcp::Members;

/// How deep a schema's properties are looked through.
const DEPTH: usize = 16;

/// The parameters of all tools that are repeated in headers.
#[derive(Debug, Default)]
pub(crate) struct Mirrored(HashMap<String, Vec<Parameter>>);

#[derive(Debug, PartialEq, Eq)]
struct Parameter {
    /// The keys that lead to it.
    path: Vec<String>,
    /// Its header, in lower case.
    header: String,
}

impl Mirrored {
    /// Of tools, each with its description as JSON.
    pub(crate) fn of<'t>(tools: impl Iterator<Item = (&'t str, &'t str)>) -> Self {
        let with = tools.filter(|(_, text)| text.contains("x-mcp-header")).filter_map(|(name, text)| {
            let tool: Value = serde_json::from_str(text).ok()?;
            let mut found = Vec::new();
            collect(&tool["inputSchema"], &mut Vec::new(), &mut found);
            Some((name.to_owned(), found))
        });
        Self(with.collect())
    }

    /// Whether a call's headers say what its arguments say; else, in what they differ. `params` is JSON.
    pub(crate) fn check(&self, tool: &str, params: &str, headers: &HeaderMap) -> Result<(), String> {
        let Some(parameters) = self.0.get(tool) else { return Ok(()) };
        for Parameter { path, header } in parameters {
            let path: Vec<&str> =
                std::iter::once("arguments").chain(path.iter().map(String::as_str)).collect();
            let value =
                found(params, &path).map_err(|()| format!("{header} has a parameter that cannot be read"))?;
            let told = only(headers, header)?;
            let told = told.map(|told| decoded(told).ok_or(format!("{header} is no Base64 of UTF-8")));
            match (value.as_deref(), told.transpose()?) {
                (None, None) => {}
                (None, Some(_)) => return Err(format!("{header} is there, and its parameter is not")),
                (_, None) => return Err(format!("{header} is missing")),
                (Some(value), Some(told)) if says(value, &told) => {}
                (_, Some(told)) => {
                    return Err(format!("{header} is {told:?}, and its parameter says otherwise"));
                }
            }
        }
        Ok(())
    }
}

/// The text of what a path leads to, if anything; an error where two readers could find different things on
/// the way. Whatever else stands there is not read: nothing in it may keep this from being compared.
fn found(text: &str, path: &[&str]) -> Result<Option<String>, ()> {
    let Some((name, rest)) = path.split_first() else {
        return Ok((text != "null").then(|| text.to_owned()));
    };
    if !text.starts_with('{') {
        return Ok(None);
    }
    Members::read(text).ok_or(())?.get(name).map_or(Ok(None), |text| found(text, rest))
}

/// Whether a header says a value, which is JSON: numbers are compared as such, whole ones to the last digit.
fn says(value: &str, told: &str) -> bool {
    match value.as_bytes() {
        [b'"', ..] => serde_json::from_str::<String>(value).is_ok_and(|text| text == told),
        [b'{' | b'[', ..] => false,
        _ if value == told => true,
        _ if is_whole(value) && is_whole(told) => false,
        _ => {
            let told = told.parse::<f64>().ok().filter(|told| told.is_finite());
            told.is_some() && value.parse().ok() == told
        }
    }
}

fn is_whole(number: &str) -> bool {
    number.strip_prefix('-').unwrap_or(number).bytes().all(|byte| byte.is_ascii_digit())
}

fn collect(schema: &Value, path: &mut Vec<String>, found: &mut Vec<Parameter>) {
    let Some(properties) = schema["properties"].as_object().filter(|_| path.len() < DEPTH) else { return };
    for (name, schema) in properties {
        path.push(name.clone());
        if let Some(header) = schema["x-mcp-header"].as_str() {
            let header = format!("mcp-param-{}", header.to_ascii_lowercase());
            found.push(Parameter { path: path.clone(), header });
        }
        collect(schema, path, found);
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn checked(arguments: &Value, headers: &[(&'static str, &str)]) -> bool {
        let tool = json!({"name": "t", "inputSchema": {"type": "object", "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "deep": {"type": "object", "properties": {"n": {"type": "integer", "x-mcp-header": "N"}}},
            "sure": {"type": "boolean", "x-mcp-header": "Sure"},
        }}})
        .to_string();
        let mirrored = Mirrored::of([("t", tool.as_str()), ("other", "{}")].into_iter());
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")));
        let headers: HeaderMap = pairs.collect();
        assert!(mirrored.check("other", "{}", &headers).is_ok());
        mirrored.check("t", &json!({"arguments": arguments}).to_string(), &headers).is_ok()
    }

    #[test]
    fn headers_say_what_the_arguments_say() {
        let region = ("mcp-param-region", "north");
        assert!(checked(&json!({"region": "north"}), &[region]));
        assert!(checked(&json!({"region": "é"}), &[("mcp-param-region", "=?base64?w6k=?=")]));
        assert!(checked(&json!({"deep": {"n": 42}}), &[("mcp-param-n", "42.0")]));
        assert!(checked(&json!({"sure": true}), &[("mcp-param-sure", "true")]));
        assert!(checked(&json!({"region": null}), &[("mcp-param-unknown", "x")]));
    }

    #[test]
    fn whatever_differs_is_refused() {
        for (arguments, headers) in [
            (json!({"region": "north"}), &[][..]),
            (json!({}), &[("mcp-param-region", "north")]),
            (json!({"region": "north"}), &[("mcp-param-region", "South")]),
            (json!({"region": "é"}), &[("mcp-param-region", "=?base64?w6k?=")]),
            (json!({"deep": {"n": 42}}), &[("mcp-param-n", "43")]),
            (json!({"deep": {"n": 42}}), &[("mcp-param-n", "NaN")]),
            (json!({"deep": {"n": 9_007_199_254_740_993_u64}}), &[("mcp-param-n", "9007199254740992")]),
            (json!({"sure": true}), &[("mcp-param-sure", "TRUE")]),
            (json!({"region": {"a": 1}}), &[("mcp-param-region", "x")]),
        ] {
            assert!(!checked(&arguments, headers), "{arguments}");
        }
    }

    #[test]
    fn nothing_else_in_the_parameters_keeps_a_header_from_being_compared() {
        let tool = r#"{"inputSchema":{"properties":{"region":{"x-mcp-header":"Region"}}}}"#;
        let mirrored = Mirrored::of(std::iter::once(("t", tool)));
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for other in ["1e999", r#""\ud800""#, &deep, r#"{"a":1,"a":2}"#] {
            let params = format!(r#"{{"arguments":{{"region":"north","other":{other}}},"more":{other}}}"#);
            let told = |region: &str| {
                let headers = HeaderMap::from_iter([(
                    "mcp-param-region".parse().expect("a name"),
                    region.parse().expect("a value"),
                )]);
                mirrored.check("t", &params, &headers).is_ok()
            };
            assert!(told("north") && !told("south"), "{params}");
            assert!(mirrored.check("t", &params, &HeaderMap::new()).is_err(), "{params}");
        }
        let twice = r#"{"arguments":{"region":"north","region":"south"}}"#;
        assert!(mirrored.check("t", twice, &HeaderMap::new()).is_err());
    }
}
