//! Servers and clients that go wrong, on every wire, while others are served: what whoever is struck is told,
//! what the others see (their answers, as before), and what is left (nothing).
//!
//! | | WebSocket, sessions, stateless, REST | besides |
//! | --- | --- | --- |
//! | servers: killed, stopped, floods, half a line, … | [`servers`] | `websocket`, `streamable`, `rest` |
//! | clients: killed, half-open, slow | [`clients`] | `leaving`, `memory` |
//! | five thousand idle connections | [`crowd`] | `memory`, and in `leaving` those who ask nothing |
//!
//! Each test has a bridge of its own process, so that its descriptors and its memory are the bridge's alone.

mod caller;
mod clients;
mod crowd;
mod rig;
mod servers;

use futures_util::future::join_all;
use serde_json::json;

use mcpo_deploy::wire::http::{self, Limits};

use super::{Bridge, PATIENCE, children_of, of_fixture, until};

/// How the bridge is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    /// One text frame is one message.
    WebSocket,
    /// MCP over HTTP up to 2025-11-25.
    Session,
    /// MCP over HTTP of 2026-07-28.
    Stateless,
    /// `POST /tools/NAME`.
    Rest,
}

const WIRES: [Wire; 4] = [Wire::WebSocket, Wire::Session, Wire::Stateless, Wire::Rest];

/// A sentence with four ends, and what each of them runs.
macro_rules! on_every_wire {
    ($run:path: $($sentence:ident => $what:expr,)*) => {$(
        mod $sentence {
            use super::*;

            #[tokio::test]
            async fn over_a_websocket() {
                $run(Wire::WebSocket, $what).await;
            }

            #[tokio::test]
            async fn in_a_session() {
                $run(Wire::Session, $what).await;
            }

            #[tokio::test]
            async fn without_a_session() {
                $run(Wire::Stateless, $what).await;
            }

            #[tokio::test]
            async fn over_rest() {
                $run(Wire::Rest, $what).await;
            }
        }
    )*};
}
use on_every_wire;

#[tokio::test]
async fn a_call_whose_server_dies_is_told_at_once_and_calls_beside_it_are_answered() {
    let bridge = Bridge::start(of_fixture("legacy")).await;
    let call = async |tool: &str| {
        let (host, body) = (bridge.addr.to_string(), json!({"method": tool}).to_string());
        let limits = Limits { deadline: PATIENCE, body: 1 << 16 };
        http::post_json(bridge.addr, "/mcp", &host, body, limits).await.expect("an answer").status
    };
    let tools = ["status", "crash"].repeat(10);
    let answers = join_all(tools.iter().map(|tool| call(tool))).await;
    assert_eq!(answers, [200, 502].repeat(10));
    bridge.finish().await;
    until("nothing is left", || children_of(std::process::id()).is_empty()).await;
}
