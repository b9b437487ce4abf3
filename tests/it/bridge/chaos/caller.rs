//! One client on one wire, which knows nothing of the bridge but its address.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::super::{Client, PATIENCE, hear, say};
use super::Wire;

/// What opens a WebSocket.
pub(super) const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A client that has been greeted.
pub(super) struct Caller {
    pub(super) wire: Wire,
    addr: SocketAddr,
    /// What its connections hold of what it has not read, in bytes; the system's choice without.
    buffer: Option<u32>,
    pub(super) socket: Option<Client>,
    session: String,
}

/// A call under way.
pub(super) enum Call {
    Socket(Box<Client>),
    Http(TcpStream),
}

/// An answer over HTTP, whole.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

impl Told {
    /// The message, which may have come as the last of several events.
    pub(super) fn message(&self) -> Value {
        let last = self.body.lines().rev().find_map(|line| line.strip_prefix("data: "));
        serde_json::from_str(last.unwrap_or(&self.body)).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

impl Caller {
    pub(super) async fn greet(addr: SocketAddr, wire: Wire) -> Self {
        Self::greet_with(addr, wire, None).await
    }

    pub(super) async fn greet_with(addr: SocketAddr, wire: Wire, buffer: Option<u32>) -> Self {
        let mut caller = Self { wire, addr, buffer, socket: None, session: String::new() };
        let params =
            json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c"}});
        let hello = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}).to_string();
        let done = json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string();
        match wire {
            Wire::WebSocket => {
                let tcp = caller.connect().await;
                let mut socket = tokio_tungstenite::client_async(format!("ws://{addr}/ws"), tcp)
                    .await
                    .expect("a WebSocket")
                    .0;
                say(&mut socket, &hello).await;
                assert!(hear(&mut socket).await.contains("serverInfo"));
                say(&mut socket, &done).await;
                caller.socket = Some(socket);
            }
            Wire::Session => {
                let told = caller.post(&hello).await;
                let id = told.head.lines().find_map(|line| {
                    let (name, value) = line.split_once(": ")?;
                    name.eq_ignore_ascii_case("mcp-session-id").then(|| value.to_owned())
                });
                caller.session = id.unwrap_or_else(|| panic!("no session: {told:?}"));
                assert_eq!(caller.post(&done).await.status, 202);
            }
            Wire::Stateless | Wire::Rest => {}
        }
        caller
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().expect("a socket");
        if let Some(buffer) = self.buffer {
            socket.set_recv_buffer_size(buffer).expect("a size");
        }
        timeout(PATIENCE, socket.connect(self.addr)).await.expect("in time").expect("a way")
    }

    /// What makes a call on a connection of its own, in two parts, the first of which ends where somebody who
    /// is slow could stop: of a WebSocket's frame (on one that is open) or of a request the head, and the rest.
    pub(super) fn request(&self, tool: &str, arguments: &Value, connection: &str) -> (Vec<u8>, Vec<u8>) {
        let mut params = json!({"name": tool, "arguments": arguments});
        let mut headers = String::new();
        let mut path = "/mcp".to_owned();
        match self.wire {
            Wire::WebSocket => {}
            Wire::Session => headers = format!("Mcp-Session-Id: {}\r\n", self.session),
            Wire::Stateless => {
                params["_meta"] = json!({
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": {},
                });
                headers = format!(
                    "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n"
                );
            }
            Wire::Rest => path = format!("/tools/{tool}"),
        }
        let body = match self.wire {
            Wire::Rest => arguments.to_string(),
            _ => json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string(),
        };
        if self.wire == Wire::WebSocket {
            return (frame_head(body.len()), body.into_bytes());
        }
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: {connection}\r\n{headers}\
             Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        (head.into_bytes(), body.into_bytes())
    }

    /// The connection that a call is to be written to: a WebSocket's own, or a new one.
    pub(super) async fn line(&mut self) -> TcpStream {
        match self.socket.take() {
            Some(socket) => socket.into_inner(),
            None => self.connect().await,
        }
    }

    /// The call that was written to such a connection.
    pub(super) async fn call_on(&self, tcp: TcpStream) -> Call {
        match self.wire {
            Wire::WebSocket => {
                Call::Socket(Box::new(WebSocketStream::from_raw_socket(tcp, Role::Client, None).await))
            }
            _ => Call::Http(tcp),
        }
    }

    /// Makes a call. Of a WebSocket, it takes the connection.
    pub(super) async fn begin(&mut self, tool: &str, arguments: &Value) -> Call {
        let mut tcp = self.line().await;
        let (head, body) = self.request(tool, arguments, "close");
        tcp.write_all(&[head, body].concat()).await.expect("room");
        self.call_on(tcp).await
    }

    /// Makes a call, and is answered what it should be.
    pub(super) async fn echoes(&mut self, arguments: &Value) {
        let echoed = self.asks("echo", arguments).await;
        // An 8 MiB text is nothing to look at.
        assert!(echoed == *arguments, "{:?} was answered: {:.200}", self.wire, echoed.to_string());
    }

    /// Makes a call, and returns what the tool said.
    pub(super) async fn asks(&mut self, tool: &str, arguments: &Value) -> Value {
        let answer = match self.begin(tool, arguments).await {
            Call::Socket(mut socket) => {
                let text = hear(&mut socket).await;
                self.socket = Some(*socket);
                serde_json::from_str(&text).expect("JSON")
            }
            Call::Http(tcp) => {
                let told = told(tcp).await;
                assert_eq!(told.status, 200, "{:?}: {told:?}", self.wire);
                told.message()
            }
        };
        if self.wire == Wire::Rest {
            return answer;
        }
        assert_eq!((&answer["id"], answer.get("error")), (&json!(1), None), "{:?}", self.wire);
        answer["result"]["structuredContent"].clone()
    }

    /// A stream of the session's, which keeps it from falling idle.
    pub(super) async fn listen(&self) -> TcpStream {
        let mut tcp = self.connect().await;
        let head = format!(
            "GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nMcp-Session-Id: {}\r\n\r\n",
            self.session
        );
        tcp.write_all(head.as_bytes()).await.expect("room");
        let mut status = [0; 12];
        tcp.read_exact(&mut status).await.expect("an answer");
        assert_eq!(&status, b"HTTP/1.1 200");
        tcp
    }

    /// Says goodbye, where there is somebody to say it to. Whether there was.
    pub(super) async fn leaves(mut self) -> bool {
        match self.wire {
            Wire::Session => {
                let mut tcp = self.connect().await;
                let head = format!(
                    "DELETE /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nMcp-Session-Id: {}\r\n\r\n",
                    self.session
                );
                tcp.write_all(head.as_bytes()).await.expect("room");
                told(tcp).await.status == 204
            }
            _ => self.socket.take().is_some(),
        }
    }

    async fn post(&self, body: &str) -> Told {
        let mut tcp = self.connect().await;
        let session = match self.session.as_str() {
            "" => String::new(),
            id => format!("Mcp-Session-Id: {id}\r\n"),
        };
        let request = format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{session}\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        tcp.write_all(request.as_bytes()).await.expect("room");
        told(tcp).await
    }
}

impl Call {
    /// Its connection.
    pub(super) fn tcp(&mut self) -> &mut TcpStream {
        match self {
            Self::Socket(socket) => socket.get_mut(),
            Self::Http(tcp) => tcp,
        }
    }
}

/// The answer on a connection that ends with it.
pub(super) async fn told(mut tcp: TcpStream) -> Told {
    let mut bytes = Vec::new();
    timeout(PATIENCE, tcp.read_to_end(&mut bytes)).await.expect("in time").expect("an answer");
    let text = String::from_utf8(bytes).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Told { status, head: head.to_owned(), body: body.to_owned() }
}

/// The head of a frame with a text of so many bytes, under a mask that changes nothing.
pub(super) fn frame_head(length: usize) -> Vec<u8> {
    let length = length as u64;
    [&[0x81, 0x80 | 127][..], &length.to_be_bytes(), &[0; 4]].concat()
}
