//! `/healthz`: whether the bridge is alive. Starts nothing, asks nobody.

use axum_core::response::{IntoResponse, Response};
use http::header;
use serde_json::json;
use tokio::sync::Semaphore;

use super::serve::Bridge;

/// 200, with how many `WebSocket`s and server processes there are and may be.
pub(crate) fn healthz(bridge: &Bridge) -> Response {
    let settings = &bridge.settings;
    let taken = |max: usize, free: &Semaphore| max.saturating_sub(free.available_permits());
    let body = json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "connections": taken(settings.max_connections, &bridge.websockets),
        "max_connections": settings.max_connections,
        "children": taken(settings.max_children, &bridge.slots),
        "max_children": settings.max_children,
    });
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (headers, body.to_string()).into_response()
}
