//! A client that finds out how a server speaks, and then calls its tools.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::framing::{FrameError, Lines};
use super::message::{Dialect, Incoming, LEGACY, MODERN, RpcError};

/// How long a client waits.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For the server's first answer in each dialect. Interpreted servers take seconds to start.
    pub probe: Duration,
    /// For the answer to a call.
    pub call: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { probe: Duration::from_secs(20), call: Duration::from_mins(1) }
    }
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolAnswer {
    /// The structured content; else the text content read as JSON, or the text itself.
    pub value: Value,
    /// Whether the tool says that it failed.
    pub is_error: bool,
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The server answered with an error of the protocol.
    #[error("the server answered with error {code}: {message}")]
    Refused {
        /// JSON-RPC's code; 0 in the bare dialect, which has none.
        code: i64,
        /// The server's words.
        message: String,
    },
    /// The server closed its output.
    #[error("the server closed the connection before it answered")]
    Closed,
    /// No answer in time.
    #[error("the server did not answer within {0:?}")]
    Timeout(Duration),
    /// What came could not be read.
    #[error("the server's output cannot be read")]
    Frame(#[source] FrameError),
}

/// Why no client came about.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError<E> {
    /// The connection itself could not be opened.
    #[error("cannot reach the server")]
    Open(#[source] E),
    /// The server speaks no dialect that we do.
    #[error("the server answers neither MCP nor bare JSON lines")]
    NoDialect(#[source] CallError),
}

/// A connection to one server. Sends one request at a time.
#[derive(Debug)]
pub struct Client<L> {
    lines: L,
    dialect: Dialect,
    server: Option<String>,
    next_id: u64,
    patience: Patience,
}

impl<L: Lines> Client<L> {
    /// Opens a connection and finds the server's dialect: handshake first, since most servers know
    /// nothing else and some end when spoken to otherwise, then stateless, then bare. A server
    /// that closes the connection over one of them is opened anew for the next.
    pub async fn connect<E, O>(mut open: O, patience: Patience) -> Result<Self, ConnectError<E>>
    where
        O: AsyncFnMut() -> Result<L, E>,
    {
        let lines = open().await.map_err(ConnectError::Open)?;
        let mut client = Self { lines, dialect: Dialect::Bare, server: None, next_id: 1, patience };
        for era in [Era::Legacy, Era::Modern] {
            let found = match era {
                Era::Legacy => client.initialize().await,
                Era::Modern => client.discover().await,
            };
            match found {
                Ok(Some(dialect)) => {
                    client.dialect = dialect;
                    return Ok(client);
                }
                Ok(None) => return Ok(client),
                Err(CallError::Closed) => client.lines = open().await.map_err(ConnectError::Open)?,
                Err(CallError::Refused { .. } | CallError::Timeout(_)) => {}
                Err(error @ CallError::Frame(_)) => return Err(ConnectError::NoDialect(error)),
            }
        }
        Ok(client)
    }

    /// How the server is spoken to.
    pub fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// The server's name and version, where it told them.
    pub fn server(&self) -> Option<&str> {
        self.server.as_deref()
    }

    /// The connection, for what comes after the calls.
    pub fn into_lines(self) -> L {
        self.lines
    }

    /// Calls a tool; `arguments` is a JSON object.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Result<ToolAnswer, CallError> {
        let patience = self.patience.call;
        if self.dialect == Dialect::Bare {
            self.write(&json!({"method": tool, "params": arguments})).await?;
            return Ok(ToolAnswer::of_bare(self.receive_bare(patience).await?));
        }
        let params = json!({"name": tool, "arguments": arguments});
        let result = self.request("tools/call", params, patience).await?;
        Ok(ToolAnswer::of_result(&result))
    }

    /// The names of the server's tools; none in the bare dialect, which cannot list them.
    pub async fn tools(&mut self) -> Result<Vec<String>, CallError> {
        if self.dialect == Dialect::Bare {
            return Ok(Vec::new());
        }
        let result = self.request("tools/list", json!({}), self.patience.call).await?;
        let tools = result.get("tools").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        Ok(tools.iter().filter_map(|tool| tool.get("name")?.as_str().map(str::to_owned)).collect())
    }

    async fn initialize(&mut self) -> Result<Option<Dialect>, CallError> {
        let params = json!({
            "protocolVersion": LEGACY,
            "capabilities": {},
            "clientInfo": client_info(),
        });
        let id = self.send_request("initialize", params).await?;
        let Some(result) = self.receive_answer(id, self.patience.probe, Otherwise::Bare).await? else {
            return Ok(None);
        };
        self.server = server_of(&result);
        self.write(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await?;
        let version = result.get("protocolVersion").and_then(Value::as_str).unwrap_or(LEGACY);
        Ok(Some(Dialect::Legacy(version.to_owned())))
    }

    async fn discover(&mut self) -> Result<Option<Dialect>, CallError> {
        let id = self.send_request("server/discover", with_meta(json!({}))).await?;
        let Some(result) = self.receive_answer(id, self.patience.probe, Otherwise::Bare).await? else {
            return Ok(None);
        };
        self.server = server_of(&result);
        Ok(Some(Dialect::Modern(MODERN.to_owned())))
    }

    async fn request(&mut self, method: &str, params: Value, patience: Duration) -> Result<Value, CallError> {
        let params = if matches!(self.dialect, Dialect::Modern(_)) { with_meta(params) } else { params };
        let id = self.send_request(method, params).await?;
        let answer = self.receive_answer(id, patience, Otherwise::Ignore).await?;
        answer.ok_or(CallError::Closed)
    }

    async fn send_request(&mut self, method: &str, params: Value) -> Result<u64, CallError> {
        let id = self.next_id;
        self.next_id += 1;
        self.write(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await?;
        Ok(id)
    }

    /// The result of request `id`; `None` where the server turned out to speak the bare dialect.
    async fn receive_answer(
        &mut self,
        id: u64,
        patience: Duration,
        otherwise: Otherwise,
    ) -> Result<Option<Value>, CallError> {
        let deadline = Instant::now() + patience;
        loop {
            match self.receive(deadline, patience).await? {
                Incoming::Result(of, result) if of == id => return Ok(Some(result)),
                Incoming::Error(of, RpcError { code, message }) if of == id => {
                    return Err(CallError::Refused { code, message });
                }
                Incoming::Request(id, method) => self.answer(id, &method).await?,
                Incoming::Bare(_) if otherwise == Otherwise::Bare => return Ok(None),
                _ => {}
            }
        }
    }

    async fn receive_bare(&mut self, patience: Duration) -> Result<Value, CallError> {
        let deadline = Instant::now() + patience;
        loop {
            if let Incoming::Bare(value) = self.receive(deadline, patience).await? {
                return Ok(value);
            }
        }
    }

    async fn receive(&mut self, deadline: Instant, patience: Duration) -> Result<Incoming, CallError> {
        let line = timeout_at(deadline, self.lines.receive()).await;
        let line = line.map_err(|_| CallError::Timeout(patience))?.map_err(CallError::Frame)?;
        line.as_deref().map(Incoming::read).ok_or(CallError::Closed)
    }

    /// We declare no capability, so a server may only ping.
    async fn answer(&mut self, id: Value, method: &str) -> Result<(), CallError> {
        let reply = if method == "ping" {
            json!({"jsonrpc": "2.0", "id": id, "result": {}})
        } else {
            let error = json!({"code": -32601, "message": format!("this client does not offer {method}")});
            json!({"jsonrpc": "2.0", "id": id, "error": error})
        };
        self.write(&reply).await
    }

    async fn write(&mut self, message: &Value) -> Result<(), CallError> {
        // A server that is gone shows as a broken pipe here or as the end of its output there.
        self.lines.send(&message.to_string()).await.map_err(|_| CallError::Closed)
    }
}

enum Era {
    Legacy,
    Modern,
}

/// What an answer without `jsonrpc` means while a request waits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Otherwise {
    Bare,
    Ignore,
}

fn client_info() -> Value {
    json!({"name": "mcpo-deploy", "version": env!("CARGO_PKG_VERSION")})
}

/// The parameters of a request in the stateless era, from a client without capabilities.
#[must_use]
pub fn with_meta(mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": client_info(),
    });
    params
}

fn server_of(result: &Value) -> Option<String> {
    let info = result.get("serverInfo")?;
    let name = info.get("name")?.as_str()?;
    let version = info.get("version").and_then(Value::as_str).unwrap_or("");
    Some(format!("{name} {version}").trim_end().to_owned())
}

impl ToolAnswer {
    /// Of an answer in the bare dialect: one with an `error` says that the tool failed.
    #[must_use]
    pub fn of_bare(value: Value) -> Self {
        let is_error = value.get("error").is_some_and(|error| !error.is_null());
        Self { value, is_error }
    }

    /// Of the result of `tools/call`.
    #[must_use]
    pub fn of_result(result: &Value) -> Self {
        let is_error = result.get("isError").and_then(Value::as_bool).unwrap_or(false);
        if let Some(structured) = result.get("structuredContent").filter(|value| !value.is_null()) {
            return Self { value: structured.clone(), is_error };
        }
        let content = result.get("content").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let texts: Vec<&str> = content.iter().filter_map(|part| part.get("text")?.as_str()).collect();
        let text = texts.join("\n");
        let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self { value, is_error }
    }
}

#[cfg(test)]
mod tests {
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
        Client::connect(async || Ok::<_, std::convert::Infallible>(server(reply)), patience)
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
        assert_eq!(client.tools().await.expect("a list"), ["a", "b"]);
    }

    #[tokio::test]
    async fn a_stateless_server_gets_its_metadata_with_every_request() {
        let mut client = connect(modern).await;
        assert_eq!(client.dialect(), &Dialect::Modern(MODERN.into()));
        assert_eq!(
            client.call("status", json!({})).await.expect("an answer").value,
            json!({"status": "active"})
        );
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
}
