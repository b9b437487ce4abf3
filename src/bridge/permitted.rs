//! What a principal with a list of tools is told of others: nothing.

use bytes::Bytes;
use serde_json::Value;

use super::auth::Principal;
use crate::mcp::{Envelope, Kind, Members, Outcome, response_line};

/// Why a principal may not call a tool.
pub(crate) fn denied(principal: &Principal, tool: &str) -> Option<String> {
    (!principal.may_call(tool)).then(|| format!("{} may not call the tool {tool:?}", principal.identity()))
}

/// The answer to `tools/list` without what the principal may not call.
pub(crate) fn listed(principal: &Principal, answer: &Bytes) -> Bytes {
    let changed = || {
        let text = std::str::from_utf8(answer).ok()?;
        let (envelope, kind) = Envelope::read(text).ok()?;
        let Kind::Response(Outcome::Result(result)) = kind else { return None };
        let result = listed_in(principal, result.get())?;
        Some(response_line(envelope.id.map_or("null", |id| id.get()), &Outcome::Result(result)))
    };
    changed().map_or_else(|| answer.clone(), Bytes::from)
}

/// The same of the result alone, as JSON; `None` where it lists nothing.
pub(crate) fn listed_in(principal: &Principal, result: &str) -> Option<String> {
    let mut members = Members::read(result)?;
    let tools: Vec<&serde_json::value::RawValue> = serde_json::from_str(members.get("tools")?).ok()?;
    let may = |tool: &&&serde_json::value::RawValue| {
        let name = serde_json::from_str::<Value>(tool.get()).ok();
        name.as_ref().and_then(|tool| tool["name"].as_str()).is_some_and(|name| principal.may_call(name))
    };
    let tools: Vec<&str> = tools.iter().filter(may).map(|tool| tool.get()).collect();
    let tools = format!("[{}]", tools.join(","));
    members.set("tools", tools);
    Some(members.to_string())
}
