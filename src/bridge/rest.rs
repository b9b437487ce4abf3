//! `POST /mcp` with `{"method", "params"}`: one tool call.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum_core::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::future::poll_immediate;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use memchr::memmem::Finder;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use super::abilities::Abilities;
use super::auth::{Principal, gate};
use super::budget::SMALL_BYTES;
use super::catalog;
use super::exchange::{self, Client};
use super::greeting::Era;
use super::link::LinkEnd;
use super::listen;
use super::permitted;
use super::pool::{Lease, PoolError};
use super::problem::{self, Problem};
use super::readiness;
use super::reception::Visit;
use super::serve::Bridge;
use super::sessions;
use super::stateless::{self, Refusal, Stateless};
use super::telemetry::{Account, Counted, Wire};
use super::tool::{self, Said, ToolError};
use crate::mcp::{Members, Words};

/// What a body has to be.
const SHAPE: &str = "send {\"method\": \"<tool>\", \"params\": {<arguments>}}";
/// What every message of JSON-RPC has.
static OF_RPC: Words = Words::new(|| Finder::new("\"jsonrpc\""));
/// What a call has that goes on with an earlier one.
static STATE: Words = Words::new(|| Finder::new("requestState"));
/// How long a call waits for a server while all are busy.
pub(crate) const QUEUE: Duration = Duration::from_secs(2);
/// For the list that tells a tool that is not there from one that failed.
const LIST_PATIENCE: Duration = Duration::from_secs(5);
/// JSON-RPC's code for arguments that do not fit.
const INVALID_PARAMS: i64 = -32602;

/// Calls the tool that the body names.
pub(crate) async fn call(bridge: &Arc<Bridge>, principal: &Principal, visit: Visit) -> Response {
    answer(bridge, principal, visit).await.unwrap_or_else(IntoResponse::into_response)
}

async fn answer(bridge: &Arc<Bridge>, principal: &Principal, visit: Visit) -> Result<Response, Problem> {
    let Visit { head: Parts { headers, .. }, body, account, .. } = visit;
    let account = &account;
    // Held until the answer is there: the call makes copies of it.
    let _room = room(bridge, body.size_hint().upper()).await?;
    let body = read(bridge, &headers, body).await?;
    let text = std::str::from_utf8(&body).unwrap_or_default();
    if OF_RPC.are_in(text) {
        if stateless::is_stateless(&headers, text) {
            account.asks(Wire::HttpModern, None, None);
            return mcp(bridge, principal, account, &headers, stateless::read(&headers, text)).await;
        }
        account.asks(Wire::HttpLegacy, None, None);
        return sessions::post(bridge, principal, account, &headers, text).await;
    }
    account.asks(Wire::Rest, None, None);
    let answer = bare(bridge, principal, account, &understand(&body)?).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], answer).into_response())
}

/// A request of the stateless era.
async fn mcp(
    bridge: &Arc<Bridge>,
    principal: &Principal,
    account: &Account,
    headers: &HeaderMap,
    request: Result<Option<Stateless>, Refusal>,
) -> Result<Response, Problem> {
    let mut request = match request {
        Ok(Some(request)) => request,
        Ok(None) => return Ok(StatusCode::ACCEPTED.into_response()),
        Err(refusal) => return Ok(refusal.into_response()),
    };
    account.asks(Wire::HttpModern, Some(&request.method), request.tool());
    if let Some(denied) = request.tool().and_then(|tool| permitted::denied(principal, tool, &request.params))
    {
        let id = Some(request.id.as_str());
        return Ok(Refusal::new(StatusCode::OK, id, stateless::INVALID_PARAMS, &denied).into_response());
    }
    if bridge.is_stopping() {
        return Err(problem::stopping());
    }
    let client = Client {
        principal: principal.clone(),
        account: account.clone(),
        _place: bridge.gate.enter(principal)?,
    };
    let deadline = Instant::now() + bridge.settings.call_timeout;
    // It has a server already.
    if STATE.are_in(&request.params)
        && matches!(
            *bridge.pool.era(QUEUE).await.map_err(|error| no_server(bridge, error))?,
            Era::Legacy { .. }
        )
        && let Some(response) = exchange::resume(bridge, principal, &request, deadline).await
    {
        return Ok(response);
    }
    // Where the tools cannot be listed, what is repeated cannot be known.
    if let Some(tool) = request.tool()
        && let Ok(catalog) = bridge.catalogs.get().await
        && let Err(differs) = catalog.mirrored.check(tool, &request.params, headers)
    {
        return Ok(stateless::mismatch(&request.id, &differs).into_response());
    }
    let lease = lease(bridge, &request.able, account).await?;
    if let Some(traced) = account.hand_on(&request.params) {
        request.params = traced;
    }
    if request.method == "subscriptions/listen" {
        return Ok(listen::listen(bridge, client, lease, request).await);
    }
    Ok(exchange::answer(bridge, client, lease, request, deadline).await)
}

/// A call of a tool.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) tool: String,
    /// A JSON object, as the client wrote it.
    pub(crate) arguments: String,
}

/// Calls a tool for a principal: the one way for all of REST, with the one meaning of each failure. The answer
/// is JSON.
pub(crate) async fn bare(
    bridge: &Arc<Bridge>,
    principal: &Principal,
    account: &Account,
    wanted: &Wanted,
) -> Result<String, Problem> {
    account.asks(Wire::Rest, None, Some(&wanted.tool));
    if !principal.may_call(&wanted.tool) {
        return Err(gate::denied(principal, &wanted.tool));
    }
    if bridge.is_stopping() {
        return Err(problem::stopping());
    }
    let _place = bridge.gate.enter(principal)?;
    let limit = bridge.settings.call_timeout;
    // Whoever leaves drops all this, and with it the call.
    timeout(limit, converse(bridge, account, wanted)).await.unwrap_or_else(|_| Err(too_slow(limit)))
}

/// A server for a call, which ends when the bridge does.
async fn lease(bridge: &Arc<Bridge>, able: &Abilities, account: &Account) -> Result<Lease, Problem> {
    let lease = tokio::select! {
        biased;
        lease = bridge.pool.lease(able, QUEUE) => lease.map_err(|error| no_server(bridge, error))?,
        () = bridge.stopped() => return Err(problem::stopping()),
    };
    // Those that came before the bridge was told to end have heard of it.
    if bridge.is_stopping() {
        return Err(problem::stopping());
    }
    account.is_served_by(lease.link().pid());
    Ok(lease)
}

async fn converse(bridge: &Arc<Bridge>, account: &Account, wanted: &Wanted) -> Result<String, Problem> {
    let Wanted { tool, arguments } = wanted;
    let lease = lease(bridge, &Abilities::default(), account).await?;
    match tool::call(&lease, Some(account), tool, arguments).await {
        Ok(Said { text, is_error: false }) => Ok(text),
        Ok(Said { text, .. }) => {
            if is_unknown(&lease, tool, &text).await {
                return Err(unknown(tool));
            }
            let detail = format!("the tool {tool:?} says that it failed");
            let result = serde_json::from_str(&text).unwrap_or(Value::String(text));
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).with("result", result))
        }
        Err(ToolError::Refused { code, message }) => {
            if is_unknown(&lease, tool, &message).await {
                return Err(unknown(tool));
            }
            let status = if code == INVALID_PARAMS {
                StatusCode::UNPROCESSABLE_ENTITY
            } else {
                StatusCode::BAD_GATEWAY
            };
            let detail = format!("the server refused the call with error {code}: {message}");
            Err(Problem::new(status, detail).with("code", json!(code)))
        }
        Err(ToolError::Link(LinkEnd::Closed)) => Err(problem::stopping()),
        Err(ToolError::Link(end)) => {
            readiness::suspect(bridge);
            Err(bad_gateway(&end))
        }
    }
}

/// There is no server for a call.
pub(crate) fn no_server(bridge: &Bridge, error: PoolError) -> Problem {
    match error {
        PoolError::Full(_) => problem::full(bridge.settings.max_children),
        PoolError::Crowded(waiting) => problem::crowded(waiting),
        PoolError::HeldBack(held_back) => problem::held_back(&held_back),
        PoolError::Spawn { program, reason } => problem::cannot_start(&program, &reason),
        PoolError::Greeting(error) => bad_gateway(&error),
    }
}

/// The server does not do what a server does.
pub(crate) fn bad_gateway(error: &impl std::fmt::Display) -> Problem {
    Problem::new(StatusCode::BAD_GATEWAY, error.to_string())
        .hint("the server's own words are in the bridge's log")
}

/// Whether a refusal means that there is no such tool: by its words, and by the server's list
/// where it has one. Servers agree neither on a code nor on whether it is an error at all.
async fn is_unknown(lease: &Lease, tool: &str, words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    let says_so =
        ["unknown", "not found", "no such", "does not exist"].iter().any(|sign| words.contains(sign));
    if !says_so || *lease.era() == Era::Bare {
        return says_so && (words.contains("method") || words.contains("tool"));
    }
    match timeout(LIST_PATIENCE, catalog::read(lease)).await {
        Ok(Ok(catalog)) => !catalog.names(tool),
        _ => false,
    }
}

fn unknown(tool: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("the server has no tool {tool:?}"))
}

/// The server takes longer than a call may.
pub(crate) fn too_slow(limit: Duration) -> Problem {
    Problem::new(StatusCode::GATEWAY_TIMEOUT, format!("the server did not answer within {limit:?}"))
        .hint("start the bridge with a longer --call-timeout, if the tool is slow")
}

/// Waits for room for a body that is large or does not say its length.
pub(crate) async fn room(
    bridge: &Bridge,
    length: Option<u64>,
) -> Result<Option<OwnedSemaphorePermit>, Problem> {
    if length.is_some_and(|length| length <= SMALL_BYTES as u64) {
        return Ok(None);
    }
    let limit = bridge.settings.call_timeout;
    let room = timeout(limit, bridge.incoming.room()).await;
    room.map_err(|_| problem::no_room(limit))
}

/// Reads a body of JSON, within the bounds of bytes and time.
pub(crate) async fn read(
    bridge: &Bridge,
    headers: &HeaderMap,
    body: Counted<Incoming>,
) -> Result<Bytes, Problem> {
    if !is_json(headers) {
        // A page may post any other type without asking first.
        let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is not declared as JSON");
        return Err(problem.hint("send the header Content-Type: application/json"));
    }
    let wait = bridge.settings.waits.body;
    let mut whole = pin!(whole(body, bridge.settings.max_message));
    // Mostly it came with the head.
    match poll_immediate(&mut whole).await {
        Some(body) => body,
        None => timeout(wait, whole).await.unwrap_or_else(|_| {
            let detail = format!("the body did not come within {wait:?}");
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail))
        }),
    }
}

async fn whole(mut body: Counted<Incoming>, max: usize) -> Result<Bytes, Problem> {
    let (length, mut first, mut whole) = (body.size_hint().upper(), Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let frame = frame
            .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("the body broke off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + whole.len() + data.len() > max {
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a body may have {max} bytes"))
                .hint("start the bridge with a higher --max-message"));
        }
        if first.is_empty() && whole.is_empty() {
            first = data;
            continue;
        }
        if whole.is_empty() {
            let length = length.and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
            whole.reserve(length.min(max));
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&data);
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}

fn is_json(headers: &HeaderMap) -> bool {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = declared.map(|declared| declared.split(';').next().unwrap_or_default().trim());
    essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
}

pub(super) fn understand(body: &[u8]) -> Result<Wanted, Problem> {
    let wrong = |detail: &str| Problem::new(StatusCode::BAD_REQUEST, detail).hint(SHAPE);
    let members = object(body).map_err(|detail| wrong(&detail))?;
    let tool: String = members.value("method").ok_or_else(|| wrong("the method is missing or no text"))?;
    if tool.is_empty() {
        return Err(wrong("the method is empty"));
    }
    let arguments = members.get("params").filter(|text| *text != "null").unwrap_or("{}").to_owned();
    if !arguments.starts_with('{') {
        return Err(wrong("the params are not an object"));
    }
    Ok(Wanted { tool, arguments })
}

/// The members of a body, or why it has none.
pub(crate) fn object(body: &[u8]) -> Result<Members<'_>, String> {
    let text = std::str::from_utf8(body).map_err(|error| format!("the body is not JSON: {error}"))?;
    Members::read(text).ok_or_else(|| match serde_json::from_str::<&RawValue>(text) {
        Err(error) => format!("the body is not JSON: {error}"),
        Ok(value) if value.get().starts_with('{') => "the body says something twice".to_owned(),
        Ok(_) => "the body is not a JSON object".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_names_a_tool_and_may_leave_out_its_arguments() {
        let wanted = |arguments: &str| Wanted { tool: "a".to_owned(), arguments: arguments.to_owned() };
        for (body, arguments) in [
            (r#"{"method":"a","params":{"n": 1e999},"id":1}"#, r#"{"n": 1e999}"#),
            (r#"{"method":"\u0061","params":null}"#, "{}"),
            (r#"{"method":"a"}"#, "{}"),
        ] {
            assert_eq!(understand(body.as_bytes()).expect("a request"), wanted(arguments), "{body}");
        }
    }

    #[test]
    fn every_other_body_is_told_what_it_must_be() {
        for (body, status) in [
            ("", 400),
            ("[]", 400),
            (r#"["a",{}]"#, 400),
            ("{}", 400),
            (r#"{"method":1}"#, 400),
            (r#"{"method":""}"#, 400),
            (r#"{"method":"a","params":[]}"#, 400),
            (r#"{"method":"a","method":"b"}"#, 400),
        ] {
            assert_eq!(understand(body.as_bytes()).expect_err(body).status(), status, "{body}");
        }
    }

    #[test]
    fn only_a_body_that_is_declared_as_json_is_read() {
        for (declared, json) in
            [("application/json", true), ("Application/JSON; charset=utf-8", true), ("text/plain", false)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(declared));
            assert_eq!(is_json(&headers), json, "{declared}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
