//! What there is at which path.

use std::sync::Arc;

use axum_core::response::{IntoResponse, Response};
use http::{Method, StatusCode, header};

use super::auth::Principal;
use super::problem::Problem;
use super::reception::Visit;
use super::serve::Bridge;
use super::telemetry::endpoint;
use super::{docs, handshake, health, readiness, rest, sessions, tools};

/// What there is, for those who miss it.
const PATHS: &str = "WebSocket: / and /ws; MCP: /mcp; REST: POST /mcp, GET /tools, POST /tools/{name}; its \
                     description: /openapi.json and /docs; health: /healthz and \
                     /readyz; metrics: /metrics";

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    WebSocket,
    Mcp,
    Tools,
    /// One of them, by its name as the path spells it.
    Tool(String),
    Description,
    Docs,
    Health,
    Readiness,
    Metrics,
}

impl Place {
    fn at(path: &str) -> Option<Self> {
        Some(match path {
            "/" | "/ws" => Self::WebSocket,
            "/mcp" => Self::Mcp,
            "/tools" => Self::Tools,
            "/openapi.json" => Self::Description,
            "/docs" => Self::Docs,
            "/healthz" => Self::Health,
            "/readyz" => Self::Readiness,
            "/metrics" => Self::Metrics,
            _ => {
                let name = path.strip_prefix("/tools/")?;
                let is_one = !name.is_empty() && !name.contains('/');
                return is_one.then(|| Self::Tool(name.to_owned()));
            }
        })
    }

    fn methods(&self) -> &'static str {
        match self {
            Self::Mcp => "GET,HEAD,POST,DELETE",
            Self::Tool(_) => "POST",
            _ => "GET,HEAD",
        }
    }
}

/// Answers a request that came to the port of all wires. `principal` is whom it is from; `None` where nobody
/// is asked.
pub(crate) async fn of_wires(bridge: &Arc<Bridge>, principal: Option<Principal>, visit: Visit) -> Response {
    let Some(place) = Place::at(visit.head.uri.path()) else {
        return Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path")
            .hint(PATHS)
            .into_response();
    };
    let (method, headers) = (&visit.head.method, &visit.head.headers);
    let (reads, posts) = (is_read(method), method == Method::POST);
    match (place, principal) {
        (Place::Mcp, Some(principal)) if posts => rest::call(bridge, &principal, visit).await,
        (Place::Tool(name), Some(principal)) if posts => tools::call(bridge, &principal, &name, visit).await,
        (Place::WebSocket, Some(principal)) if reads => handshake::websocket(bridge, principal, visit),
        (Place::Mcp, Some(principal)) if reads => sessions::get(bridge, principal, headers),
        (Place::Mcp, Some(principal)) if method == Method::DELETE => {
            sessions::delete(bridge, &principal, headers)
        }
        (Place::Tools, Some(principal)) if reads => tools::list(bridge, &principal).await,
        (Place::Description, Some(principal)) if reads => tools::describe(bridge, &principal).await,
        (Place::Metrics, principal) if reads => endpoint::metrics(bridge, principal.as_ref()),
        (Place::Docs, _) if reads => docs::page(),
        (Place::Health, _) if reads => health::healthz(bridge),
        (Place::Readiness, principal) if reads => readiness::readyz(bridge, principal.is_some()).await,
        (place, _) => other_method(&place),
    }
}

/// Answers a request that came to the port for metrics, where nobody is asked who they are.
pub(crate) fn of_metrics(bridge: &Bridge, visit: &Visit) -> Response {
    match Place::at(visit.head.uri.path()) {
        Some(Place::Metrics) if is_read(&visit.head.method) => endpoint::metrics(bridge, None),
        Some(place @ Place::Metrics) => {
            let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path has another method");
            problem.header(header::ALLOW, place.methods()).into_response()
        }
        _ => Problem::new(StatusCode::NOT_FOUND, "there is only /metrics on this port").into_response(),
    }
}

fn is_read(method: &Method) -> bool {
    [Method::GET, Method::HEAD].contains(method)
}

fn other_method(place: &Place) -> Response {
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path has another method");
    problem.hint(PATHS).header(header::ALLOW, place.methods()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_one_place_or_nowhere() {
        let tool = |name: &str| Some(Place::Tool(name.to_owned()));
        for (path, place) in [
            ("/", Some(Place::WebSocket)),
            ("/ws", Some(Place::WebSocket)),
            ("/mcp", Some(Place::Mcp)),
            ("/mcp/", None),
            ("//mcp", None),
            ("/tools", Some(Place::Tools)),
            ("/tools/", None),
            ("/tools/echo", tool("echo")),
            ("/tools/a%2Fb", tool("a%2Fb")),
            ("/tools/a/b", None),
            ("/MCP", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(Place::at(path), place, "{path}");
        }
    }
}
