//! A stateless request, put to a server of the pool's: answered with one JSON object, or, where the
//! server says something before it answers, with a stream of events that the answer ends.

use std::convert::Infallible;
use std::fmt::Display;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::greeting::Era;
use super::link::{Answer, Aside, Asked, LinkEnd};
use super::pool::Lease;
use super::stateless::{Refusal, Stateless};
use super::telemetry::RpcFault;
use crate::mcp::{MODERN, Members, Outcome, json_text, notification_line, response_line};

const TOO_SLOW: &str = "the server did not answer in time (--call-timeout)";
const METHOD_NOT_FOUND: i64 = -32601;
/// The server needs what the client did not say that it can.
const MISSING_CAPABILITY: i64 = -32021;
const INTERNAL_ERROR: i64 = -32603;
/// What a server says besides the answer and the client has not taken yet; more of it is dropped.
const ASIDES: usize = 64;
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

/// Puts the request to the server, and answers within `deadline`.
pub(crate) async fn answer(lease: Lease, request: Stateless, deadline: Instant) -> Response {
    if GONE.contains(&request.method.as_str()) {
        return not_found(&request).into_response();
    }
    if request.method == "server/discover" {
        return whole(&request, &discovered(lease.era()));
    }
    let Some(params) = params_for(lease.era(), &request) else { return not_found(&request).into_response() };
    let (asides, mut told) = mpsc::channel(ASIDES);
    let asked = lease.link().ask(method_for(lease.era(), &request), Some(&params), Some(asides)).await;
    let mut asked = match asked {
        Ok(asked) => asked,
        Err(end) => return broken(&request, &end),
    };
    let first = timeout_at(deadline, next(&mut asked, &mut told)).await;
    match first {
        Err(_) => broken(&request, &TOO_SLOW),
        Ok(Heard::Answer(Err(end))) => broken(&request, &end),
        Ok(Heard::Answer(Ok(answer))) => whole(&request, &outcome(lease.era(), &request, answer)),
        Ok(Heard::Aside(line)) => events(Exchange { lease, asked, told, request, deadline }, &line),
    }
}

enum Heard {
    Aside(String),
    Answer(Result<Answer, LinkEnd>),
}

/// The next thing that the client is to hear.
async fn next(asked: &mut Asked, told: &mut mpsc::Receiver<Aside>) -> Heard {
    loop {
        tokio::select! {
            // What came before the answer is told before it.
            biased;
            Some(aside) = told.recv() => match aside {
                Aside::Notification { method, params } => {
                    return Heard::Aside(notification_line(&method, params.as_deref()));
                }
                // It was told at its greeting that nobody can be asked.
                Aside::Request { .. } => {}
            },
            answer = asked.answer() => return Heard::Answer(answer),
        }
    }
}

/// A request whose answer comes as a stream. Dropped, it is cancelled.
struct Exchange {
    lease: Lease,
    asked: Asked,
    told: mpsc::Receiver<Aside>,
    request: Stateless,
    deadline: Instant,
}

fn events(exchange: Exchange, first: &str) -> Response {
    let first = event(first);
    let rest = stream::unfold(Some(exchange), |exchange| async {
        let mut exchange = exchange?;
        let heard = timeout_at(exchange.deadline, next(&mut exchange.asked, &mut exchange.told)).await;
        let request = &exchange.request;
        let outcome = match heard {
            Ok(Heard::Aside(line)) => return Some((Ok(event(&line)), Some(exchange))),
            Ok(Heard::Answer(Ok(answer))) => outcome(exchange.lease.era(), request, answer),
            Ok(Heard::Answer(Err(end))) => internal(&end),
            Err(_) => internal(&TOO_SLOW),
        };
        Some((Ok(event(&response_line(&request.id, &outcome))), None))
    });
    let events = stream::StreamExt::chain(stream::iter([Ok::<_, Infallible>(first)]), rest);
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that gather what they pass on would hold the events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn event(line: &str) -> Bytes {
    Bytes::from(format!("data: {line}\n\n"))
}

fn whole(request: &Stateless, outcome: &Outcome<String>) -> Response {
    let status = match outcome {
        Outcome::Error(error) if code(error) == Some(METHOD_NOT_FOUND) => StatusCode::NOT_FOUND,
        Outcome::Error(error) if code(error) == Some(MISSING_CAPABILITY) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    let mut response = Refusal { status, body: response_line(&request.id, outcome) }.into_response();
    if let Outcome::Error(error) = outcome {
        response.extensions_mut().insert(RpcFault(code(error).unwrap_or_default()));
    }
    response
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, [(header::CONTENT_TYPE, "application/json")], self.body).into_response()
    }
}

fn not_found(request: &Stateless) -> Refusal {
    let message = format!("Method not found: {}", request.method);
    Refusal::new(StatusCode::NOT_FOUND, Some(&request.id), METHOD_NOT_FOUND, &message)
}

fn broken(request: &Stateless, why: &impl Display) -> Response {
    let body = response_line(&request.id, &internal(why));
    Refusal { status: StatusCode::BAD_GATEWAY, body }.into_response()
}

fn internal(why: &impl Display) -> Outcome<String> {
    Outcome::Error(json!({"code": INTERNAL_ERROR, "message": why.to_string()}).to_string())
}

fn code(error: &str) -> Option<i64> {
    Members::read(error)?.value("code")
}

/// The method as this server knows it: in the bare dialect a tool's name is one.
fn method_for<'r>(era: &Era, request: &'r Stateless) -> &'r str {
    if *era == Era::Bare { request.tool().unwrap_or(&request.method) } else { &request.method }
}

/// The parameters as this server knows them; `None` where it has no such method.
fn params_for(era: &Era, request: &Stateless) -> Option<String> {
    match era {
        Era::Modern { .. } => Some(request.params.clone()),
        Era::Legacy { .. } => Some(without_meta(&request.params)),
        Era::Bare => {
            request.tool()?;
            let params = Members::read(&request.params)?;
            Some(params.get("arguments").unwrap_or("{}").to_owned())
        }
    }
}

/// Without what says in each request what a handshake says once.
fn without_meta(params: &str) -> String {
    let changed = || {
        let mut members = Members::read(params)?;
        let meta = members.get("_meta")?.to_owned();
        let mut meta = Members::read(&meta)?;
        for key in ["protocolVersion", "clientCapabilities", "clientInfo", "logLevel"] {
            meta.remove(&format!("io.modelcontextprotocol/{key}"));
        }
        if meta.is_empty() {
            members.remove("_meta");
        } else {
            members.set("_meta", meta.to_string());
        }
        Some(members.to_string())
    };
    changed().unwrap_or_else(|| params.to_owned())
}

/// The answer as a client of this era reads it.
fn outcome(era: &Era, request: &Stateless, answer: Answer) -> Outcome<String> {
    match (era, answer) {
        (Era::Legacy { .. }, Answer::Rpc(Outcome::Result(result))) => {
            Outcome::Result(completed(&request.method, &result))
        }
        (_, Answer::Rpc(outcome)) => outcome,
        (_, Answer::Bare(line)) => {
            let failed = Members::read(&line).and_then(|line| Some(line.get("error")? != "null"));
            let text = json!([{"type": "text", "text": line}]);
            let is_error = failed.unwrap_or_default();
            let result = json!({"content": text, "isError": is_error, "resultType": "complete"});
            Outcome::Result(result.to_string())
        }
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
fn discovered(era: &Era) -> Outcome<String> {
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
                result.set("_meta", format!(r#"{{"io.modelcontextprotocol/serverInfo":{info}}}"#));
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
    use crate::mcp::LEGACY;
    use serde_json::Value;

    fn request(method: &str, params: &str) -> Stateless {
        Stateless {
            id: "1".to_owned(),
            method: method.to_owned(),
            params: params.to_owned(),
            capabilities: "{}".to_owned(),
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
        let sent = params_for(&legacy(), &request("tools/call", params));
        assert_eq!(sent.as_deref(), Some(r#"{"name":"x","_meta":{"progressToken":7}}"#));
        let sent = params_for(&Era::Bare, &request("tools/call", r#"{"name":"x","arguments":{"a": 1.0}}"#));
        assert_eq!(sent.as_deref(), Some(r#"{"a": 1.0}"#));
        assert_eq!(params_for(&Era::Bare, &request("tools/list", "{}")), None);
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
