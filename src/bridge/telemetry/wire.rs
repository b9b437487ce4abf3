//! The ways into the bridge, and the ways out of a request: words for what is counted. Pure.

use http::{HeaderMap, HeaderName, StatusCode, header};

use crate::bridge::stateless::VERSION;
use crate::mcp::MODERN;

/// The session that a request is of.
pub(crate) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// What a request comes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// A WebSocket.
    WebSocket,
    /// MCP over HTTP with sessions.
    HttpLegacy,
    /// MCP over HTTP without.
    HttpModern,
    /// A tool's call as plain JSON.
    Rest,
    /// Health checks, metrics, documentation, and what leads nowhere.
    Other,
}

impl Wire {
    pub(crate) const ALL: [Self; 5] =
        [Self::WebSocket, Self::HttpLegacy, Self::HttpModern, Self::Rest, Self::Other];

    pub(crate) fn of_index(index: u8) -> Self {
        Self::ALL.get(usize::from(index)).copied().unwrap_or(Self::Other)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::HttpLegacy => "http-legacy",
            Self::HttpModern => "http-modern",
            Self::Rest => "rest",
            Self::Other => "other",
        }
    }

    /// What a request's head looks like; whoever reads its body may know better.
    pub(crate) fn guess(path: &str, headers: &HeaderMap) -> Self {
        match path {
            "/" | "/ws" => Self::WebSocket,
            "/mcp" => {
                let says = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
                match says(&VERSION) {
                    Some(version) if version >= MODERN => Self::HttpModern,
                    Some(_) => Self::HttpLegacy,
                    None if headers.contains_key(SESSION) => Self::HttpLegacy,
                    // A handshake has none of these; every client of MCP's takes streams of events.
                    None if says(&header::ACCEPT)
                        .is_some_and(|types| types.contains("text/event-stream")) =>
                    {
                        Self::HttpLegacy
                    }
                    None => Self::Rest,
                }
            }
            _ if path == "/tools" || path.starts_with("/tools/") => Self::Rest,
            _ => Self::Other,
        }
    }
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was answered.
    Ok,
    /// It was answered with an error of JSON-RPC's.
    RpcError,
    /// It was the client's fault: 4xx.
    Refused,
    /// It was the bridge's or the server's: 5xx.
    Failed,
    /// The client had gone before its answer was complete.
    Gone,
}

impl Outcome {
    pub(crate) const ALL: [Self; 5] = [Self::Ok, Self::RpcError, Self::Refused, Self::Failed, Self::Gone];

    /// `status` is 0 where nothing was answered, `complete` whether all of the answer was taken.
    pub(crate) fn of(status: u16, rpc_error: bool, complete: bool) -> Self {
        match status {
            400..500 => Self::Refused,
            500.. => Self::Failed,
            0 => Self::Gone,
            _ if !complete => Self::Gone,
            _ if rpc_error => Self::RpcError,
            _ => Self::Ok,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::RpcError => "rpc_error",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Gone => "gone",
        }
    }
}

/// What went wrong, by the status that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    BadRequest,
    Unauthenticated,
    Forbidden,
    NotFound,
    TooLarge,
    Unsupported,
    Unprocessable,
    RateLimited,
    Timeout,
    Internal,
    BadGateway,
    Unavailable,
    Rpc,
    Gone,
}

impl Fault {
    pub(crate) const ALL: [Self; 14] = [
        Self::BadRequest,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::TooLarge,
        Self::Unsupported,
        Self::Unprocessable,
        Self::RateLimited,
        Self::Timeout,
        Self::Internal,
        Self::BadGateway,
        Self::Unavailable,
        Self::Rpc,
        Self::Gone,
    ];

    pub(crate) fn of(outcome: Outcome, status: u16) -> Option<Self> {
        match outcome {
            Outcome::Ok => return None,
            Outcome::RpcError => return Some(Self::Rpc),
            Outcome::Gone => return Some(Self::Gone),
            Outcome::Refused | Outcome::Failed => {}
        }
        Some(match StatusCode::from_u16(status).unwrap_or_default() {
            StatusCode::UNAUTHORIZED => Self::Unauthenticated,
            StatusCode::FORBIDDEN => Self::Forbidden,
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => Self::Timeout,
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_ACCEPTABLE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::UPGRADE_REQUIRED
            | StatusCode::NOT_IMPLEMENTED => Self::Unsupported,
            StatusCode::UNPROCESSABLE_ENTITY => Self::Unprocessable,
            StatusCode::TOO_MANY_REQUESTS => Self::RateLimited,
            StatusCode::BAD_GATEWAY => Self::BadGateway,
            StatusCode::SERVICE_UNAVAILABLE => Self::Unavailable,
            _ if status < 500 => Self::BadRequest,
            _ => Self::Internal,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::TooLarge => "too_large",
            Self::Unsupported => "unsupported",
            Self::Unprocessable => "unprocessable",
            Self::RateLimited => "rate_limited",
            Self::Timeout => "timeout",
            Self::Internal => "internal",
            Self::BadGateway => "bad_gateway",
            Self::Unavailable => "unavailable",
            Self::Rpc => "rpc",
            Self::Gone => "gone",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_where_their_numbers_say() {
        assert!(Wire::ALL.iter().enumerate().all(|(at, wire)| *wire as usize == at));
        assert!(Outcome::ALL.iter().enumerate().all(|(at, outcome)| *outcome as usize == at));
        assert!(Fault::ALL.iter().enumerate().all(|(at, fault)| *fault as usize == at));
    }

    #[test]
    fn a_wire_is_told_by_path_and_headers() {
        for (path, header, wire) in [
            ("/", None, Wire::WebSocket),
            ("/ws", None, Wire::WebSocket),
            ("/mcp", None, Wire::Rest),
            ("/mcp", Some(("mcp-protocol-version", "2026-07-28")), Wire::HttpModern),
            ("/mcp", Some(("mcp-protocol-version", "2025-06-18")), Wire::HttpLegacy),
            ("/mcp", Some(("mcp-session-id", "a")), Wire::HttpLegacy),
            ("/mcp", Some(("accept", "application/json, text/event-stream")), Wire::HttpLegacy),
            ("/tools/echo", None, Wire::Rest),
            ("/toolset", None, Wire::Other),
            ("/healthz", None, Wire::Other),
        ] {
            let headers = header
                .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
                .into_iter()
                .collect();
            assert_eq!(Wire::guess(path, &headers), wire, "{path} {header:?}");
        }
    }

    #[test]
    fn an_end_is_told_by_its_status_and_whether_anybody_took_it() {
        for (status, rpc_error, complete, outcome, fault) in [
            (200, false, true, Outcome::Ok, None),
            (101, false, true, Outcome::Ok, None),
            (200, true, true, Outcome::RpcError, Some(Fault::Rpc)),
            (404, true, true, Outcome::Refused, Some(Fault::NotFound)),
            (418, false, true, Outcome::Refused, Some(Fault::BadRequest)),
            (503, false, true, Outcome::Failed, Some(Fault::Unavailable)),
            (507, false, true, Outcome::Failed, Some(Fault::Internal)),
            (200, false, false, Outcome::Gone, Some(Fault::Gone)),
            (0, false, true, Outcome::Gone, Some(Fault::Gone)),
        ] {
            let seen = Outcome::of(status, rpc_error, complete);
            assert_eq!((seen, Fault::of(seen, status)), (outcome, fault), "{status}");
        }
    }
}
