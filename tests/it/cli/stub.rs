//! A server over HTTP that says whatever its test wants, byte for byte: one request a connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// A request as it came.
pub(super) struct Asked {
    /// The request line and the headers, in lower case but for the values.
    pub(super) head: String,
    /// The message; `null` where there is none.
    pub(super) message: Value,
    /// Its text.
    pub(super) body: String,
}

impl Asked {
    pub(super) fn method(&self) -> &str {
        self.message["method"].as_str().unwrap_or_default()
    }

    /// The message's method, or else the request's.
    fn what(&self) -> &str {
        let line = self.head.split(' ').next().unwrap_or_default();
        Some(self.method()).filter(|method| !method.is_empty()).unwrap_or(line)
    }

    /// A header's value.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
    }
}

pub(super) struct Stub {
    pub(super) addr: SocketAddr,
    /// The heads of all requests, each with a last line that says what it was.
    heads: Arc<Mutex<Vec<String>>>,
}

impl Stub {
    /// `reply` writes what it likes; afterwards the connection is closed.
    pub(super) fn start(reply: impl Fn(&Asked, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("an address");
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let (reply, kept) = (Arc::new(reply), Arc::clone(&heads));
        std::thread::spawn(move || {
            for tcp in listener.incoming() {
                let Ok(mut tcp) = tcp else { return };
                let (reply, kept) = (Arc::clone(&reply), Arc::clone(&kept));
                std::thread::spawn(move || {
                    if let Some(asked) = read(&tcp) {
                        kept.lock().expect("heads").push(format!("{}{}", asked.head, asked.what()));
                        reply(&asked, &mut tcp);
                    }
                });
            }
        });
        Self { addr, heads }
    }

    /// One that speaks the stateless era and answers a call with `reply`.
    pub(super) fn answering(reply: impl Fn(&Asked, &mut TcpStream) + Send + Sync + 'static) -> Self {
        Self::start(move |asked, tcp| match asked.method() {
            "server/discover" => result(tcp, asked, &json!({"supportedVersions": ["2026-07-28"]})),
            "tools/list" => result(tcp, asked, &json!({"tools": []})),
            _ => reply(asked, tcp),
        })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/mcp", self.addr)
    }

    pub(super) fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("heads").clone()
    }
}

fn read(tcp: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(tcp);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let mut asked = Asked { head, message: Value::Null, body: String::new() };
    let length = asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    asked.body = String::from_utf8(body).ok()?;
    asked.message = serde_json::from_str(&asked.body).unwrap_or_default();
    Some(asked)
}

/// Writes; whether anybody reads.
pub(super) fn say(tcp: &mut TcpStream, text: impl AsRef<[u8]>) -> bool {
    tcp.write_all(text.as_ref()).and_then(|()| tcp.flush()).is_ok()
}

/// A whole answer.
pub(super) fn answer(tcp: &mut TcpStream, status: &str, headers: &str, body: impl AsRef<[u8]>) {
    let body = body.as_ref();
    let length = body.len();
    say(tcp, format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n"));
    say(tcp, body);
}

pub(super) const JSON: &str = "content-type: application/json\r\n";

pub(super) fn result(tcp: &mut TcpStream, asked: &Asked, result: &Value) {
    let body = json!({"jsonrpc": "2.0", "id": asked.message["id"], "result": result});
    answer(tcp, "200 OK", JSON, body.to_string());
}

/// The head of a stream of events that ends with its connection.
pub(super) fn begin_events(tcp: &mut TcpStream) {
    say(tcp, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/event-stream\r\n\r\n");
}
