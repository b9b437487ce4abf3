//! `Host` and `Origin`, on every wire.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Bridge, refused, settings};

/// The status line and body of one raw request.
pub(super) async fn raw(bridge: &Bridge, request: &str) -> String {
    let mut tcp = TcpStream::connect(bridge.addr).await.expect("a way");
    tcp.write_all(request.as_bytes()).await.expect("room");
    let mut answer = String::new();
    let read = tokio::time::timeout(super::PATIENCE, tcp.read_to_string(&mut answer)).await;
    read.expect("in time").expect("text");
    answer
}

#[tokio::test]
async fn a_foreign_host_is_refused_on_every_wire() {
    let bridge = Bridge::start(settings("/bin/cat", &[])).await;
    for line in ["GET /healthz", "POST /mcp", "GET /ws", "GET /nothing"] {
        let request = format!("{line} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
        let answer = raw(&bridge, &request).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{line}: {answer}");
        assert!(answer.contains("application/problem+json") && answer.contains("--allow-host"), "{answer}");
    }
    let (status, body) = refused(bridge.try_client(&[("host", "evil.example")]).await);
    assert!(status == 403 && body.contains("--allow-host"), "{body}");
    bridge.finish().await;
}

#[tokio::test]
async fn a_foreign_origin_is_refused_on_every_wire() {
    let bridge = Bridge::start(settings("/bin/cat", &[])).await;
    let (status, body) = refused(bridge.try_client(&[("origin", "http://localhost:3000")]).await);
    assert!(status == 403 && body.contains("--allow-origin"), "{body}");
    let answer =
        raw(&bridge, "POST /mcp HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\nConnection: close\r\n\r\n")
            .await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    bridge.finish().await;
}

#[tokio::test]
async fn listed_hosts_and_origins_are_let_in() {
    let mut settings = settings("/bin/cat", &[]);
    settings.allowed_hosts = vec!["mcp-bridge".into()];
    settings.allowed_origins = vec!["https://app.example".into()];
    let bridge = Bridge::start(settings).await;
    let headers = [("host", "mcp-bridge:8765"), ("origin", "https://app.example")];
    bridge.try_client(&headers).await.expect("a guest");
    bridge.finish().await;
}
