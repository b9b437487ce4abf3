//! `/healthz`: whether the bridge is alive. Starts nothing, asks nobody.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::json;

use super::serve::Bridge;

/// 200, with how many server processes run and may run.
pub(crate) async fn healthz(State(bridge): State<Arc<Bridge>>) -> impl IntoResponse {
    let max = bridge.settings.max_connections;
    let running = max.saturating_sub(bridge.slots.available_permits());
    let body = json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "connections": running,
        "max_connections": max,
    });
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (headers, body.to_string())
}
