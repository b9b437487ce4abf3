//! The tools over REST: their list, a path for each, and the description of these paths.

use std::sync::Arc;

use axum_core::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{StatusCode, header};
use hyper::body::Body as HttpBody;
use percent_encoding::percent_decode_str;

use super::auth::Principal;
use super::catalog::{Catalog, ListError};
use super::link::LinkEnd;
use super::openapi::{Security, document};
use super::problem::{self, Problem};
use super::reception::Visit;
use super::rest::{self, Wanted};
use super::serve::Bridge;
use super::tls::Tls;
use super::tool::ToolError;

const SHAPE: &str = "send the tool's arguments as a JSON object, or nothing";

/// The tools that may be called, as the server describes them.
pub(crate) async fn list(bridge: &Bridge, principal: &Principal) -> Response {
    answer(listed(bridge, principal).await)
}

/// Calls a tool; `name` is as the path spells it.
pub(crate) async fn call(bridge: &Arc<Bridge>, principal: &Principal, name: &str, visit: Visit) -> Response {
    answer(called(bridge, principal, name, visit).await)
}

/// The `OpenAPI` document of the tools that may be called.
pub(crate) async fn describe(bridge: &Bridge, principal: &Principal) -> Response {
    answer(described(bridge, principal).await)
}

fn answer(outcome: Result<Bytes, Problem>) -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    outcome.map_or_else(IntoResponse::into_response, |body| (headers, body).into_response())
}

async fn listed(bridge: &Bridge, principal: &Principal) -> Result<Bytes, Problem> {
    let catalog = catalog(bridge, principal).await?;
    let Some(tools) = may_call(&catalog, principal) else {
        return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, "this server lists no tools")
            .hint("its own documentation names them; call them all the same"));
    };
    let texts: Vec<&str> = tools.into_iter().map(|(_, text)| text).collect();
    Ok(format!("{{\"tools\":[{}]}}", texts.join(",")).into())
}

async fn called(
    bridge: &Arc<Bridge>,
    principal: &Principal,
    name: &str,
    visit: Visit,
) -> Result<Bytes, Problem> {
    let Visit { head, body, account, .. } = visit;
    let tool = percent_decode_str(name)
        .decode_utf8()
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the tool's name in the path is no UTF-8"))?;
    let tool = tool.into_owned();
    // Held until the answer is there: the call makes copies of it.
    let _room = rest::room(bridge, body.size_hint().upper()).await?;
    // Whoever has nothing to say need not declare what it is. A page that posts nothing shows its origin.
    let is_nothing = body.is_end_stream() && !head.headers.contains_key(header::CONTENT_TYPE);
    let body = if is_nothing { Bytes::new() } else { rest::read(bridge, &head.headers, body).await? };
    let wanted = Wanted { tool, arguments: arguments(&body)? };
    Ok(rest::bare(bridge, principal, &account, &wanted).await?.into())
}

/// The body as a JSON object, as it stands.
fn arguments(body: &[u8]) -> Result<String, Problem> {
    if body.is_empty() {
        return Ok("{}".to_owned());
    }
    match rest::object(body) {
        Ok(_) => Ok(String::from_utf8_lossy(body).into_owned()),
        Err(detail) => Err(Problem::new(StatusCode::BAD_REQUEST, detail).hint(SHAPE)),
    }
}

async fn described(bridge: &Bridge, principal: &Principal) -> Result<Bytes, Problem> {
    let catalog = catalog(bridge, principal).await?;
    let doors = &bridge.settings.doors;
    let certificates = doors.tls.as_ref().is_some_and(Tls::knows_clients);
    let security = Security { tokens: doors.tokens.is_some(), certificates };
    let write = || document(&catalog.server, may_call(&catalog, principal), security).into();
    if principal.is_restricted() {
        return Ok(write());
    }
    Ok(catalog.description.get_or_init(write).clone())
}

/// The names and descriptions of what a principal may call.
fn may_call<'c>(catalog: &'c Catalog, principal: &Principal) -> Option<Vec<(&'c str, &'c str)>> {
    let tools = catalog.tools.as_ref()?.iter().filter(|tool| principal.may_call(&tool.name));
    Some(tools.map(|tool| (tool.name.as_str(), tool.text.as_str())).collect())
}

async fn catalog(bridge: &Bridge, principal: &Principal) -> Result<Arc<Catalog>, Problem> {
    if bridge.is_stopping() {
        return Err(problem::stopping());
    }
    let _place = bridge.gate.enter(principal)?;
    bridge.catalogs.get().await.map_err(|error| match error {
        ListError::Pool(error) => rest::no_server(bridge, error),
        ListError::TooSlow => rest::too_slow(bridge.settings.call_timeout),
        ListError::Stopping | ListError::Tool(ToolError::Link(LinkEnd::Closed)) => problem::stopping(),
        error @ (ListError::Tool(_) | ListError::Unreadable(_)) => rest::bad_gateway(&error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_an_object_or_left_out() {
        assert_eq!(arguments(b"").expect("arguments"), "{}");
        assert_eq!(arguments(br#" {"a": 1e999} "#).expect("arguments"), r#" {"a": 1e999} "#);
        for body in ["[]", "null", "{", " ", "\"a\"", "{}{}"] {
            assert_eq!(arguments(body.as_bytes()).expect_err(body).status(), 400, "{body}");
        }
    }
}
