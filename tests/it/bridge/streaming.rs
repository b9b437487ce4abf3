//! Our own client of Streamable HTTP against our own bridge, in both eras.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use mcpo_deploy::mcp::{CallError, Client, Dialect, Lines, Order, Patience, Progress};
use mcpo_deploy::wire::door::Door;
use mcpo_deploy::wire::streamable::Streamable;

use super::{Bridge, PATIENCE, settings};

async fn everything(mode: &str) -> Bridge {
    let fixture = Path::new(env!("CARGO_BIN_EXE_mcp-bridge")).with_file_name("examples/everything-fixture");
    assert!(fixture.is_file(), "build it first: cargo build --example everything-fixture");
    Bridge::start(settings(fixture.to_str().expect("text"), &[mode])).await
}

async fn client(bridge: &Bridge, order: Order) -> Client<Streamable> {
    let url: mcpo_deploy::wire::url::Url = format!("http://{}", bridge.addr).parse().expect("a URL");
    let mut open = || Ok::<_, Infallible>(Streamable::new(url.clone(), Door::default(), 1 << 20));
    let patience = Patience { probe: PATIENCE, call: PATIENCE };
    Client::connect_in(order, &mut open, patience).await.expect("a client")
}

#[tokio::test]
async fn both_eras_are_spoken_whatever_the_server_speaks() {
    for mode in ["legacy", "modern", "bare"] {
        let bridge = everything(mode).await;
        for order in [Order::HandshakeFirst, Order::StatelessFirst] {
            let mut client = client(&bridge, order).await;
            let in_session = matches!(client.dialect(), Dialect::Legacy(_));
            assert_eq!(in_session, order == Order::HandshakeFirst, "{mode}");
            let answer = client.call("status", serde_json::json!({})).await.expect("an answer");
            assert_eq!(answer.value["status"], "active", "{mode} {order:?}");
            assert_eq!(client.tools().await.expect("a list").is_empty(), mode == "bare");
            // An answer that takes so long comes as a stream.
            let slow = client.call_watched("test_reconnection", "{}", None).await.expect("an answer");
            assert!(slow.contains("completed successfully"), "{slow}");
            client.close(PATIENCE).await;
        }
        bridge.finish().await;
    }
}

#[tokio::test]
async fn a_call_is_watched_and_one_that_is_dropped_is_taken_back() {
    let bridge = everything("dual").await;
    for order in [Order::HandshakeFirst, Order::StatelessFirst] {
        let mut client = client(&bridge, order).await;
        let mut seen = Vec::new();
        let mut watch = |progress: Progress| seen.push((progress.progress, progress.total));
        client.call_watched("test_tool_with_progress", "{}", Some(&mut watch)).await.expect("an answer");
        assert_eq!(seen, [(0.0, Some(100.0)), (50.0, Some(100.0)), (100.0, Some(100.0))], "{order:?}");
        let hanging = client.call_watched("misbehave_hang", "{}", None);
        assert!(tokio::time::timeout(Duration::from_millis(100), hanging).await.is_err());
        client.cancel("nobody waits").await.expect("it is heard");
        // What came of the one is not taken for the other's.
        let answer = client.call("status", serde_json::json!({})).await.expect("an answer");
        assert_eq!(answer.value["status"], "active");
        client.close(PATIENCE).await;
    }
    bridge.finish().await;
}

#[tokio::test]
async fn a_session_that_was_ended_is_not_there_any_more() {
    let bridge = everything("legacy").await;
    let mut settled = client(&bridge, Order::HandshakeFirst).await;
    // As the program does at its end.
    settled.lines_mut().close().await;
    let error = settled.tools().await.expect_err("no session");
    assert!(matches!(error, CallError::Transport(_)), "{error:?}");
    assert!(error.to_string().contains("does not know the session any more"), "{error}");
    bridge.finish().await;
}
