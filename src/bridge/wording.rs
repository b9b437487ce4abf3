//! A stateless request in the words of the server behind the bridge, and its answer in the client's. Pure.

use std::borrow::Cow;

use serde_json::json;

use super::greeting::Era;
use super::link::Answer;
use super::stateless::{INVALID_PARAMS, Stateless};
use crate::mcp::{
    BARE_TOOLS, CAPABILITIES_KEY, CLIENT_KEY, LOG_LEVEL_KEY, MODERN, Members, Outcome, SERVER_KEY,
    VERSION_KEY, bare_result, change_meta, json_text,
};

/// Methods that went with the handshake: nobody of this era has them.
const GONE: [&str; 6] =
    ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe", "roots/list"];
/// Results that say for how long they hold.
const CACHEABLE: [&str; 6] = [
    "server/discover",
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
    "resources/read",
];
/// The older era's code for a resource that there is not.
const NO_RESOURCE: i64 = -32002;

/// Whether no server of this era has such a method.
pub(crate) fn is_gone(method: &str) -> bool {
    GONE.contains(&method)
}

/// What is answered in the server's place; `None` where it has to be asked.
pub(crate) fn known(era: &Era, method: &str) -> Option<Outcome<String>> {
    match (era, method) {
        (_, "server/discover") => Some(discovered(era)),
        (Era::Bare, "tools/list") => Some(Outcome::Result(completed(method, BARE_TOOLS))),
        _ => None,
    }
}

/// The method as this server knows it: in the bare dialect a tool's name is one.
pub(crate) fn method_for<'r>(era: &Era, request: &'r Stateless) -> &'r str {
    if *era == Era::Bare { request.tool().unwrap_or(&request.method) } else { &request.method }
}

/// The parameters as this server knows them; `None` where it has no such method.
pub(crate) fn params_for<'r>(era: &Era, request: &'r Stateless) -> Option<Cow<'r, str>> {
    match era {
        Era::Modern { .. } => Some(Cow::Borrowed(&request.params)),
        Era::Legacy { .. } => Some(Cow::Owned(without_meta(&request.params))),
        Era::Bare => {
            request.tool()?;
            let params = Members::read(&request.params)?;
            Some(Cow::Owned(params.get("arguments").unwrap_or("{}").to_owned()))
        }
    }
}

/// Without what says in each request what a handshake says once, and without the rounds.
fn without_meta(params: &str) -> String {
    let changed = || {
        let mut members = Members::read(params)?;
        members.remove("inputResponses");
        members.remove("requestState");
        change_meta(&members.to_string(), |meta| {
            for key in [VERSION_KEY, CAPABILITIES_KEY, CLIENT_KEY, LOG_LEVEL_KEY] {
                meta.remove(key);
            }
        })
    };
    changed().unwrap_or_else(|| params.to_owned())
}

/// The answer as a client of this era reads it.
pub(crate) fn outcome(era: &Era, request: &Stateless, answer: Answer) -> Outcome<String> {
    match (era, answer) {
        (Era::Legacy { .. }, Answer::Rpc(Outcome::Result(result))) => {
            Outcome::Result(completed(&request.method, &result))
        }
        (Era::Legacy { .. }, Answer::Rpc(Outcome::Error(error))) => {
            Outcome::Error(renumbered(request, error))
        }
        (_, Answer::Rpc(outcome)) => outcome,
        (_, Answer::Bare(line)) => Outcome::Result(completed(&request.method, &bare_result(&line))),
    }
}

/// An error with this era's code.
fn renumbered(request: &Stateless, error: String) -> String {
    match Members::read(&error) {
        Some(mut members)
            if request.method == "resources/read" && members.value::<i64>("code") == Some(NO_RESOURCE) =>
        {
            members.set("code", INVALID_PARAMS.to_string());
            members.to_string()
        }
        _ => error,
    }
}

/// A result of the older era with what every result says in this one. Nothing is known of how long it
/// holds, so it holds for no time and for nobody else.
fn completed(method: &str, result: &str) -> String {
    let Some(mut members) = Members::read(result) else { return result.to_owned() };
    let cacheable = [("ttlMs", "0"), ("cacheScope", "\"private\"")];
    let cacheable = cacheable.into_iter().filter(|_| CACHEABLE.contains(&method));
    for (key, text) in [("resultType", "\"complete\"")].into_iter().chain(cacheable) {
        if members.get(key).is_none() {
            members.set(key, text);
        }
    }
    members.to_string()
}

/// What a server is and can do, in the words of this era.
pub(crate) fn discovered(era: &Era) -> Outcome<String> {
    Outcome::Result(match era {
        Era::Modern { discovered, .. } => discovered.clone(),
        Era::Bare => {
            let result = json!({"supportedVersions": [MODERN], "capabilities": {"tools": {}}});
            completed("server/discover", &result.to_string())
        }
        Era::Legacy { initialized, .. } => {
            let said = Members::read(initialized).unwrap_or_default();
            let mut result = Members::default();
            result.set("supportedVersions", json_text(&[MODERN]));
            result.set("capabilities", said.get("capabilities").unwrap_or("{}"));
            if let Some(info) = said.get("serverInfo") {
                result.set("_meta", format!(r#"{{"{SERVER_KEY}":{info}}}"#));
            }
            if let Some(instructions) = said.get("instructions") {
                result.set("instructions", instructions);
            }
            completed("server/discover", &result.to_string())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::abilities::Abilities;
    use crate::mcp::LEGACY;
    use serde_json::Value;

    fn request(method: &str, params: &str) -> Stateless {
        Stateless {
            id: "1".to_owned(),
            method: method.to_owned(),
            params: params.to_owned(),
            able: Abilities::default(),
            level: None,
            name: Members::read(params).and_then(|params| params.value("name")),
        }
    }

    fn legacy() -> Era {
        let initialized = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{"x":1.0}},"serverInfo":{"name":"s","version":"1"},"instructions":"Do."}"#;
        Era::Legacy { version: LEGACY.to_owned(), initialized: initialized.to_owned() }
    }

    #[test]
    fn what_a_handshake_said_once_is_said_to_whoever_asks() {
        let Outcome::Result(result) = discovered(&legacy()) else { panic!("an error") };
        insta::assert_snapshot!(result);
    }

    #[test]
    fn what_only_this_era_says_does_not_reach_a_server_of_the_older_one() {
        let params = r#"{"name":"x","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","progressToken":7,"io.modelcontextprotocol/clientCapabilities":{}}}"#;
        let request = |params: &str| request("tools/call", params);
        let call = request(params);
        let sent = params_for(&legacy(), &call);
        assert_eq!(sent.as_deref(), Some(r#"{"name":"x","_meta":{"progressToken":7}}"#));
        let call = request(r#"{"name":"x","arguments":{"a": 1.0}}"#);
        let sent = params_for(&Era::Bare, &call);
        assert_eq!(sent.as_deref(), Some(r#"{"a": 1.0}"#));
        assert_eq!(params_for(&Era::Bare, &super::tests::request("prompts/list", "{}")), None);
        let round = r#"{"name":"x","requestState":"s","inputResponses":{},"_meta":{}}"#;
        let call = request(round);
        let sent = params_for(&legacy(), &call);
        assert_eq!(sent.as_deref(), Some(r#"{"name":"x"}"#));
    }

    #[test]
    fn a_result_of_the_older_era_says_what_every_result_says_now() {
        let answer = |text: &str| Answer::Rpc(Outcome::Result(text.to_owned()));
        let listed = outcome(&legacy(), &request("tools/list", "{}"), answer(r#"{"tools": [1e999]}"#));
        let expected =
            r#"{"tools":[1e999],"resultType":"complete","ttlMs":0,"cacheScope":"private"}"#.to_owned();
        assert_eq!(listed, Outcome::Result(expected));
        let called = outcome(&legacy(), &request("tools/call", "{}"), answer(r#"{"content":[]}"#));
        assert_eq!(called, Outcome::Result(r#"{"content":[],"resultType":"complete"}"#.to_owned()));
    }

    #[test]
    fn a_resource_that_there_is_not_has_this_era_s_code() {
        let answer = Answer::Rpc(Outcome::Error(r#"{"code":-32002,"message":"no"}"#.to_owned()));
        let expected = Outcome::Error(r#"{"code":-32602,"message":"no"}"#.to_owned());
        assert_eq!(outcome(&legacy(), &request("resources/read", "{}"), answer), expected);
    }

    #[test]
    fn a_line_of_the_bare_dialect_is_a_tool_s_text() {
        for (line, failed) in
            [(r#"{"a":1}"#, false), (r#"{"error":"no"}"#, true), (r#"{"error":null}"#, false)]
        {
            let Outcome::Result(result) =
                outcome(&Era::Bare, &request("tools/call", "{}"), Answer::Bare(line.to_owned()))
            else {
                panic!("an error")
            };
            let result: Value = serde_json::from_str(&result).expect("JSON");
            assert_eq!((&result["isError"], &result["content"][0]["text"]), (&json!(failed), &json!(line)));
        }
    }
}
