//! Tool calls over REST.

use std::time::Duration;

use mcpo_deploy::wire::http::{self, Answer, Limits};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{Bridge, gone, hear, of_fixture, of_script, say, settings, until};

pub(super) const LIMITS: Limits = Limits { deadline: super::PATIENCE, body: 1 << 20 };

async fn post(bridge: &Bridge, body: impl Into<String>) -> Answer {
    let host = bridge.addr.to_string();
    http::post_json(bridge.addr, "/mcp", &host, body.into(), LIMITS).await.expect("an answer")
}

/// The status and body of a call.
async fn call(bridge: &Bridge, tool: &str) -> (u16, Value) {
    let answer = post(bridge, json!({"method": tool, "params": {}}).to_string()).await;
    let body = serde_json::from_slice(&answer.body).expect("JSON");
    let expected = if answer.status == 200 { "application/json" } else { "application/problem+json" };
    assert_eq!(answer.content_type.as_deref(), Some(expected));
    (answer.status, body)
}

#[tokio::test]
async fn a_tool_is_called_whatever_dialect_its_server_speaks() {
    for dialect in ["legacy", "bare", "fussy"] {
        let bridge = Bridge::start(of_fixture(dialect)).await;
        let (status, body) = call(&bridge, "status").await;
        assert_eq!((status, &body["status"]), (200, &json!("active")), "{dialect}");
        let server = u32::try_from(body["pid"].as_u64().expect("an id")).expect("an id");
        assert_eq!(call(&bridge, "status").await.1["pid"], server, "calls take turns on it: {dialect}");
        bridge.finish().await;
        gone(server).await;
    }
}

#[tokio::test]
async fn a_server_without_calls_ends_and_one_whose_call_was_given_up_gets_no_other() {
    let mut settings = of_fixture("legacy");
    settings.idle = Duration::from_millis(50);
    settings.call_timeout = Duration::from_millis(900);
    let bridge = Bridge::start(settings).await;
    let pid = async || u32::try_from(call(&bridge, "status").await.1["pid"].as_u64().expect("an id"));
    gone(pid().await.expect("an id")).await;
    let before = pid().await.expect("an id");
    assert_eq!(call(&bridge, "hang").await.0, 504);
    assert_ne!(pid().await.expect("an id"), before);
    gone(before).await;
    bridge.finish().await;
}

#[tokio::test]
async fn arguments_reach_the_tool_as_they_are() {
    let bridge = Bridge::start(of_fixture("legacy")).await;
    let params = json!({"n": 9_007_199_254_740_993_u64, "text": "é\n😀", "nested": {"a": [null]}});
    let answer = post(&bridge, json!({"method": "echo", "params": params}).to_string()).await;
    assert_eq!(serde_json::from_slice::<Value>(&answer.body).expect("JSON"), params);
    bridge.finish().await;
}

#[tokio::test]
async fn every_failure_has_a_status_of_its_own() {
    let mut settings = of_fixture("legacy");
    settings.call_timeout = Duration::from_millis(900);
    let bridge = Bridge::start(settings).await;
    for (tool, status) in [("fail", 422), ("arguments", 422), ("nothing", 404), ("crash", 502), ("hang", 504)]
    {
        let (seen, body) = call(&bridge, tool).await;
        assert_eq!(seen, status, "{tool}: {body}");
        assert_eq!(body["status"], status, "{tool}");
    }
    assert_eq!(call(&bridge, "fail").await.1["result"], "out of order");
    bridge.finish().await;
}

#[tokio::test]
async fn a_bare_server_says_by_its_words_that_a_tool_failed_or_is_not_there() {
    let bridge = Bridge::start(of_fixture("bare")).await;
    assert_eq!(call(&bridge, "fail").await.0, 422);
    assert_eq!(call(&bridge, "nothing").await.0, 404);
    bridge.finish().await;
}

#[tokio::test]
async fn a_server_that_cannot_start_or_only_ends_is_a_bad_gateway() {
    for settings in [settings("/nowhere/server", &[]), of_script("exit 3")] {
        let bridge = Bridge::start(settings).await;
        assert_eq!(call(&bridge, "status").await.0, 502);
        bridge.finish().await;
    }
}

#[tokio::test]
async fn a_body_that_is_no_request_is_told_what_it_must_be() {
    let mut settings = of_fixture("bare");
    settings.max_message = 1024;
    let bridge = Bridge::start(settings).await;
    let long = json!({"method": "echo", "params": {"x": "x".repeat(1024)}}).to_string();
    for (body, status) in [
        ("{}", 400),
        (r#"["status",{}]"#, 400),
        (r#"{"method":7}"#, 400),
        (r#"{"jsonrpc":"2.0","method":"ping"}"#, 406),
        (long.as_str(), 413),
    ] {
        let answer = post(&bridge, body).await;
        assert_eq!(answer.status, status, "{body}");
        let words = String::from_utf8_lossy(&answer.body);
        assert!(words.contains("hint") && !words.contains("BareRequest"), "{words}");
    }
    bridge.finish().await;
}

#[tokio::test]
async fn a_form_that_any_page_could_post_is_refused() {
    let bridge = Bridge::start(of_fixture("bare")).await;
    let mut tcp = TcpStream::connect(bridge.addr).await.expect("a way");
    let head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 19\r\n\
                Connection: close\r\n\r\n{\"method\":\"status\"}";
    tcp.write_all(head.as_bytes()).await.expect("room");
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut tcp, &mut answer).await.expect("text");
    assert!(answer.starts_with("HTTP/1.1 415 "), "{answer}");
    bridge.finish().await;
}

#[tokio::test]
async fn past_the_ceiling_a_call_is_refused_with_503() {
    let mut settings = of_fixture("bare");
    settings.max_children = 1;
    let bridge = Bridge::start(settings).await;
    let mut held = bridge.client().await;
    say(&mut held, r#"{"method":"status"}"#).await;
    hear(&mut held).await;
    assert_eq!(call(&bridge, "status").await.0, 503);
    bridge.finish().await;
}

#[tokio::test]
async fn calls_take_turns_on_the_only_server_there_may_be_however_its_ways_are_found_out() {
    for dialect in ["legacy", "bare", "fussy"] {
        let mut settings = of_fixture(dialect);
        settings.max_children = 1;
        let bridge = Bridge::start(settings).await;
        let (one, two) = tokio::join!(call(&bridge, "status"), call(&bridge, "status"));
        assert_eq!((one.0, two.0), (200, 200), "{dialect}: {} {}", one.1, two.1);
        bridge.finish().await;
    }
}

#[tokio::test]
async fn a_caller_that_leaves_leaves_no_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let note = folder.path().join("pid");
    let bridge =
        Bridge::of_script(&format!("echo $$ > {0}.tmp; mv {0}.tmp {0}; exec cat >/dev/null", note.display()))
            .await;
    let mut tcp = TcpStream::connect(bridge.addr).await.expect("a way");
    let request = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
                   Content-Length: 14\r\n\r\n{\"method\":\"a\"}";
    tcp.write_all(request.as_bytes()).await.expect("room");
    until("the server has started", || note.exists()).await;
    let server = std::fs::read_to_string(&note).expect("an id").trim().parse().expect("an id");
    drop(tcp);
    gone(server).await;
    bridge.finish().await;
}

#[tokio::test]
async fn health_is_answered_without_a_server() {
    let bridge = Bridge::start(settings("/nowhere/server", &[])).await;
    let host = bridge.addr.to_string();
    let answer = http::get(bridge.addr, "/healthz", &host, LIMITS).await.expect("an answer");
    let body: Value = serde_json::from_slice(&answer.body).expect("JSON");
    assert_eq!((answer.status, &body["status"]), (200, &json!("ok")));
    for (path, status) in [("/", 426), ("/mcp", 406), ("/nothing", 404)] {
        let answer = http::get(bridge.addr, path, &host, LIMITS).await.expect("an answer");
        assert_eq!(answer.status, status, "{path}");
    }
    bridge.finish().await;
}

#[tokio::test]
async fn a_call_in_flight_is_answered_when_the_bridge_stops() {
    let folder = tempfile::tempdir().expect("a folder");
    let note = folder.path().join("started");
    let bridge = Bridge::of_script(&format!("touch {}; exec cat >/dev/null", note.display())).await;
    let (addr, host) = (bridge.addr, bridge.addr.to_string());
    let body = r#"{"method":"a"}"#.to_owned();
    let calling = tokio::spawn(async move { http::post_json(addr, "/mcp", &host, body, LIMITS).await });
    until("the server has started", || note.exists()).await;
    bridge.finish().await;
    assert_eq!(calling.await.expect("no panic").expect("an answer").status, 503);
}
