//! The three ways of speaking to it, and what each wrong line gets.

use serde_json::{Value, json};

use super::rig::{Server, call, request};

const BARE_STATUS: &str = r#"{"method": "get_orchestrator_status", "params": {}}"#;
const MAX_LINE: usize = 16 << 20;

fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
    })
}

/// A tool's result holds the same JSON as structure and as text.
fn content(answer: &Value) -> Value {
    let result = &answer["result"];
    let text = result["content"][0]["text"].as_str().expect("text content");
    let read: Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(read, result["structuredContent"]);
    read
}

#[tokio::test]
async fn a_client_of_2025_shakes_hands_lists_the_tools_and_calls_one() {
    let mut server = Server::start(&[]);
    let greeting = server.initialize().await;
    assert_eq!(greeting["protocolVersion"], "2025-11-25");
    assert_eq!(greeting["serverInfo"]["name"], "mcp-orchestrator");
    let tools = server.ask(request(json!(1), "tools/list", json!({}))).await;
    let names: Vec<&Value> =
        tools["result"]["tools"].as_array().expect("a list").iter().map(|t| &t["name"]).collect();
    assert_eq!(names, ["get_orchestrator_status", "orchestrate_task"]);
    let status = server.ask(call(json!(2), "get_orchestrator_status", json!({}))).await;
    assert_eq!(content(&status)["status"], "active");
    assert_eq!(server.ask(request(json!(3), "ping", json!({}))).await["result"], json!({}));
    let end = server.finish().await;
    assert_eq!((end.status.code(), end.rest, end.stderr), (Some(0), vec![], String::new()));
}

#[tokio::test]
async fn every_older_revision_is_agreed_to_and_the_stateless_one_is_not_by_handshake() {
    for (asked, agreed) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2026-07-28", "2025-11-25"),
    ] {
        let mut server = Server::start(&[]);
        let params = json!({"protocolVersion": asked, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        let answer = server.ask(request(json!(0), "initialize", params)).await;
        assert_eq!(answer["result"]["protocolVersion"], agreed);
    }
}

#[tokio::test]
async fn a_client_of_2026_discovers_and_calls_without_a_handshake() {
    let mut server = Server::start(&[]);
    let found = server.ask(request(json!("d"), "server/discover", json!({"_meta": meta()}))).await;
    assert!(
        found["result"]["supportedVersions"].as_array().is_some_and(|v| v.contains(&json!("2026-07-28"))),
        "{found}"
    );
    let tools = server.ask(request(json!(1), "tools/list", json!({"_meta": meta()}))).await;
    assert_eq!(tools["result"]["resultType"], "complete");
    assert!(tools["result"]["ttlMs"].is_u64() && tools["result"]["cacheScope"].is_string(), "{tools}");
    let params = json!({"name": "get_orchestrator_status", "arguments": {}, "_meta": meta()});
    let status = server.ask(request(json!(2), "tools/call", params)).await;
    assert_eq!(content(&status)["default_strategy"], "external_enhancement");
    let bald = server.ask(request(json!(3), "tools/list", json!({}))).await;
    assert_eq!(bald["error"]["code"], -32602, "{bald}");
}

/// Before a session, inside a stateless one, and inside one with a handshake.
#[tokio::test]
async fn a_ping_of_2026_is_unknown_wherever_it_comes_and_every_result_of_2026_has_its_type() {
    let ping = |id: i64| request(json!(id), "ping", json!({"_meta": meta()}));
    let mut stateless = Server::start(&[]);
    let first = stateless.ask(ping(1)).await;
    assert_eq!((&first["error"]["code"], &first["id"]), (&json!(-32601), &json!(1)), "{first}");
    let call = json!({"name": "get_orchestrator_status", "arguments": {}, "_meta": meta()});
    for (method, params) in [
        ("server/discover", json!({"_meta": meta()})),
        ("tools/list", json!({"_meta": meta()})),
        ("tools/call", call),
    ] {
        let answer = stateless.ask(request(json!(2), method, params)).await;
        assert_eq!(answer["result"]["resultType"], "complete", "{method}: {answer}");
        assert_eq!(stateless.ask(ping(3)).await["error"]["code"], -32601, "after {method}");
    }
    let mut shaken = Server::start(&[]);
    assert_eq!(shaken.ask(request(json!(0), "ping", json!({}))).await["result"], json!({}));
    shaken.initialize().await;
    assert_eq!(shaken.ask(ping(1)).await["error"]["code"], -32601);
    for server in [stateless, shaken] {
        let end = server.finish().await;
        assert_eq!((end.status.code(), end.rest, end.stderr), (Some(0), vec![], String::new()));
    }
}

#[tokio::test]
async fn the_guides_line_is_answered_by_one_line() {
    let mut server = Server::start_with(&["python", "-m", "src.mcp_server"], &[]);
    let status = server.ask(BARE_STATUS).await;
    assert_eq!((&status["status"], &status["jsonrpc"]), (&json!("active"), &Value::Null));
    let end = server.finish().await;
    assert_eq!((end.status.code(), end.rest, end.stderr), (Some(0), vec![], String::new()));
}

#[tokio::test]
async fn a_last_line_without_a_line_feed_is_answered_too() {
    let mut server = Server::start(&[]);
    server.send_bytes(BARE_STATUS.as_bytes()).await;
    let end = server.finish().await;
    assert_eq!((end.status.code(), end.rest.len()), (Some(0), 1));
}

#[tokio::test]
async fn both_dialects_may_share_one_input() {
    let mut server = Server::start(&[]);
    assert_eq!(server.ask(BARE_STATUS).await["status"], "active");
    server.initialize().await;
    assert_eq!(server.ask(r#"{"method": "nonsense"}"#).await["error"]["kind"], "unknown_method");
    let status = server.ask(call(json!(1), "get_orchestrator_status", json!({}))).await;
    assert_eq!(status["id"], 1);
    assert_eq!(server.ask(BARE_STATUS).await["status"], "active");
}

#[tokio::test]
async fn a_wrong_line_gets_an_error_and_the_next_one_its_answer() {
    let mut server = Server::start(&[]);
    let wrong = server.ask("{\"method\":").await;
    assert_eq!(
        (&wrong["error"]["code"], &wrong["id"], &wrong["jsonrpc"]),
        (&json!(-32700), &Value::Null, &json!("2.0"))
    );
    assert!(wrong.as_object().is_some_and(|answer| answer.contains_key("id")));
    server.send_bytes(b"\xff\xfe\n").await;
    assert_eq!(server.receive().await["error"]["code"], -32700);
    assert_eq!(server.ask("[1]").await["error"]["code"], -32600);
    server.initialize().await;
    for (line, code) in [
        (request(json!(4), "tools/call", json!({})), -32602),
        (request(json!(4), "tools/call", json!({"name": "rm"})), -32602),
        (request(json!(4), "resources/teleport", json!({})), -32601),
        (request(json!(4), "prompts/list", json!({})), -32601),
    ] {
        let answer = server.ask(&line).await;
        assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(code), &json!(4)), "{line}");
    }
    assert_eq!(server.ask(BARE_STATUS).await["status"], "active");
    let end = server.finish().await;
    assert_eq!((end.status.code(), end.stderr.as_str()), (Some(0), ""), "no payload is logged");
}

#[tokio::test]
async fn a_stray_notification_before_the_first_request_does_no_harm() {
    let mut server = Server::start(&[]);
    server.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    server
        .send(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 9}}))
        .await;
    assert_eq!(server.initialize().await["protocolVersion"], "2025-11-25");
    assert_eq!(server.finish().await.status.code(), Some(0));
}

#[tokio::test]
async fn a_line_at_the_cap_is_read_and_a_longer_one_is_refused_and_passed_over() {
    let mut server = Server::start(&[]);
    let frame = r#"{"method":"orchestrate_task","params":{"description":""}}"#.len();
    let line = |length: usize| {
        format!(
            r#"{{"method":"orchestrate_task","params":{{"description":"{}"}}}}"#,
            "x".repeat(length - frame)
        )
    };
    assert_eq!(server.ask(line(MAX_LINE)).await["error"]["kind"], "missing_key");
    let refused = server.ask(line(MAX_LINE + 1)).await;
    assert_eq!((&refused["error"]["code"], &refused["id"]), (&json!(-32600), &Value::Null));
    assert!(
        refused["error"]["message"].as_str().is_some_and(|said| said.contains("16777216 bytes")),
        "{refused}"
    );
    assert_eq!(server.ask(BARE_STATUS).await["status"], "active");
}

#[tokio::test]
async fn more_requests_than_may_be_in_flight_are_all_answered() {
    let mut server = Server::start(&[]);
    server.initialize().await;
    let line = |id: i64| call(json!(id), "get_orchestrator_status", json!({})).to_string();
    let lines: Vec<String> = (0..500).flat_map(|id| [line(id), BARE_STATUS.to_owned()]).collect();
    server.send_bytes((lines.join("\n") + "\n").as_bytes()).await;
    let end = server.finish().await;
    assert_eq!((end.status.code(), end.rest.len()), (Some(0), 1000));
}
