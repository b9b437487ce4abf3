//! What a client of the older revisions sends to `/mcp`, and what it gets.

use std::sync::Arc;

use axum_core::response::{IntoResponse, Response};
use futures_util::stream;
use http::{HeaderMap, StatusCode, header};
use memchr::memmem::Finder;
use tokio::time::timeout;

use super::super::auth::Principal;
use super::super::permitted;
use super::super::problem::Problem;
use super::super::serve::Bridge;
use super::super::stateless::{INVALID_PARAMS, INVALID_REQUEST, Refusal, VERSION, malformed, only};
use super::super::telemetry::{Account, RpcFault, SESSION, Wire};
use super::interpreter::Message;
use super::key::Key;
use super::session::Session;
use super::streams::{Event, NoStream, Reader};
use super::{open, sse};
use crate::mcp::{Envelope, Kind, LEGACY_VERSIONS, MODERN, Members, Outcome, Words, request_line};

/// The only revision whose messages come in batches.
const BATCHES: &str = "2025-03-26";
/// The messages of one batch.
const BATCH: usize = 64;
/// The code that the SDKs give a session that is not there.
const NO_SESSION: i64 = -32001;

/// A message of the client's.
pub(crate) async fn post(
    bridge: &Arc<Bridge>,
    principal: &Principal,
    account: &Account,
    headers: &HeaderMap,
    body: &str,
) -> Result<Response, Problem> {
    accepts(headers, &["application/json", "text/event-stream"])?;
    let body = &permitted::plain(principal, body);
    Ok(said(bridge, principal, account, headers, body).await?.unwrap_or_else(IntoResponse::into_response))
}

async fn said(
    bridge: &Arc<Bridge>,
    principal: &Principal,
    account: &Account,
    headers: &HeaderMap,
    body: &str,
) -> Result<Result<Response, Refusal>, Problem> {
    let is_batch = body.trim_start().starts_with('[');
    if !headers.contains_key(SESSION) && !is_batch {
        let (envelope, kind) = match Envelope::read(body) {
            Ok(read) => read,
            Err(error) => return Ok(Err(malformed(body, &error))),
        };
        let message = Message { text: body, envelope: &envelope, kind: &kind };
        if matches!(&kind, Kind::Request(method) if method == "initialize") {
            account.asks(Wire::HttpLegacy, Some("initialize"), None);
            return begin(bridge, principal, &message).await.map(Ok);
        }
    }
    let (session, version) = match find(bridge, principal, headers) {
        Ok(found) => found,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let client = Client { bridge, principal, account, session: &session, version: &version };
    Ok(if is_batch { client.batch(body).await } else { client.message(body).await })
}

async fn begin(
    bridge: &Arc<Bridge>,
    principal: &Principal,
    message: &Message<'_>,
) -> Result<Response, Problem> {
    let begun = open::open(bridge, principal, message).await?;
    let mut response = json(begun.answer);
    if let Some(id) = begun.id.and_then(|id| id.parse().ok()) {
        response.headers_mut().insert(SESSION, id);
    }
    Ok(response)
}

/// Opens the general stream, or resumes one that broke off.
pub(crate) fn get(bridge: &Arc<Bridge>, principal: Principal, headers: &HeaderMap) -> Response {
    if is_stateless(headers) {
        return no_method().into_response();
    }
    if let Err(problem) = accepts(headers, &["text/event-stream"]) {
        return problem.into_response();
    }
    let (session, version) = match find(bridge, &principal, headers) {
        Ok(found) => found,
        Err(refusal) => return refusal.into_response(),
    };
    let reader = match only(headers, "last-event-id") {
        Ok(None) => {
            session.streams().general().ok_or((StatusCode::CONFLICT, "somebody reads this stream already"))
        }
        Ok(Some(id)) => {
            let place = sse::place_of(id);
            let reader = place.and_then(|(stream, event)| session.streams().resume(stream, event));
            reader.ok_or((StatusCode::BAD_REQUEST, "what came after this event is not kept"))
        }
        Err(_) => Err((StatusCode::BAD_REQUEST, "Last-Event-ID is not one plain value")),
    };
    match reader {
        Ok(reader) => {
            sse::response(sse::events((None, reader), &version, principal, None, Arc::clone(bridge)))
        }
        Err((status, words)) => Refusal::new(status, None, INVALID_REQUEST, words).into_response(),
    }
}

/// Ends a session.
pub(crate) fn delete(bridge: &Bridge, principal: &Principal, headers: &HeaderMap) -> Response {
    if is_stateless(headers) {
        return no_method().into_response();
    }
    match find(bridge, principal, headers) {
        Ok((session, _)) => {
            bridge.sessions.forget(&session);
            session.end();
            StatusCode::NO_CONTENT.into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// Whether the client is of the era that has no sessions.
fn is_stateless(headers: &HeaderMap) -> bool {
    only(headers, &VERSION).is_ok_and(|version| version.is_some_and(|version| version >= MODERN))
}

fn no_method() -> Problem {
    let words = "MCP from 2026-07-28 on has neither GET nor DELETE";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, words).header(header::ALLOW, "POST")
}

/// Whether the client takes what it may be sent.
fn accepts(headers: &HeaderMap, kinds: &[&str]) -> Result<(), Problem> {
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<&str> = values
        .flat_map(|value| value.split(','))
        .map(|range| range.split(';').next().unwrap_or_default().trim())
        .collect();
    let takes = |kind: &&str| {
        let whole = kind.split('/').next().unwrap_or_default();
        named.iter().any(|range| {
            range.eq_ignore_ascii_case(kind)
                || *range == "*/*"
                || range.strip_suffix("/*").is_some_and(|start| start.eq_ignore_ascii_case(whole))
        })
    };
    if named.is_empty() || kinds.iter().all(takes) {
        return Ok(());
    }
    let words = format!("the answer may be any of {}, and Accept does not name them all", kinds.join(", "));
    Err(Problem::new(StatusCode::NOT_ACCEPTABLE, words)
        .hint(format!("send the header Accept: {}", kinds.join(", "))))
}

/// The session that the headers name.
fn find(
    bridge: &Bridge,
    principal: &Principal,
    headers: &HeaderMap,
) -> Result<(Arc<Session>, Arc<str>), Refusal> {
    let bad = |words: &str| Refusal::new(StatusCode::BAD_REQUEST, None, INVALID_REQUEST, words);
    let id = only(headers, &SESSION).map_err(|words| bad(&words))?;
    let id = id.ok_or_else(|| bad("Mcp-Session-Id is missing: begin with initialize"))?;
    let version = only(headers, &VERSION).map_err(|words| bad(&words))?;
    let Some((session, agreed)) = bridge.sessions.find(id, principal) else {
        let words = "Session not found: it has ended; begin anew with initialize";
        return Err(Refusal::new(StatusCode::NOT_FOUND, None, NO_SESSION, words));
    };
    if version.is_some_and(|version| version != &*agreed && !LEGACY_VERSIONS.contains(&version)) {
        return Err(bad("MCP-Protocol-Version is none of a session's"));
    }
    Ok((session, agreed))
}

struct Client<'c> {
    bridge: &'c Arc<Bridge>,
    principal: &'c Principal,
    account: &'c Account,
    session: &'c Arc<Session>,
    version: &'c str,
}

impl Client<'_> {
    async fn message(&self, body: &str) -> Result<Response, Refusal> {
        let (envelope, kind) = Envelope::read(body).map_err(|error| malformed(body, &error))?;
        let message = Message { text: body, envelope: &envelope, kind: &kind };
        let traced = self.traced(&message);
        let reader = match &traced {
            None => self.say(&message).await?,
            Some(text) => {
                let (envelope, kind) = Envelope::read(text).map_err(|error| malformed(text, &error))?;
                self.say(&Message { text, envelope: &envelope, kind: &kind }).await?
            }
        };
        let Some(reader) = reader else { return Ok(StatusCode::ACCEPTED.into_response()) };
        let lists_tools = matches!(&kind, Kind::Request(method) if method == "tools/list");
        Ok(self.answer(reader, lists_tools).await)
    }

    /// A request with its place in its client's trace; `None` where it has none, or names it itself.
    fn traced(&self, message: &Message<'_>) -> Option<String> {
        let Kind::Request(method) = message.kind else { return None };
        let params = message.envelope.params.map_or("{}", |params| params.get());
        let traced = self.account.hand_on(params)?;
        let id = message.envelope.id.map_or("null", |id| id.get());
        Some(request_line(id, method, Some(&traced)))
    }

    /// Passes a message on; the reader is of what comes of a request.
    async fn say(&self, message: &Message<'_>) -> Result<Option<Reader>, Refusal> {
        let Kind::Request(method) = message.kind else {
            self.session.tell(message).await;
            return Ok(None);
        };
        let tool = (method == "tools/call").then(|| message.envelope.params.and_then(tool_of)).flatten();
        self.account.asks(Wire::HttpLegacy, Some(method), tool.as_deref());
        self.account.is_served_by(self.session.pid());
        let id = message.envelope.id.map_or("null", |id| id.get());
        let refuse = |status, words: &str| Refusal::new(status, Some(id), INVALID_REQUEST, words);
        if method == "initialize" {
            return Err(refuse(StatusCode::BAD_REQUEST, "the session is initialized already"));
        }
        if method == "tools/call"
            && let Some(denied) =
                permitted::denied(self.principal, &tool.unwrap_or_default(), message.params().unwrap_or("{}"))
        {
            return Err(Refusal::new(StatusCode::OK, Some(id), INVALID_PARAMS, &denied));
        }
        self.session.ask(message, &Key::of(id)).await.map(Some).map_err(|none| match none {
            NoStream::Known => refuse(StatusCode::BAD_REQUEST, "a request of this id is under way"),
            NoStream::Full => {
                refuse(StatusCode::TOO_MANY_REQUESTS, "too many requests of this session are under way")
            }
            NoStream::Ended => {
                Refusal::new(StatusCode::NOT_FOUND, Some(id), NO_SESSION, "the session has ended")
            }
        })
    }

    /// One JSON object where the answer comes at once, and else a stream of events.
    async fn answer(&self, mut reader: Reader, lists_tools: bool) -> Response {
        if lists_tools && self.principal.is_restricted() {
            return self.listed(reader).await;
        }
        match timeout(self.bridge.settings.waits.stream_after, reader.next()).await {
            Ok(Some(Event { text, last: true, .. })) => json(text),
            // Cancelled by the client, who waits for nothing any more.
            Ok(None) => StatusCode::ACCEPTED.into_response(),
            Ok(Some(event)) => self.stream(Some(event), reader),
            Err(_) => self.stream(None, reader),
        }
    }

    /// What this client may call of the tools; never as a stream, which would pass on all of them.
    async fn listed(&self, mut reader: Reader) -> Response {
        while let Some(event) = reader.next().await {
            if event.last {
                return json(permitted::listed(self.principal, &event.text));
            }
        }
        StatusCode::ACCEPTED.into_response()
    }

    fn stream(&self, first: Option<Event>, reader: Reader) -> Response {
        let (principal, bridge) = (self.principal.clone(), Arc::clone(self.bridge));
        sse::response(sse::events(
            (first, reader),
            self.version,
            principal,
            Some(self.account.clone()),
            bridge,
        ))
    }

    async fn batch(&self, body: &str) -> Result<Response, Refusal> {
        let bad = |words: &str| Refusal::new(StatusCode::BAD_REQUEST, None, INVALID_REQUEST, words);
        if self.version != BATCHES {
            return Err(bad("messages of this revision come one by one"));
        }
        if self.principal.is_restricted() {
            return Err(bad("the messages of a client with a list of tools come one by one"));
        }
        let messages: Vec<&serde_json::value::RawValue> =
            serde_json::from_str(body).map_err(|_| bad("the batch is no JSON"))?;
        if messages.is_empty() || messages.len() > BATCH {
            return Err(bad("a batch has 1 to 64 messages"));
        }
        let mut read = Vec::with_capacity(messages.len());
        for text in &messages {
            let (envelope, kind) =
                Envelope::read(text.get()).map_err(|error| malformed(text.get(), &error))?;
            read.push((text.get(), envelope, kind));
        }
        let mut readers = Vec::new();
        for (text, envelope, kind) in &read {
            readers.extend(self.say(&Message { text, envelope, kind }).await?);
        }
        if readers.is_empty() {
            return Ok(StatusCode::ACCEPTED.into_response());
        }
        let streams = readers.into_iter().map(|reader| {
            let (principal, bridge) = (self.principal.clone(), Arc::clone(self.bridge));
            Box::pin(sse::events((None, reader), self.version, principal, Some(self.account.clone()), bridge))
        });
        Ok(sse::response(stream::select_all(streams)))
    }
}

fn tool_of(params: &serde_json::value::RawValue) -> Option<String> {
    Members::read(params.get())?.value("name")
}

fn json(text: bytes::Bytes) -> Response {
    let fault = rpc_fault(&text);
    let mut response = ([(header::CONTENT_TYPE, "application/json")], text).into_response();
    if let Some(fault) = fault {
        response.extensions_mut().insert(fault);
    }
    response
}

/// The error that an answer is, where it is one.
pub(super) fn rpc_fault(text: &[u8]) -> Option<RpcFault> {
    static ERROR: Words = Words::new(|| Finder::new("\"error\""));
    // Most answers are results, and begin as ours and the SDKs' do.
    if !ERROR.are_in(&text[..text.len().min(256)]) {
        return None;
    }
    let (_, kind) = Envelope::read(std::str::from_utf8(text).ok()?).ok()?;
    let Kind::Response(Outcome::Error(error)) = kind else { return None };
    Some(RpcFault(Members::read(error.get())?.value("code").unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(accept: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(header::ACCEPT, value.parse().expect("a value"));
        }
        accepts(&headers, &["application/json", "text/event-stream"]).is_ok()
    }

    #[test]
    fn a_client_takes_both_kinds_of_answers() {
        for accept in [
            &["application/json, text/event-stream"][..],
            &["application/json;q=0.9", "Text/Event-Stream"],
            &["*/*"],
            &["application/*, text/*"],
            &[],
        ] {
            assert!(taken(accept), "{accept:?}");
        }
        for accept in [&["application/json"][..], &["text/event-stream"], &["text/html"]] {
            assert!(!taken(accept), "{accept:?}");
        }
    }
}
