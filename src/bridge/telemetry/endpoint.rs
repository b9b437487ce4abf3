//! `GET /metrics`.

use axum_core::response::{IntoResponse, Response};
use http::{StatusCode, header};

use super::exposition;
use super::process::Usage;
use crate::bridge::auth::Principal;
use crate::bridge::problem::Problem;
use crate::bridge::serve::Bridge;

/// What is counted. On a port of its own nobody is asked who they are; on the others, whoever may call
/// some tools only is not told how often others call theirs.
pub(crate) fn metrics(bridge: &Bridge, principal: Option<&Principal>) -> Response {
    if principal.is_some_and(Principal::is_restricted) {
        let detail = "who may call some tools only may not read what is counted of all";
        return Problem::new(StatusCode::FORBIDDEN, detail)
            .hint("read it with a token whose line has no list of tools, or from --metrics-listen")
            .into_response();
    }
    let page = exposition::page(bridge.telemetry.metrics(), &Usage::read(), bridge.settings.max_children);
    let headers = [(header::CONTENT_TYPE, exposition::CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")];
    (headers, page).into_response()
}
