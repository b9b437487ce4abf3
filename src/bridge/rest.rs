//! `POST /mcp` with `{"method", "params"}`: one tool call on a server of its own.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body as _;
use serde_json::{Value, json};
use tokio::sync::{Mutex, OwnedSemaphorePermit, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use super::auth::limits::Place;
use super::auth::{Principal, gate};
use super::budget::SMALL_BYTES;
use super::child::{Child, ChildLines};
use super::problem::{self, Problem};
use super::serve::Bridge;
use crate::mcp::{BareRequest, CallError, Client, ConnectError, Dialect, Patience, ToolAnswer};

/// What a body has to be.
const SHAPE: &str = "send {\"method\": \"<tool>\", \"params\": {<arguments>}}";
/// The longest wait for a server's first answer in each dialect.
const PROBE: Duration = Duration::from_secs(20);
/// JSON-RPC's code for arguments that do not fit.
const INVALID_PARAMS: i64 = -32602;

/// Calls the tool that the body names.
pub(crate) async fn call(
    State(bridge): State<Arc<Bridge>>,
    Extension(principal): Extension<Principal>,
    request: Request,
) -> Response {
    match answer(&bridge, &principal, request).await {
        Ok(value) => ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response(),
        Err(problem) => problem.into_response(),
    }
}

async fn answer(bridge: &Arc<Bridge>, principal: &Principal, request: Request) -> Result<Value, Problem> {
    // Held until the answer is there: the call makes copies of it.
    let _room = room(bridge, request.body().size_hint().upper()).await?;
    let wanted = read(bridge, request).await?;
    if !principal.may_call(&wanted.method) {
        return Err(gate::denied(principal, &wanted.method));
    }
    if bridge.is_stopping() {
        return Err(problem::stopping());
    }
    let place = bridge.gate.enter(principal)?;
    let slot = Arc::clone(&bridge.slots).try_acquire_owned();
    let slot = slot.map_err(|_| problem::full(bridge.settings.max_connections))?;
    let (tell, told) = oneshot::channel();
    // A task of its own, which outlives a client that leaves: it has to end the server.
    tokio::spawn(serve(Arc::clone(bridge), (place, slot), wanted, tell));
    told.await.unwrap_or_else(|_| Err(problem::stopping()))
}

/// Owns the server from its start to its end.
async fn serve(
    bridge: Arc<Bridge>,
    (_place, slot): (Place, OwnedSemaphorePermit),
    wanted: BareRequest,
    mut tell: oneshot::Sender<Result<Value, Problem>>,
) {
    let seat =
        Arc::new(Seat { bridge: Arc::clone(&bridge), slot: Mutex::new(Some(slot)), child: Arc::default() });
    let limit = bridge.settings.call_timeout;
    let outcome = tokio::select! {
        outcome = timeout(limit, converse(&seat, wanted)) => outcome.unwrap_or_else(|_| Err(too_slow(limit))),
        () = bridge.stopped() => Err(problem::stopping()),
        () = tell.closed() => Err(problem::stopping()),
    };
    // Whether anybody still waits for it does not matter.
    let _ = tell.send(outcome);
    let child = seat.child.lock().await.take();
    if let Some(child) = child {
        child.end().await;
    }
}

/// Where the one server of a call sits; a server that ends over a dialect that it does not know
/// makes room for its successor.
struct Seat {
    bridge: Arc<Bridge>,
    slot: Mutex<Option<OwnedSemaphorePermit>>,
    child: Arc<Mutex<Option<Child>>>,
}

impl Seat {
    async fn fill(&self) -> io::Result<ChildLines> {
        let mut child = self.child.lock().await;
        if let Some(previous) = child.take() {
            previous.end().await;
        }
        let slot = match self.slot.lock().await.take() {
            Some(slot) => slot,
            // The one before gave its slot back just now; somebody else may have taken it.
            None => Arc::clone(&self.bridge.slots).acquire_owned().await.map_err(io::Error::other)?,
        };
        *child = Some(self.bridge.children.spawn(slot)?);
        Ok(ChildLines(Arc::clone(&self.child)))
    }
}

async fn converse(seat: &Arc<Seat>, wanted: BareRequest) -> Result<Value, Problem> {
    let settings = &seat.bridge.settings;
    let limit = settings.call_timeout;
    let patience = Patience { probe: PROBE.min(limit / 3), call: limit };
    // Boxed, because the compiler cannot tell that an async closure's future may change threads.
    let open = {
        let seat = Arc::clone(seat);
        move || -> Pin<Box<dyn Future<Output = io::Result<ChildLines>> + Send>> {
            let seat = Arc::clone(&seat);
            Box::pin(async move { seat.fill().await })
        }
    };
    let mut client = Client::connect(open, patience).await.map_err(|error| match error {
        ConnectError::Open(error) => problem::cannot_start(&settings.command.program, &error),
        ConnectError::NoDialect(error) => failed(&error, limit),
    })?;
    match client.call(&wanted.method, wanted.params).await {
        Ok(ToolAnswer { value, is_error: false }) => Ok(value),
        Ok(ToolAnswer { value, .. }) => {
            if is_unknown(&mut client, &wanted.method, &value.to_string()).await {
                return Err(unknown(&wanted.method));
            }
            let detail = format!("the tool {:?} says that it failed", wanted.method);
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).with("result", value))
        }
        Err(CallError::Refused { code, message }) => {
            if is_unknown(&mut client, &wanted.method, &message).await {
                return Err(unknown(&wanted.method));
            }
            let status = if code == INVALID_PARAMS {
                StatusCode::UNPROCESSABLE_ENTITY
            } else {
                StatusCode::BAD_GATEWAY
            };
            let detail = format!("the server refused the call with error {code}: {message}");
            Err(Problem::new(status, detail).with("code", json!(code)))
        }
        Err(error) => Err(failed(&error, limit)),
    }
}

/// Whether a refusal means that there is no such tool: by its words, and by the server's list
/// where it has one. Servers agree neither on a code nor on whether it is an error at all.
async fn is_unknown(client: &mut Client<ChildLines>, tool: &str, words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    let says_so =
        ["unknown", "not found", "no such", "does not exist"].iter().any(|sign| words.contains(sign));
    if !says_so || *client.dialect() == Dialect::Bare {
        return says_so && (words.contains("method") || words.contains("tool"));
    }
    let soon = Instant::now() + Duration::from_secs(5);
    match timeout_at(soon, client.tools()).await {
        Ok(Ok(tools)) => tools.iter().all(|name| name != tool),
        _ => false,
    }
}

fn unknown(tool: &str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("the server has no tool {tool:?}"))
}

fn too_slow(limit: Duration) -> Problem {
    Problem::new(StatusCode::GATEWAY_TIMEOUT, format!("the server did not answer within {limit:?}"))
        .hint("start the bridge with a longer --call-timeout, if the tool is slow")
}

fn failed(error: &CallError, limit: Duration) -> Problem {
    if matches!(error, CallError::Timeout(_)) {
        return too_slow(limit);
    }
    let detail = match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    Problem::new(StatusCode::BAD_GATEWAY, detail).hint("the server's own words are in the bridge's log")
}

/// Waits for room for a body that is large or does not say its length.
async fn room(bridge: &Bridge, length: Option<u64>) -> Result<Option<OwnedSemaphorePermit>, Problem> {
    if length.is_some_and(|length| length <= SMALL_BYTES as u64) {
        return Ok(None);
    }
    let limit = bridge.settings.call_timeout;
    let room = timeout(limit, bridge.incoming.room()).await;
    room.map_err(|_| problem::no_room(limit))
}

async fn read(bridge: &Bridge, request: Request) -> Result<BareRequest, Problem> {
    if !is_json(request.headers()) {
        // A page may post any other type without asking first.
        let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is not declared as JSON");
        return Err(problem.hint("send the header Content-Type: application/json"));
    }
    let max = bridge.settings.max_message;
    let wait = bridge.settings.waits.body;
    let body = timeout(wait, Limited::<Body>::new(request.into_body(), max).collect()).await;
    let body = body.map_err(|_| {
        Problem::new(StatusCode::REQUEST_TIMEOUT, format!("the body did not come within {wait:?}"))
    })?;
    let body = body.map_err(|error| {
        if error.is::<LengthLimitError>() {
            return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a body may have {max} bytes"))
                .hint("start the bridge with a higher --max-message");
        }
        Problem::new(StatusCode::BAD_REQUEST, format!("the body broke off: {error}"))
    })?;
    understand(&body.to_bytes())
}

fn is_json(headers: &HeaderMap) -> bool {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = declared.map(|declared| declared.split(';').next().unwrap_or_default().trim());
    essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"))
}

fn understand(body: &[u8]) -> Result<BareRequest, Problem> {
    let wrong = |detail: &str| Problem::new(StatusCode::BAD_REQUEST, detail).hint(SHAPE);
    let body: Value =
        serde_json::from_slice(body).map_err(|error| wrong(&format!("the body is not JSON: {error}")))?;
    if body.get("jsonrpc").is_some() {
        return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, "this path does not speak JSON-RPC over HTTP")
            .hint(format!("speak JSON-RPC over the WebSocket at /ws, or {SHAPE}")));
    }
    if !body.is_object() {
        return Err(wrong("the body is not a JSON object"));
    }
    let mut wanted = BareRequest::read(body).ok_or_else(|| wrong("the method is missing or no text"))?;
    if wanted.method.is_empty() {
        return Err(wrong("the method is empty"));
    }
    if wanted.params.is_null() {
        wanted.params = json!({});
    }
    if !wanted.params.is_object() {
        return Err(wrong("the params are not an object"));
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_names_a_tool_and_may_leave_out_its_arguments() {
        let wanted =
            understand(br#"{"method":"a","params":{"n":9007199254740993},"id":1}"#).expect("a request");
        assert_eq!((wanted.method.as_str(), wanted.params), ("a", json!({"n": 9_007_199_254_740_993_u64})));
        assert_eq!(understand(br#"{"method":"a"}"#).expect("a request").params, json!({}));
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
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, 501),
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
