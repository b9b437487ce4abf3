//! From an HTTP request to a WebSocket (RFC 6455 §4.2). Extensions are never agreed on.

use std::sync::Arc;

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::auth::{Principal, gate};
use super::pieces::Pieces;
use super::problem::{self, Problem};
use super::reception::Visit;
use super::serve::Bridge;
use super::session;

/// The subprotocol that the SDKs' WebSocket clients ask for, and insist on.
const SUBPROTOCOL: &str = "mcp";
/// What is read from a socket at once, in bytes. Held by every connection.
const READ_BYTES: usize = 6 * 1024;
/// Likewise where a frame begins: heads, and small frames whole. Held by every connection too.
const HEAD_BYTES: usize = 2 * 1024;

/// Lets a client in, whose first message will start a server for it.
pub(crate) fn websocket(bridge: &Arc<Bridge>, principal: Principal, visit: Visit) -> Response {
    let Visit { head, account, peer, .. } = visit;
    let accept = match accept_key(&head.headers) {
        Ok(key) => key,
        Err(problem) => return problem.into_response(),
    };
    if principal.is_restricted() {
        return gate::needs_a_list(&principal).into_response();
    }
    if bridge.is_stopping() {
        return problem::stopping().into_response();
    }
    let place = match bridge.gate.enter(&principal) {
        Ok(place) => place,
        Err(problem) => return problem.into_response(),
    };
    let Ok(socket) = Arc::clone(&bridge.websockets).try_acquire_owned() else {
        return problem::many_connections(bridge.settings.max_connections).into_response();
    };
    // What is known not to be had is refused here, where a client reads why.
    if let Err(held_back) = bridge.children.crashes.look() {
        return problem::held_back(&held_back).into_response();
    }
    if !bridge.pool.has_room() {
        return problem::full(bridge.settings.max_children).into_response();
    }
    let subprotocol = offers(&head.headers, &header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL);
    let upgrade = hyper::upgrade::on(Request::from_parts(head, ()));
    let bridge = Arc::clone(bridge);
    tokio::spawn(async move {
        let _places = (place, socket);
        // A client that left meanwhile is nobody's loss.
        if let Ok(upgraded) = upgrade.await {
            let max_message = bridge.settings.max_message;
            let share = bridge.incoming.share();
            let io = Pieces::new(TokioIo::new(upgraded), HEAD_BYTES, max_message, Arc::clone(&share));
            let config = config(max_message);
            let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
            session::run(socket, &share, (&peer, &principal, &account), &bridge).await;
        }
    });
    switching(&accept, subprotocol)
}

fn switching(accept: &str, subprotocol: bool) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(accept) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if subprotocol {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    }
    response
}

fn accept_key(headers: &HeaderMap) -> Result<String, Problem> {
    let is_upgrade =
        offers(headers, &header::CONNECTION, "upgrade") && offers(headers, &header::UPGRADE, "websocket");
    if !is_upgrade {
        let problem = Problem::new(StatusCode::UPGRADE_REQUIRED, "this path speaks WebSocket")
            .hint("connect with ws://, or POST {\"method\", \"params\"} to /mcp")
            .header(header::CONNECTION, "upgrade");
        return Err(problem.header(header::UPGRADE, "websocket"));
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let problem = Problem::new(StatusCode::UPGRADE_REQUIRED, "only version 13 of WebSocket is spoken");
        return Err(problem.header(header::SEC_WEBSOCKET_VERSION, "13"));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
    let key = key.filter(|key| key.len() == 24 && key.ends_with(b"=="));
    let key = key.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key is no key"))?;
    Ok(derive_accept_key(key))
}

/// Whether a header's comma-separated values include `token`, in any case.
fn offers(headers: &HeaderMap, name: &header::HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
}

fn config(max_message: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message))
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| ((*name).parse().expect("name"), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn the_key_of_the_rfc_is_answered_as_the_rfc_says() {
        let asked = headers(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ]);
        assert_eq!(accept_key(&asked).ok().as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }

    #[test]
    fn a_plain_request_an_old_version_and_a_bad_key_are_refused() {
        assert_eq!(accept_key(&headers(&[])).expect_err("plain").status(), 426);
        let upgrade = [("connection", "upgrade"), ("upgrade", "websocket")];
        let old = [&upgrade[..], &[("sec-websocket-version", "8")]].concat();
        assert_eq!(accept_key(&headers(&old)).expect_err("old").status(), 426);
        let keyless = [&upgrade[..], &[("sec-websocket-version", "13"), ("sec-websocket-key", "x")]].concat();
        assert_eq!(accept_key(&headers(&keyless)).expect_err("no key").status(), 400);
    }
}
