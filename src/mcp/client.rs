//! A client that finds out how a server speaks, and then calls its tools.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout_at};

use super::answer::{CallError, ConnectError, Progress, Tool, ToolAnswer};
use super::bare::{bare_line, bare_result};
use super::envelope::{notification_line, request_line};
use super::framing::{Lines, blank_line_ends};
use super::message::{Dialect, Incoming, LEGACY, MODERN, RpcError};
use super::meta::{client_info, client_meta, server_of, with_meta};

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

/// In which order a server is asked how it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Handshake, stateless, bare: over whatever carries lines to a process, which may end over what it
    /// does not know.
    HandshakeFirst,
    /// Stateless, handshake: over HTTP, where a handshake costs a session, and nobody ends over a question.
    /// Silence is no dialect there.
    StatelessFirst,
}

/// The code of a server that misses headers which repeat a tool's parameters.
const HEADER_MISMATCH: i64 = -32020;
/// The most pages of a list of tools; a server may give them out for ever.
const MAX_PAGES: usize = 100;
/// What watches a call.
pub type Watch<'w> = &'w mut (dyn FnMut(Progress) + Send);

/// Opens a connection, anew for each dialect over which a server hung up.
pub trait Open {
    /// What carries the lines.
    type Lines: Lines;
    /// Why there is none.
    type Error;

    /// Opens one.
    fn open(&mut self) -> impl Future<Output = Result<Self::Lines, Self::Error>> + Send;
}

/// What is opened without waiting.
impl<L: Lines + Send, E: Send, F: FnMut() -> Result<L, E>> Open for F {
    type Lines = L;
    type Error = E;

    fn open(&mut self) -> impl Future<Output = Result<L, E>> + Send {
        std::future::ready(self())
    }
}

/// A connection to one server. Sends one request at a time.
#[derive(Debug)]
pub struct Client<L> {
    lines: L,
    dialect: Dialect,
    server: Option<String>,
    next_id: u64,
    patience: Patience,
    /// The request whose answer is awaited, or was when its future was dropped.
    pending: Option<u64>,
}

impl<L: Lines> Client<L> {
    /// Opens a connection and finds the server's dialect: handshake first, since most servers know
    /// nothing else and some end when spoken to otherwise, then stateless, then bare. A server
    /// that closes the connection over one of them is opened anew for the next.
    pub async fn connect<O: Open<Lines = L>>(
        open: &mut O,
        patience: Patience,
    ) -> Result<Self, ConnectError<O::Error>> {
        Self::connect_in(Order::HandshakeFirst, open, patience).await
    }

    /// The same in an order.
    pub async fn connect_in<O: Open<Lines = L>>(
        order: Order,
        open: &mut O,
        patience: Patience,
    ) -> Result<Self, ConnectError<O::Error>> {
        let lines = open.open().await.map_err(ConnectError::Open)?;
        let mut client =
            Self { lines, dialect: Dialect::Bare, server: None, next_id: 1, patience, pending: None };
        let eras = match order {
            Order::HandshakeFirst => [Era::Legacy, Era::Modern],
            Order::StatelessFirst => [Era::Modern, Era::Legacy],
        };
        let mut last = CallError::Closed;
        for era in eras {
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
                Err(CallError::Closed) => client.lines = open.open().await.map_err(ConnectError::Open)?,
                Err(error @ (CallError::Refused { .. } | CallError::Timeout(_))) => last = error,
                Err(CallError::Transport(error)) if error.of_message => last = CallError::Transport(error),
                Err(CallError::Transport(error)) => return Err(ConnectError::Transport(error)),
                Err(error @ CallError::Frame(_)) => return Err(ConnectError::NoDialect(error)),
            }
        }
        match (order, last) {
            (Order::HandshakeFirst, _) => Ok(client),
            (Order::StatelessFirst, CallError::Transport(error)) => Err(ConnectError::Transport(error)),
            (Order::StatelessFirst, last) => Err(ConnectError::NoDialect(last)),
        }
    }

    /// How the server is spoken to.
    pub fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// The server's name and version, where it told them.
    pub fn server(&self) -> Option<&str> {
        self.server.as_deref()
    }

    /// The connection.
    pub fn lines(&self) -> &L {
        &self.lines
    }

    /// The connection, for what is none of a client's affairs.
    pub fn lines_mut(&mut self) -> &mut L {
        &mut self.lines
    }

    /// The same over a connection that is part of another.
    pub fn map<M>(self, whole: impl FnOnce(L) -> M) -> Client<M> {
        let Self { lines, dialect, server, next_id, patience, pending } = self;
        Client { lines: whole(lines), dialect, server, next_id, patience, pending }
    }

    /// How long it waits from now on.
    pub fn set_patience(&mut self, patience: Patience) {
        self.patience = patience;
    }

    /// Says goodbye, within `patience`.
    pub async fn close(mut self, patience: Duration) {
        // A server that does not say it is left all the same.
        let _ = tokio::time::timeout(patience, self.lines.close()).await;
    }

    /// Calls a tool; `arguments` is a JSON object.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Result<ToolAnswer, CallError> {
        let result = self.call_watched(tool, &arguments.to_string(), None).await?;
        Ok(ToolAnswer::of_result(&serde_json::from_str(&result).unwrap_or_default()))
    }

    /// Calls a tool, and returns the whole result as JSON, as it came. `arguments` is the text of a JSON
    /// object, and stays as it is written. With `watch` the server is asked to say how far it is, which
    /// it need not do. Dropped before its end, it leaves the call to [`Client::cancel`].
    pub async fn call_watched(
        &mut self,
        tool: &str,
        arguments: &str,
        mut watch: Option<Watch<'_>>,
    ) -> Result<String, CallError> {
        if self.dialect == Dialect::Bare {
            return self.call_bare(tool, arguments).await;
        }
        // Reborrowed, for the second time that there may be.
        let first =
            self.call_once(tool, arguments, watch.as_mut().map(|watch| &mut **watch as Watch<'_>)).await;
        match first {
            // Which parameters are to be repeated in headers is known from the tool's description.
            Err(CallError::Refused { code: HEADER_MISMATCH, .. }) => {
                self.tools().await?;
                self.call_once(tool, arguments, watch).await
            }
            other => other,
        }
    }

    /// Every tool of the server's, page by page; none in the bare dialect, which cannot list them.
    pub async fn tools(&mut self) -> Result<Vec<Tool>, CallError> {
        let (mut tools, mut cursors) = (Vec::new(), BTreeSet::new());
        if self.dialect == Dialect::Bare {
            return Ok(tools);
        }
        let mut params = Map::new();
        for _ in 0..MAX_PAGES {
            let result = self.request("tools/list", params.clone(), None).await?;
            let mut result: Value = serde_json::from_str(&result).unwrap_or_default();
            if let Some(Value::Array(page)) = result.get_mut("tools").map(Value::take) {
                tools.extend(page.into_iter().filter_map(Tool::of));
            }
            let Some(cursor) = result.get("nextCursor").and_then(Value::as_str) else { break };
            if !cursors.insert(cursor.to_owned()) {
                break;
            }
            params.insert("cursor".to_owned(), cursor.into());
        }
        Ok(tools)
    }

    /// Takes back the request whose future was dropped, or that was not answered in time: by the
    /// transport's own means, or by `notifications/cancelled`. The bare dialect has no word for it.
    pub async fn cancel(&mut self, reason: &str) -> Result<(), CallError> {
        let Some(id) = self.pending.take() else { return Ok(()) };
        if self.lines.withdraw() || self.dialect == Dialect::Bare {
            return Ok(());
        }
        let params = json!({"requestId": id, "reason": reason}).to_string();
        self.write(notification_line("notifications/cancelled", Some(&params))).await
    }

    async fn call_bare(&mut self, tool: &str, arguments: &str) -> Result<String, CallError> {
        self.write(bare_line(tool, Some(arguments))).await?;
        let deadline = Instant::now() + self.patience.call;
        loop {
            if let Incoming::Bare(line) = self.receive(deadline, self.patience.call).await? {
                return Ok(bare_result(&line));
            }
        }
    }

    async fn call_once(
        &mut self,
        tool: &str,
        arguments: &str,
        watch: Option<Watch<'_>>,
    ) -> Result<String, CallError> {
        let meta = self.meta(watch.is_some());
        let meta = meta.map(|meta| format!(r#","_meta":{}"#, Value::Object(meta))).unwrap_or_default();
        let params = format!(r#"{{"name":{},"arguments":{arguments}{meta}}}"#, Value::from(tool));
        self.asked("tools/call", &params, watch).await
    }

    async fn request(
        &mut self,
        method: &str,
        mut params: Map<String, Value>,
        watch: Option<Watch<'_>>,
    ) -> Result<String, CallError> {
        if let Some(meta) = self.meta(watch.is_some()) {
            params.insert("_meta".to_owned(), meta.into());
        }
        self.asked(method, &Value::Object(params).to_string(), watch).await
    }

    /// What goes with the next request.
    fn meta(&self, watched: bool) -> Option<Map<String, Value>> {
        let mut meta = match self.dialect {
            Dialect::Modern(_) => client_meta(),
            _ => Map::new(),
        };
        if watched {
            meta.insert("progressToken".to_owned(), self.next_id.into());
        }
        (!meta.is_empty()).then_some(meta)
    }

    async fn asked(
        &mut self,
        method: &str,
        params: &str,
        watch: Option<Watch<'_>>,
    ) -> Result<String, CallError> {
        let id = self.send_request(method, params).await?;
        self.pending = Some(id);
        let answer = self.receive_answer(id, self.patience.call, Otherwise::Ignore, watch).await;
        if !matches!(answer, Err(CallError::Timeout(_))) {
            self.pending = None;
        }
        answer?.ok_or(CallError::Closed)
    }

    async fn initialize(&mut self) -> Result<Option<Dialect>, CallError> {
        let params = json!({
            "protocolVersion": LEGACY,
            "capabilities": {},
            "clientInfo": client_info(),
        });
        let Some(result) = self.probe("initialize", &params).await? else { return Ok(None) };
        self.write(notification_line("notifications/initialized", None)).await?;
        let version = result.get("protocolVersion").and_then(Value::as_str).unwrap_or(LEGACY);
        Ok(Some(Dialect::Legacy(version.to_owned())))
    }

    async fn discover(&mut self) -> Result<Option<Dialect>, CallError> {
        let found = self.probe("server/discover", &with_meta(json!({}))).await?;
        Ok(found.map(|_| Dialect::Modern(MODERN.to_owned())))
    }

    /// The first request in a dialect; `None` where the server turned out to speak the bare one.
    async fn probe(&mut self, method: &str, params: &Value) -> Result<Option<Value>, CallError> {
        let id = self.send_request(method, &params.to_string()).await?;
        let result = self.receive_answer(id, self.patience.probe, Otherwise::Bare, None).await?;
        let result = result.map(|result| serde_json::from_str::<Value>(&result).unwrap_or_default());
        self.server = result.as_ref().and_then(server_of);
        Ok(result)
    }

    async fn send_request(&mut self, method: &str, params: &str) -> Result<u64, CallError> {
        let id = self.next_id;
        self.next_id += 1;
        self.write(request_line(id, method, Some(params))).await?;
        Ok(id)
    }

    /// The result of request `id`; `None` where the server turned out to speak the bare dialect.
    async fn receive_answer(
        &mut self,
        id: u64,
        patience: Duration,
        otherwise: Otherwise,
        mut watch: Option<Watch<'_>>,
    ) -> Result<Option<String>, CallError> {
        let deadline = Instant::now() + patience;
        loop {
            match self.receive(deadline, patience).await? {
                Incoming::Result(of, result) if of == id => return Ok(Some(result)),
                Incoming::Error(of, RpcError { code, message }) if of == id => {
                    return Err(CallError::Refused { code, message });
                }
                // There is no other message of ours that it could mean.
                Incoming::Misunderstood(RpcError { code, message }) => {
                    return Err(CallError::Refused { code, message });
                }
                Incoming::Request(id, method) => self.answer(&id, &method).await?,
                Incoming::Notification(method, params) if method == "notifications/progress" => {
                    if let (Some(watch), Some(progress)) = (watch.as_mut(), Progress::read(&params, id)) {
                        watch(progress);
                    }
                }
                Incoming::Bare(_) if otherwise == Otherwise::Bare => return Ok(None),
                _ => {}
            }
        }
    }

    async fn receive(&mut self, deadline: Instant, patience: Duration) -> Result<Incoming, CallError> {
        let line = timeout_at(deadline, self.lines.receive()).await;
        let line = line.map_err(|_| CallError::Timeout(patience))??;
        line.as_deref().map(Incoming::read).ok_or(CallError::Closed)
    }

    /// We declare no capability, so a server may only ping.
    async fn answer(&mut self, id: &Value, method: &str) -> Result<(), CallError> {
        let reply = if method == "ping" {
            json!({"jsonrpc": "2.0", "id": id, "result": {}})
        } else {
            let error = json!({"code": -32601, "message": format!("this client does not offer {method}")});
            json!({"jsonrpc": "2.0", "id": id, "error": error})
        };
        self.write(reply.to_string()).await
    }

    async fn write(&mut self, message: String) -> Result<(), CallError> {
        // Arguments may have been laid out on several lines.
        let mut message = message.into_bytes();
        blank_line_ends(&mut message);
        let message = String::from_utf8(message).unwrap_or_default();
        // A server that is gone shows as a broken pipe here or as the end of its output there.
        self.lines.send(&message).await.map_err(|_| CallError::Closed)
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

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
