//! The client against servers of a few lines.

use super::*;
use crate::mcp::StdioLines;
use tokio::io::{
    AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf, duplex, split,
};

type Pipe = StdioLines<ReadHalf<DuplexStream>, WriteHalf<DuplexStream>>;

/// A server that answers each line with what `reply` says, and closes where it says `None`.
fn server(reply: fn(&Value) -> Option<Value>) -> Pipe {
    let (ours, theirs) = duplex(1 << 16);
    tokio::spawn(async move {
        let (reader, mut writer) = split(theirs);
        let mut lines = BufReader::new(reader).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let message = serde_json::from_str(&line).expect("the client sends JSON");
            let Some(answer) = reply(&message) else { return };
            if !answer.is_null() && writer.write_all(format!("{answer}\n").as_bytes()).await.is_err() {
                return;
            }
        }
    });
    let (reader, writer) = split(ours);
    StdioLines::new(reader, writer, 1 << 16)
}

async fn connect(reply: fn(&Value) -> Option<Value>) -> Client<Pipe> {
    let patience = Patience { probe: Duration::from_millis(200), call: Duration::from_secs(5) };
    Client::connect(&mut || Ok::<_, std::convert::Infallible>(server(reply)), patience)
        .await
        .expect("a client")
}

fn result(message: &Value, result: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": message["id"], "result": result})
}

fn refused(message: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "no such method"}})
}

fn legacy(message: &Value) -> Option<Value> {
    Some(match message["method"].as_str()? {
        "initialize" => result(
            message,
            &json!({"protocolVersion": "2025-06-18", "serverInfo": {"name": "s", "version": "1"}}),
        ),
        "tools/call" => {
            result(message, &json!({"content": [{"type": "text", "text": "{\"status\":\"active\"}"}]}))
        }
        "tools/list" => result(message, &json!({"tools": [{"name": "a"}, {"name": "b"}]})),
        _ => Value::Null,
    })
}

fn modern(message: &Value) -> Option<Value> {
    let version = &message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"];
    Some(match message["method"].as_str()? {
        "initialize" => refused(message),
        _ if version != MODERN => refused(message),
        "server/discover" => result(message, &json!({"serverInfo": {"name": "m"}})),
        _ => result(message, &json!({"structuredContent": {"status": "active"}, "isError": false})),
    })
}

fn bare(message: &Value) -> Option<Value> {
    Some(match message["method"].as_str()? {
        "status" => json!({"status": "active"}),
        _ => json!({"error": "unknown method"}),
    })
}

#[tokio::test]
async fn a_server_with_a_handshake_is_spoken_to_with_a_handshake() {
    let mut client = connect(legacy).await;
    assert_eq!((client.dialect(), client.server()), (&Dialect::Legacy("2025-06-18".into()), Some("s 1")));
    let answer = client.call("status", json!({})).await.expect("an answer");
    assert_eq!(answer, ToolAnswer { value: json!({"status": "active"}), is_error: false });
    let tools = client.tools().await.expect("a list");
    assert_eq!(tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
}

#[tokio::test]
async fn a_stateless_server_gets_its_metadata_with_every_request() {
    let mut client = connect(modern).await;
    assert_eq!(client.dialect(), &Dialect::Modern(MODERN.into()));
    assert_eq!(client.call("status", json!({})).await.expect("an answer").value, json!({"status": "active"}));
}

#[tokio::test]
async fn a_bare_server_is_found_by_its_answer_without_json_rpc() {
    let mut client = connect(bare).await;
    assert_eq!(client.dialect(), &Dialect::Bare);
    assert!(!client.call("status", json!({})).await.expect("an answer").is_error);
    assert!(client.call("other", json!({})).await.expect("an answer").is_error);
}

#[tokio::test]
async fn a_server_that_ends_over_an_unknown_method_is_opened_anew() {
    let mut client =
        connect(|message| (message["method"] == "status").then(|| json!({"status": "active"}))).await;
    assert_eq!(client.dialect(), &Dialect::Bare);
    assert_eq!(client.call("status", json!({})).await.expect("an answer").value["status"], "active");
}

#[tokio::test]
async fn a_bare_server_that_ignores_what_it_does_not_know_is_found_by_its_silence() {
    let mut client = connect(|message| {
        Some(if message["method"] == "status" { json!({"ok": true}) } else { Value::Null })
    })
    .await;
    assert_eq!(client.call("status", json!({})).await.expect("an answer").value, json!({"ok": true}));
}

#[tokio::test]
async fn an_error_of_the_protocol_and_a_closed_connection_are_different_errors() {
    let mut client = connect(|message| match message["method"].as_str()? {
        "initialize" => legacy(message),
        "tools/list" => Some(refused(message)),
        "tools/call" => None,
        _ => Some(Value::Null),
    })
    .await;
    assert!(matches!(client.tools().await, Err(CallError::Refused { code: -32601, .. })));
    assert!(matches!(client.call("status", json!({})).await, Err(CallError::Closed)));
}
