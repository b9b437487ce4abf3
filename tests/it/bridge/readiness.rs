//! `/readyz`: whether the server behind the bridge works.

use std::time::Duration;

use mcpo_deploy::bridge::{Redaction, TokenFile};
use mcpo_deploy::wire::http::{self, Limits};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Bridge, PATIENCE, of_fixture, of_script};

const LIMITS: Limits = Limits { deadline: PATIENCE, body: 1 << 20 };

async fn ask(bridge: &Bridge) -> (u16, Value) {
    let answer =
        http::get(bridge.addr, "/readyz", &bridge.addr.to_string(), LIMITS).await.expect("an answer");
    (answer.status, serde_json::from_slice(&answer.body).expect("JSON"))
}

/// Asks until the answer has this status.
async fn until_it_is(bridge: &Bridge, status: u16) -> Value {
    let asking = async {
        let mut look = tokio::time::interval(Duration::from_millis(20));
        loop {
            look.tick().await;
            let (seen, body) = ask(bridge).await;
            if seen == status {
                return body;
            }
        }
    };
    timeout(PATIENCE, asking).await.expect("in time")
}

#[tokio::test]
async fn a_server_that_works_is_ready_whatever_it_speaks() {
    for (dialect, era, version, server) in [
        ("legacy", "legacy", json!("2025-11-25"), json!({"name": "fixture", "version": "1"})),
        ("bare", "bare", Value::Null, Value::Null),
        ("fussy", "bare", Value::Null, Value::Null),
    ] {
        let bridge = Bridge::start(of_fixture(dialect)).await;
        let (status, body) = ask(&bridge).await;
        assert_eq!((status, &body["status"]), (200, &json!("ready")), "{dialect}: {body}");
        assert_eq!((&body["era"], &body["version"], &body["server"]), (&json!(era), &version, &server));
        assert!(body["checked_ms_ago"].is_u64(), "{body}");
        bridge.finish().await;
    }
}

#[tokio::test]
async fn the_status_tool_decides_where_there_is_one() {
    for (tool, status) in [("status", 200), ("fail", 503), ("nothing", 503)] {
        let mut settings = of_fixture("legacy");
        settings.status_tool = Some(tool.to_owned());
        let bridge = Bridge::start(settings).await;
        let (seen, body) = ask(&bridge).await;
        assert_eq!(seen, status, "{tool}: {body}");
        assert!(status == 200 || body["reason"].as_str().is_some_and(|why| why.contains(tool)), "{body}");
        bridge.finish().await;
    }
}

#[tokio::test]
async fn however_many_ask_there_is_one_call_and_its_answer_holds_for_seconds() {
    let folder = tempfile::tempdir().expect("a folder");
    let note = folder.path().join("calls");
    let script = "while read -r line; do case $line in *look*) echo x >> NOTE;; esac; echo '{}'; done";
    let mut settings = of_script(&script.replace("NOTE", &note.display().to_string()));
    settings.status_tool = Some("look".to_owned());
    let bridge = Bridge::start(settings).await;
    let all = futures_util::future::join_all((0..20).map(|_| ask(&bridge))).await;
    assert!(all.iter().all(|(status, _)| *status == 200), "{all:?}");
    assert_eq!(ask(&bridge).await.0, 200);
    assert_eq!(std::fs::read_to_string(&note).expect("calls"), "x\n");
    bridge.finish().await;
}

#[tokio::test]
async fn a_server_that_fails_at_every_start_is_told_with_its_last_words_but_not_its_secrets() {
    let mut settings = of_script("echo the key hunter22-abc is wrong >&2; exit 3");
    settings.secrets = Redaction::of(["hunter22-abc"].into_iter());
    let bridge = Bridge::start(settings).await;
    let body = until_it_is(&bridge, 503).await;
    let reason = body["reason"].as_str().expect("a reason");
    assert!(reason.contains("exit status: 3"), "{body}");
    assert_eq!(body["stderr"], json!(["the key [secret] is wrong"]));
    bridge.finish().await;
}

#[tokio::test]
async fn a_server_that_works_again_is_ready_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let mended = folder.path().join("mended");
    let fixture = super::fixture();
    let script = format!("test -e {} || exit 3; exec {} legacy", mended.display(), fixture.display());
    let bridge = Bridge::of_script(&script).await;
    // Until it is held back, when nobody is let in.
    let held_back = async {
        while bridge.try_client(&[]).await.is_ok() {
            let body = until_it_is(&bridge, 503).await;
            assert!(body["reason"].as_str().is_some_and(|why| why.contains("exit status: 3")), "{body}");
        }
    };
    timeout(PATIENCE, held_back).await.expect("in time");
    std::fs::write(&mended, "").expect("a file");
    assert_eq!(until_it_is(&bridge, 200).await["era"], "legacy");
    bridge.finish().await;
}

#[tokio::test]
async fn who_is_not_let_in_is_told_whether_it_works_and_no_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "alice alice-0123456789\n").expect("a file");
    for (mut settings, status) in [(of_fixture("legacy"), 200), (of_script("echo why >&2; exit 3"), 503)] {
        settings.doors.tokens = Some(TokenFile::open(&tokens).expect("tokens"));
        let bridge = Bridge::start(settings).await;
        let body = until_it_is(&bridge, status).await;
        for hidden in ["era", "version", "server", "reason", "stderr"] {
            assert!(body.get(hidden).is_none(), "{body}");
        }
        let (code, told) = as_whom(&bridge, "Bearer alice-0123456789").await;
        let shown = if status == 200 { "fixture" } else { "exit status: 3" };
        assert!(code == status && told.contains(shown), "{code} {told}");
        assert_eq!(as_whom(&bridge, "Bearer guess").await.0, 401);
        bridge.finish().await;
    }
}

async fn as_whom(bridge: &Bridge, authorization: &str) -> (u16, String) {
    let mut tcp = TcpStream::connect(bridge.addr).await.expect("a way");
    let head = format!(
        "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: {authorization}\r\n\r\n"
    );
    tcp.write_all(head.as_bytes()).await.expect("room");
    let mut answer = String::new();
    timeout(PATIENCE, tcp.read_to_string(&mut answer)).await.expect("in time").expect("text");
    (answer[9..12].parse().expect("a status"), answer)
}
