//! What a client gets instead of an answer: `application/problem+json` (RFC 9457).

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use super::crash_loop::HeldBack;

/// A refusal or a failure, with what the client can do about it.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    members: Map<String, Value>,
    headers: Vec<(header::HeaderName, HeaderValue)>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), members: Map::new(), headers: Vec::new() }
    }

    /// Says what would help.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        self.with("hint", json!(hint.into()))
    }

    /// Adds a member of our own, as RFC 9457 §3.2 allows.
    pub(crate) fn with(mut self, member: &str, value: Value) -> Self {
        self.members.insert(member.to_owned(), value);
        self
    }

    pub(crate) fn header(mut self, name: header::HeaderName, value: &'static str) -> Self {
        self.headers.push((name, HeaderValue::from_static(value)));
        self
    }

    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.headers.push((header::RETRY_AFTER, seconds.into()));
        self
    }

    pub(super) fn text(&self) -> String {
        let mut body = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let Some(members) = body.as_object_mut() {
            members.extend(self.members.clone());
        }
        body.to_string()
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn status(&self) -> u16 {
        self.status.as_u16()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.text()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.extend(self.headers.iter().cloned());
        // For `named`, which knows what the request is called.
        response.extensions_mut().insert(self);
        response
    }
}

/// An answer that says, where it is a problem, which request's.
pub(crate) fn named(mut response: Response, request_id: &str) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        *response.body_mut() = Body::from(problem.with("request_id", json!(request_id)).text());
        // Of the body that there was.
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    response
}

/// Every server that may run runs already.
pub(crate) fn full(max: usize) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("all {max} server processes are in use"))
        .hint("try again, or start the bridge with a higher --max-children")
        .header(header::RETRY_AFTER, "1")
}

/// Every WebSocket that may be open is.
pub(crate) fn many_connections(max: usize) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("all {max} connections are in use"))
        .hint("try again, or start the bridge with a higher --max-connections")
        .header(header::RETRY_AFTER, "1")
}

/// Every session of MCP's over HTTP that there may be is open.
pub(crate) fn many_sessions(max: usize) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("all {max} sessions are in use"))
        .hint("try again, or start the bridge with a higher --max-sessions")
        .header(header::RETRY_AFTER, "1")
}

/// So many calls wait that another would wait in vain.
pub(crate) fn crowded(waiting: usize) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("{waiting} calls wait for a server already"))
        .hint("try again, or start the bridge with a higher --max-children or --max-waiting")
        .header(header::RETRY_AFTER, "1")
}

/// The server is known not to work.
pub(crate) fn held_back(held_back: &HeldBack) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, held_back.to_string())
        .hint("the server's last words are at /readyz and in the bridge's log")
        .retry_after(held_back.seconds())
}

/// Large messages take all the memory that they may.
pub(crate) fn no_room(limit: std::time::Duration) -> Problem {
    let detail = format!("large messages left no room for this one within {limit:?}");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        .hint("try again, or start the bridge with a higher --max-buffered")
        .header(header::RETRY_AFTER, "1")
}

/// The bridge has been told to end.
pub(crate) fn stopping() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the bridge is stopping").header(header::RETRY_AFTER, "5")
}

/// The server's program could not be started.
pub(crate) fn cannot_start(program: &str, error: &impl std::fmt::Display) -> Problem {
    Problem::new(StatusCode::BAD_GATEWAY, format!("the server {program:?} cannot be started: {error}"))
}
