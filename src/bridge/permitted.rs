//! What a principal with a list of tools may say of others, and is told of them: nothing.
//!
//! Some servers read the names of members in any case and take the last of several. What only such a server
//! would read as another tool's call does not reach it.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::auth::Principal;
use crate::mcp::{Envelope, Kind, Members, Outcome, notification_line, request_line, response_line};

/// JSON-RPC's code for a server's own fault.
const INTERNAL_ERROR: &str = r#"{"code":-32603,"message":"the server's list of tools cannot be read"}"#;

/// Why a principal may not call a tool with these parameters, which are JSON.
pub(crate) fn denied(principal: &Principal, tool: &str, params: &str) -> Option<String> {
    if !principal.is_restricted() {
        return None;
    }
    if names_twice(params) {
        return Some("the params name the tool in two spellings".to_owned());
    }
    (!principal.may_call(tool)).then(|| format!("{} may not call the tool {tool:?}", principal.identity()))
}

/// Whether there is another member that is `name` but for the case of its letters.
fn names_twice(params: &str) -> bool {
    let members = Members::read(params).unwrap_or_default();
    members.iter().any(|(member, _)| member != "name" && member.to_uppercase() == "NAME")
}

/// A principal's message of nothing but the members that were looked at; of one without a list, as it stands.
pub(crate) fn plain<'m>(principal: &Principal, text: &'m str) -> Cow<'m, str> {
    if !principal.is_restricted() {
        return Cow::Borrowed(text);
    }
    match Envelope::read(text) {
        Ok((envelope, kind)) => {
            let id = envelope.id.map_or("null", RawValue::get);
            let params = envelope.params.map(RawValue::get);
            Cow::Owned(match kind {
                Kind::Request(method) => request_line(id, &method, params),
                Kind::Notification(method) => notification_line(&method, params),
                Kind::Response(Outcome::Result(result)) => response_line(id, &Outcome::Result(result.get())),
                Kind::Response(Outcome::Error(error)) => response_line(id, &Outcome::Error(error.get())),
            })
        }
        // What cannot be read is refused by whoever reads it next.
        Err(_) => Cow::Borrowed(text),
    }
}

/// The answer to `tools/list` without what the principal may not call.
pub(crate) fn listed(principal: &Principal, answer: &Bytes) -> Bytes {
    let text = std::str::from_utf8(answer).unwrap_or_default();
    match Envelope::read(text) {
        Ok((envelope, Kind::Response(Outcome::Result(result)))) => {
            let id = envelope.id.map_or("null", RawValue::get);
            response_line(id, &listed_in(principal, result.get())).into()
        }
        _ => answer.clone(),
    }
}

/// The same of the result alone, as JSON. One that cannot be read is an error: it may name anything.
pub(crate) fn listed_in(principal: &Principal, result: &str) -> Outcome<String> {
    let changed = || {
        let mut members = Members::read(result)?;
        let tools: Vec<&RawValue> = serde_json::from_str(members.get("tools")?).ok()?;
        let may = |tool: &&&RawValue| {
            let name = Members::read(tool.get()).and_then(|tool| tool.value::<String>("name"));
            name.is_some_and(|name| principal.may_call(&name))
        };
        let tools: Vec<&str> = tools.iter().filter(may).map(|tool| tool.get()).collect();
        let tools = format!("[{}]", tools.join(","));
        members.set("tools", tools);
        Some(members.to_string())
    };
    changed().map_or_else(|| Outcome::Error(INTERNAL_ERROR.to_owned()), Outcome::Result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::auth::Identity;
    use crate::bridge::auth::access::Access;

    fn of(list: &str) -> Principal {
        let access = if list.is_empty() { Access::default() } else { Access::parse(list).expect("a list") };
        Principal::new(Identity::Token("t".into()), std::sync::Arc::new(access))
    }

    #[test]
    fn a_tool_that_only_a_careless_reader_would_find_is_denied() {
        let (limited, free) = (of("echo"), of(""));
        assert_eq!(denied(&limited, "echo", r#"{"name":"echo","arguments":{"Name":"x"}}"#), None);
        assert!(denied(&limited, "other", r#"{"name":"other"}"#).is_some_and(|why| why.contains("other")));
        for params in [r#"{"name":"echo","Name":"other"}"#, r#"{"NAME":"other","name":"echo"}"#] {
            assert!(denied(&limited, "echo", params).is_some_and(|why| why.contains("two spellings")));
            assert_eq!(denied(&free, "echo", params), None);
        }
    }

    #[test]
    fn of_a_limited_client_s_message_only_what_was_looked_at_reaches_the_server() {
        let (limited, free) = (of("echo"), of(""));
        for (given, left) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call","Params":{"name":"x"}}"#,
                r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","method":"notifications/x","params":{"a": 1e999},"ID":7}"#,
                r#"{"jsonrpc":"2.0","method":"notifications/x","params":{"a": 1e999}}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","id":"q","result":{ },"Method":"tools/call"}"#,
                r#"{"jsonrpc":"2.0","id":"q","result":{ }}"#,
            ),
            ("[1]", "[1]"),
        ] {
            assert_eq!((plain(&limited, given), plain(&free, given)), (left.into(), given.into()));
        }
    }

    #[test]
    fn a_list_that_cannot_be_read_is_told_to_nobody_who_may_not_call_all_of_it() {
        let limited = of("echo");
        let listed = |result: &str| {
            let answer = response_line(1, &Outcome::Result(result));
            String::from_utf8(listed(&limited, &answer.into()).to_vec()).expect("text")
        };
        assert_eq!(
            listed(
                r#"{"tools":[{"name":"echo","x": 1e999},{"name":"other"},{"name":7},7],"nextCursor":"c"}"#
            ),
            r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"echo","x": 1e999}],"nextCursor":"c"}}"#
        );
        for result in [r#"{"tools":[],"tools":[{"name":"other"}]}"#, r#"{"tools":{"name":"other"}}"#, "7"] {
            let told = listed(result);
            assert!(told.contains("-32603") && !told.contains("other"), "{told}");
        }
        let refused = Bytes::from_static(br#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}"#);
        assert_eq!(super::listed(&limited, &refused), refused);
    }
}
