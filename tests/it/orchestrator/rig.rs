//! A running orchestrator, and a stand-in for the model's provider.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval_at, timeout};

/// How long any one thing may take before a test fails.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);
pub(crate) const KEY: &str = "sk-or-v1-the-secret-of-this-test";

pub(crate) struct Server {
    pub(crate) child: Child,
    input: Option<ChildStdin>,
    output: Option<Lines<BufReader<ChildStdout>>>,
    stderr: JoinHandle<String>,
}

/// How a server ended, and what it said after the last line that was read.
pub(crate) struct End {
    pub(crate) status: ExitStatus,
    pub(crate) rest: Vec<String>,
    pub(crate) stderr: String,
}

impl Server {
    pub(crate) fn start(env: &[(&str, &str)]) -> Self {
        Self::start_with(&[], env)
    }

    pub(crate) fn start_with(args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mcp-orchestrator"))
            .args(args)
            .env_clear()
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let input = child.stdin.take();
        let output = child.stdout.take().map(|stdout| BufReader::new(stdout).lines());
        let mut stderr = child.stderr.take().expect("piped");
        let stderr = tokio::spawn(async move {
            let mut text = String::new();
            stderr.read_to_string(&mut text).await.expect("UTF-8");
            text
        });
        Self { child, input, output, stderr }
    }

    pub(crate) async fn send(&mut self, line: impl std::fmt::Display) {
        self.send_bytes(format!("{line}\n").as_bytes()).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("open");
        timeout(DEADLINE, input.write_all(bytes)).await.expect("in time").expect("written");
    }

    pub(crate) async fn receive(&mut self) -> Value {
        let output = self.output.as_mut().expect("open");
        let line = timeout(DEADLINE, output.next_line()).await.expect("in time").expect("UTF-8");
        serde_json::from_str(&line.expect("a line")).expect("stdout holds messages only")
    }

    pub(crate) async fn ask(&mut self, line: impl std::fmt::Display) -> Value {
        self.send(line).await;
        self.receive().await
    }

    /// The handshake of 2025-11-25.
    pub(crate) async fn initialize(&mut self) -> Value {
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
        let answer = self.ask(request(json!("init"), "initialize", params)).await;
        self.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        answer["result"].clone()
    }

    pub(crate) fn close_output(&mut self) {
        self.output = None;
    }

    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().expect("running").to_string();
        let status = std::process::Command::new("kill").args([signal, &pid]).status().expect("kill runs");
        assert!(status.success());
    }

    /// Closes stdin, and waits for the end.
    pub(crate) async fn finish(mut self) -> End {
        self.input = None;
        self.end().await
    }

    /// Waits for the end with stdin open.
    pub(crate) async fn end(mut self) -> End {
        let mut rest = Vec::new();
        while let Some(output) = &mut self.output {
            match timeout(DEADLINE, output.next_line()).await.expect("in time").expect("UTF-8") {
                Some(line) => rest.push(line),
                None => break,
            }
        }
        let status = timeout(DEADLINE, self.child.wait()).await.expect("in time").expect("ended");
        let stderr = timeout(DEADLINE, self.stderr).await.expect("in time").expect("read");
        End { status, rest, stderr }
    }
}

pub(crate) fn request(id: impl Into<Value>, method: &str, params: impl Into<Value>) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params.into()})
}

pub(crate) fn call(id: impl Into<Value>, tool: &str, arguments: impl Into<Value>) -> Value {
    request(id, "tools/call", json!({"name": tool, "arguments": arguments.into()}))
}

/// What the stand-in does with a request.
#[derive(Clone)]
pub(crate) enum Reply {
    Now(u16, String),
    After(Duration, String),
    Never,
    Endless,
}

/// A chat-completions API on loopback.
pub(crate) struct StandIn {
    pub(crate) base_url: String,
    /// Each request as it came: head and body.
    pub(crate) requests: mpsc::UnboundedReceiver<String>,
    /// One message for each connection that the client closed.
    pub(crate) closed: mpsc::UnboundedReceiver<()>,
}

impl StandIn {
    pub(crate) async fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base_url = format!("http://{}/v1", listener.local_addr().expect("bound"));
        let (to_requests, requests) = mpsc::unbounded_channel();
        let (to_closed, closed) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, reply.clone(), to_requests.clone(), to_closed.clone()));
            }
        });
        Self { base_url, requests, closed }
    }

    pub(crate) fn env(&self) -> [(&str, &str); 2] {
        [("OPENROUTER_API_KEY", KEY), ("ORCHESTRATOR_BASE_URL", &self.base_url)]
    }

    /// The next request; it is in flight when this returns.
    pub(crate) async fn request(&mut self) -> String {
        timeout(DEADLINE, self.requests.recv()).await.expect("in time").expect("a request")
    }
}

pub(crate) fn completion(text: &str, cost: Option<f64>) -> String {
    let mut usage = json!({"prompt_tokens": 7, "completion_tokens": 3});
    if let Some(cost) = cost {
        usage["cost"] = json!(cost);
    }
    json!({"model": "stand-in", "choices": [{"message": {"role": "assistant", "content": text}}], "usage": usage})
        .to_string()
}

async fn answer(
    mut stream: TcpStream,
    reply: Reply,
    requests: mpsc::UnboundedSender<String>,
    closed: mpsc::UnboundedSender<()>,
) {
    while let Some(request) = read_request(&mut stream).await {
        let _ = requests.send(request);
        let written = match &reply {
            Reply::Now(status, body) => respond(&mut stream, *status, body).await,
            Reply::After(delay, body) => {
                // The delay is what is tested: a provider that takes its time.
                interval_at(Instant::now() + *delay, *delay).tick().await;
                respond(&mut stream, 200, body).await
            }
            Reply::Never => Ok(()),
            Reply::Endless => flood(&mut stream).await,
        };
        if written.is_err() {
            break;
        }
    }
    let _ = closed.send(());
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return Some(text.into_owned());
        }
    }
}

async fn respond(stream: &mut TcpStream, status: u16, body: &str) -> std::io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\nlocation: /elsewhere\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await
}

async fn flood(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n").await?;
    loop {
        stream.write_all(&[b' '; 8192]).await?;
    }
}
