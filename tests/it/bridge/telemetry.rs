//! What an operator sees: metrics, the access log, traces.

mod access_log;
mod metrics;
mod page;
mod traces;

use std::collections::BTreeMap;

use mcpo_deploy::wire::http;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::rest::LIMITS;
use super::{Bridge, PATIENCE};

/// The answer to one raw request: its head in lower case, and its body.
async fn ask(
    addr: std::net::SocketAddr,
    line: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (String, String) {
    let mut tcp = TcpStream::connect(addr).await.expect("a way");
    let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let headers = headers.concat();
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n{headers}\r\n{body}"
    );
    tcp.write_all(request.as_bytes()).await.expect("room");
    let mut answer = String::new();
    timeout(PATIENCE, tcp.read_to_string(&mut answer)).await.expect("in time").expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_ascii_lowercase(), body.to_owned())
}

/// A call of a tool in the stateless era.
async fn call_modern(bridge: &Bridge, tool: &str, more: &[(&str, &str)], meta: Value) -> Value {
    serde_json::from_str(&answer_modern(bridge, tool, more, meta).await).expect("JSON")
}

/// The whole answer to one, whether an object or a stream.
async fn answer_modern(bridge: &Bridge, tool: &str, more: &[(&str, &str)], meta: Value) -> String {
    let mut all = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    for (key, value) in meta.as_object().expect("an object") {
        all[key] = value.clone();
    }
    let params = json!({"name": tool, "arguments": {}, "_meta": all});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string();
    let ours = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", tool)];
    ask(bridge.addr, "POST /mcp", &[&ours, more].concat(), &body).await.1
}

async fn call_rest(bridge: &Bridge, tool: &str, headers: &[(&str, &str)]) -> Value {
    let body = json!({"method": tool, "params": {}}).to_string();
    let (_, body) = ask(bridge.addr, "POST /mcp", headers, &body).await;
    serde_json::from_str(&body).expect("JSON")
}

/// The samples of a page that a strict reader accepts.
async fn samples(addr: std::net::SocketAddr) -> BTreeMap<String, String> {
    let answer = http::get(addr, "/metrics", &addr.to_string(), LIMITS).await.expect("an answer");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.content_type.as_deref(), Some("text/plain; version=0.0.4; charset=utf-8"));
    page::read(std::str::from_utf8(&answer.body).expect("text"))
}
