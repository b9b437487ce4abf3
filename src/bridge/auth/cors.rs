//! Leave for the pages of named origins to read our answers (CORS, Fetch Standard §3.3). Each is
//! answered with its own name, never with `*`, and never with leave to send cookies.
//!
//! The guard has looked before: an `Origin` that comes this far is one of those that are named, or that of
//! our own page, which reads our answers anyway.

use axum_core::body::Body;
use axum_core::response::Response;
use http::header::{self, HeaderName};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

/// The methods of all wires.
const METHODS: &str = "GET, POST, DELETE";
/// What a page may read besides what every page may.
const EXPOSED: &str = "Mcp-Session-Id, MCP-Protocol-Version, Retry-After, WWW-Authenticate, X-Request-Id";
/// How long a browser may remember a leave, in seconds.
const MAX_AGE: &str = "600";
/// The headers that a page may send; also those of MCP's own, which begin with [`OF_MCP`].
const HEADERS: [&str; 8] = [
    "accept",
    "authorization",
    "baggage",
    "content-type",
    "last-event-id",
    "traceparent",
    "tracestate",
    "x-request-id",
];
/// `Mcp-Session-Id`, `MCP-Protocol-Version`, `Mcp-Method`, `Mcp-Name`, `Mcp-Param-…`.
const OF_MCP: &str = "mcp-";

/// Whoever asks, where the pages of some origins may read our answers.
#[derive(Debug)]
pub(crate) struct Reader {
    /// `None` where it is no page.
    origin: Option<HeaderValue>,
}

impl Reader {
    /// `None` where no origin is named: nobody is given leave.
    pub(crate) fn of(allowed_origins: &[String], headers: &HeaderMap) -> Option<Self> {
        (!allowed_origins.is_empty()).then(|| Self { origin: headers.get(header::ORIGIN).cloned() })
    }

    /// The answer to the question that a browser asks first.
    pub(crate) fn preflight(&self, parts: &Parts) -> Option<Response> {
        let asks = parts.method == Method::OPTIONS
            && parts.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        (asks && self.origin.is_some()).then(|| leave(&parts.headers))
    }

    /// Says in an answer who may read it.
    pub(crate) fn share(self, response: &mut Response) {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return;
        }
        let headers = response.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = self.origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        }
    }
}

/// The answer to a preflight: what may be sent of what is asked for.
fn leave(asked: &HeaderMap) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    let vary = "Access-Control-Request-Method, Access-Control-Request-Headers";
    headers.insert(header::VARY, HeaderValue::from_static(vary));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
    if let Ok(permitted) = HeaderValue::from_str(&permitted(asked))
        && !permitted.is_empty()
    {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, permitted);
    }
    response
}

fn permitted(asked: &HeaderMap) -> String {
    let values = asked.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter();
    let names = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let names = names.map(|name| name.trim().to_ascii_lowercase()).filter(|name| {
        let is_name = HeaderName::from_bytes(name.as_bytes()).is_ok();
        is_name && (name.starts_with(OF_MCP) || HEADERS.contains(&name.as_str()))
    });
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_the_headers_that_are_asked_for_those_of_the_wires_are_permitted() {
        let mut asked = HeaderMap::new();
        let names = "Authorization,content-type, Mcp-Session-Id,X-Other,Mcp-Param-Region,Cookie, mcp-\u{7f}";
        asked.insert(
            header::ACCESS_CONTROL_REQUEST_HEADERS,
            HeaderValue::from_bytes(&names.as_bytes()[..names.len() - 6]).expect("a value"),
        );
        assert_eq!(permitted(&asked), "authorization, content-type, mcp-session-id, mcp-param-region");
        assert_eq!(permitted(&HeaderMap::new()), "");
    }
}
