//! `/metrics`.

use std::time::Duration;

use mcpo_deploy::bridge::TokenFile;
use mcpo_deploy::wire::http::{self, Limits};
use rustix::process::Signal;
use serde_json::json;
use tokio::time::{interval, timeout};

use super::super::program::{end, output, program, serve};
use super::super::{Bridge, PATIENCE, gone, hear, of_fixture, of_script, pid, say, settings, wake};
use super::{LIMITS, answer_modern, ask, call_modern, call_rest, samples};

/// Waits until the page says so.
async fn until(bridge: &Bridge, expected: &[(&str, &str)]) {
    let mut look = interval(Duration::from_millis(5));
    let seen = async {
        loop {
            let page = samples(bridge.addr).await;
            if expected.iter().all(|(sample, value)| page[*sample] == *value) {
                return;
            }
            look.tick().await;
        }
    };
    timeout(PATIENCE, seen).await.unwrap_or_else(|_| panic!("never happened: {expected:?}"));
}

#[tokio::test]
async fn what_clients_do_is_counted_by_wire_tool_and_outcome() {
    let bridge = Bridge::start(of_fixture("legacy")).await;
    call_rest(&bridge, "status", &[]).await;
    call_rest(&bridge, "nothing", &[]).await;
    call_modern(&bridge, "echo", &[], json!({})).await;
    call_modern(&bridge, "made-up", &[], json!({})).await;
    ask(bridge.addr, "GET /nothing", &[], "").await;
    ask(bridge.addr, "HEAD /docs", &[], "").await;
    let seen = samples(bridge.addr).await;
    for (sample, value) in [
        (r#"mcp_bridge_requests_total{wire="rest",outcome="ok"}"#, "1"),
        (r#"mcp_bridge_requests_total{wire="rest",outcome="refused"}"#, "1"),
        (r#"mcp_bridge_requests_total{wire="http-modern",outcome="ok"}"#, "1"),
        (r#"mcp_bridge_requests_total{wire="http-modern",outcome="rpc_error"}"#, "1"),
        (r#"mcp_bridge_requests_total{wire="other",outcome="refused"}"#, "1"),
        // Of an answer to HEAD nothing is left untaken.
        (r#"mcp_bridge_requests_total{wire="other",outcome="ok"}"#, "1"),
        (r#"mcp_bridge_requests_total{wire="other",outcome="gone"}"#, "0"),
        (r#"mcp_bridge_errors_total{kind="not_found"}"#, "2"),
        (r#"mcp_bridge_errors_total{kind="rpc"}"#, "1"),
        (r#"mcp_bridge_request_duration_seconds_count{wire="rest",tool="status"}"#, "1"),
        (r#"mcp_bridge_request_duration_seconds_count{wire="rest",tool="other"}"#, "1"),
        (r#"mcp_bridge_request_duration_seconds_count{wire="http-modern",tool="echo"}"#, "1"),
        (r#"mcp_bridge_request_duration_seconds_count{wire="http-modern",tool="other"}"#, "1"),
        (r#"mcp_bridge_received_bytes_total{wire="rest"}"#, "63"),
        ("mcp_bridge_children_running", "1"),
        ("mcp_bridge_children_max", "64"),
        // What asks for the page is under way itself.
        ("mcp_bridge_requests_in_flight", "1"),
        ("mcp_bridge_queue_length", "0"),
        ("mcp_bridge_queue_wait_seconds_count", "0"),
    ] {
        assert_eq!(seen.get(sample), Some(&value.to_owned()), "{sample}");
    }
    assert!(seen.keys().all(|sample| !sample.contains("made-up") && !sample.contains("nothing")));
    let number = |name: &str| seen[name].parse::<f64>().expect(name);
    assert!(number(r#"mcp_bridge_sent_bytes_total{wire="rest"}"#) > 100.0);
    assert!(number("process_resident_memory_bytes") > 1e6 && number("process_open_fds") > 3.0);
    assert!(number("process_start_time_seconds") > 1.7e9 && number("process_cpu_seconds_total") > 0.0);
    bridge.finish().await;
}

#[tokio::test]
async fn an_error_at_the_end_of_a_stream_is_counted_as_one() {
    let server = r#"
        say() { printf '{"jsonrpc":"2.0",%s}\n' "$1"; }
        while read -r line; do
            id=$(printf '%s' "$line" | sed 's/.*"id":\([0-9]*\).*/\1/')
            case $line in
            *'"initialize"'*) say "\"id\":$id,\"result\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{}}}";;
            *tools/list*) say "\"id\":$id,\"result\":{\"tools\":[]}";;
            *tools/call*) say '"method":"notifications/x"'; say "\"id\":$id,\"error\":{\"code\":-1,\"message\":\"no\"}";;
            *'"id"'*) say "\"id\":$id,\"error\":{\"code\":-32601,\"message\":\"no\"}";;
            esac
        done
    "#;
    let bridge = Bridge::start(of_script(server)).await;
    let answer = answer_modern(&bridge, "echo", &[], json!({})).await;
    assert!(answer.contains("notifications/x") && answer.contains(r#""error""#), "{answer}");
    let outcome =
        |outcome: &str| format!(r#"mcp_bridge_requests_total{{wire="http-modern",outcome="{outcome}"}}"#);
    until(&bridge, &[(&outcome("rpc_error"), "1"), (&outcome("ok"), "0")]).await;
    bridge.finish().await;
}

#[tokio::test]
async fn a_websocket_is_a_session_until_it_ends_and_its_messages_count_meanwhile() {
    let bridge = Bridge::start(of_script("echo $$; exec cat")).await;
    let mut client = bridge.client().await;
    let server = pid(&mut client).await;
    say(&mut client, "12345").await;
    hear(&mut client).await;
    let seen = samples(bridge.addr).await;
    let of = |name: &str| seen[name].as_str();
    assert_eq!(of(r#"mcp_bridge_sessions_open{wire="websocket"}"#), "1");
    assert_eq!(of(r#"mcp_bridge_requests_total{wire="websocket",outcome="ok"}"#), "0");
    // The first, which is empty, is what starts the server.
    assert_eq!(of(r#"mcp_bridge_websocket_messages_total{direction="in"}"#), "2");
    assert_eq!(of(r#"mcp_bridge_websocket_messages_total{direction="out"}"#), "2");
    assert_eq!(of(r#"mcp_bridge_received_bytes_total{wire="websocket"}"#), "5");
    assert_eq!(of("mcp_bridge_requests_in_flight"), "1");
    drop(client);
    gone(server).await;
    let ended = [
        (r#"mcp_bridge_sessions_open{wire="websocket"}"#, "0"),
        (r#"mcp_bridge_requests_total{wire="websocket",outcome="ok"}"#, "1"),
        ("mcp_bridge_children_running", "0"),
    ];
    until(&bridge, &ended).await;
    bridge.finish().await;
}

#[tokio::test]
async fn a_server_that_crashes_and_the_next_one_are_counted() {
    let bridge = Bridge::start(of_fixture("legacy")).await;
    call_rest(&bridge, "crash", &[]).await;
    call_rest(&bridge, "status", &[]).await;
    let seen = samples(bridge.addr).await;
    assert_eq!(seen[r#"mcp_bridge_children_ended_total{reason="signal"}"#], "1");
    // Whether the server works at all is looked at too, by one of its own if the call has not begun yet.
    let count = |name: &str| seen[name].parse::<u32>().expect("a number");
    assert!(count("mcp_bridge_children_started_total") >= 2 && count("mcp_bridge_child_restarts_total") >= 1);
    assert_eq!(seen[r#"mcp_bridge_errors_total{kind="bad_gateway"}"#], "1");
    bridge.finish().await;
    let bridge = Bridge::start(settings("/nowhere/server", &[])).await;
    call_rest(&bridge, "status", &[]).await;
    assert_eq!(samples(bridge.addr).await["mcp_bridge_children_not_started_total"], "1");
    bridge.finish().await;
}

#[tokio::test]
async fn a_caller_that_leaves_before_the_answer_is_counted_as_gone() {
    let bridge = Bridge::start(of_fixture("legacy")).await;
    let body = json!({"method": "hang"}).to_string();
    let host = bridge.addr.to_string();
    let asked = http::post_json(
        bridge.addr,
        "/mcp",
        &host,
        body,
        Limits { deadline: Duration::from_millis(300), body: 1024 },
    );
    assert!(asked.await.is_err());
    until(&bridge, &[(r#"mcp_bridge_requests_total{wire="rest",outcome="gone"}"#, "1")]).await;
    bridge.finish().await;
}

#[tokio::test]
async fn who_may_call_some_tools_only_may_not_read_what_is_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tokens");
    std::fs::write(&file, "alice alice-0123456789\nbob bob-0123456789ab status\n").expect("a file");
    let mut settings = of_fixture("legacy");
    settings.doors.tokens = Some(TokenFile::open(&file).expect("tokens"));
    let bridge = Bridge::start(settings).await;
    for (token, status) in [("alice-0123456789", " 200 "), ("bob-0123456789ab", " 403 "), ("x", " 401 ")] {
        let shown = format!("Bearer {token}");
        let (head, body) = ask(bridge.addr, "GET /metrics", &[("authorization", &shown)], "").await;
        assert!(head.lines().next().is_some_and(|line| line.contains(status)), "{token}: {head}");
        assert_eq!(body.contains("mcp_bridge_"), token == "alice-0123456789", "{body}");
    }
    bridge.finish().await;
}

#[tokio::test]
async fn a_port_of_its_own_serves_metrics_alone_without_a_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("tokens");
    std::fs::write(&file, "alice alice-0123456789\n").expect("a file");
    let mut command = program();
    command.args(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--token-file"]);
    let mut serving = serve(command.arg(&file).args(["--", "cat"]), 1).await;
    let line =
        serving.stderr.as_mut().expect("nobody else reads").next_line().await.expect("text").expect("a line");
    let url = line.split_once("metrics alone on ").expect("an address").1;
    let addr = url.split(": ").next().expect("an address").parse().expect("an address");
    assert_eq!(samples(addr).await["mcp_bridge_children_running"], "0");
    for (line, host, status) in [
        ("POST /mcp", "localhost", " 404 "),
        ("GET /ws", "localhost", " 404 "),
        ("GET /metrics", "evil", " 403 "),
    ] {
        let (head, _) = ask(addr, line, &[], "").await;
        // A second Host is as good as none.
        let (other, _) = ask(addr, line, &[("host", host)], "").await;
        assert!(head.contains(status) || line == "GET /metrics", "{line}: {head}");
        assert!(other.contains(" 400 "), "{other}");
    }
    assert_eq!(end(serving, Signal::TERM).await, Some(0));
}

#[tokio::test]
async fn metrics_without_a_token_beyond_loopback_need_a_word_for_it() {
    let args = ["--listen", "127.0.0.1:0", "--metrics-listen", "0.0.0.0:0", "--", "cat"];
    let (code, _, stderr) = output(program().args(args)).await;
    assert_eq!(code, Some(64));
    assert!(stderr.starts_with("error: refusing to serve metrics on 0.0.0.0:0"), "{stderr}");
    let (code, _, stderr) = output(program().args(["--otlp-endpoint", "https://a", "--", "cat"])).await;
    assert_eq!(code, Some(64));
    assert!(stderr.contains("only http is spoken") && stderr.contains("hint: "), "{stderr}");
}

#[tokio::test]
async fn calls_that_wait_for_a_server_are_seen_while_they_wait() {
    let folder = tempfile::tempdir().expect("a folder");
    let note = folder.path().join("started");
    let mut settings = of_script(&format!("touch {}; exec cat", note.display()));
    settings.max_children = 1;
    let bridge = Bridge::start(settings).await;
    let mut held = bridge.client().await;
    wake(&mut held).await;
    super::super::until("the server has started", || note.exists()).await;
    let (addr, host) = (bridge.addr, bridge.addr.to_string());
    let body = json!({"method": "a"}).to_string();
    let waiting = tokio::spawn(async move { http::post_json(addr, "/mcp", &host, body, LIMITS).await });
    until(&bridge, &[("mcp_bridge_queue_length", "1")]).await;
    assert_eq!(waiting.await.expect("no panic").expect("an answer").status, 503);
    assert_eq!(samples(bridge.addr).await["mcp_bridge_queue_length"], "0");
    bridge.finish().await;
}
