//! Reads stdin, tells the dialects apart line by line, and hands each line on.

use rmcp::model::{ClientJsonRpcMessage, ClientNotification, JsonRpcMessage};
use serde_json::{Value, json};
use tokio::io::AsyncRead;
use tokio::sync::mpsc;
use tracing::warn;

use super::bare::Job;
use super::requests::OpenRequests;
use super::tools::error_value;
use crate::mcp::{BareRequest, FrameError, LineReader, is_bare_request};

const PARSE_ERROR: i64 = -32700;
const INVALID_REQUEST: i64 = -32600;

/// What a line is.
#[derive(Debug)]
enum Line {
    Mcp(Box<ClientJsonRpcMessage>),
    Bare(BareRequest),
    /// Neither, with the answer that it gets.
    Wrong(Value),
    /// Nothing to answer: an answer to nobody, or a notification of another protocol.
    Nothing,
}

/// From stdin to the dialects.
pub(super) struct Pump<R> {
    pub(super) lines: LineReader<R>,
    pub(super) mcp: mpsc::Sender<ClientJsonRpcMessage>,
    pub(super) bare: mpsc::Sender<Job>,
    pub(super) open: OpenRequests,
}

impl<R: AsyncRead + Unpin> Pump<R> {
    /// Reads to the end of input; then the sender to rmcp is what is left.
    pub(super) async fn run(mut self) -> mpsc::Sender<ClientJsonRpcMessage> {
        loop {
            let line = match self.lines.next().await {
                Ok(Some(line)) => classify(&line),
                Ok(None) => break,
                Err(error @ FrameError::NotUtf8) => Line::Wrong(rpc_error(&Value::Null, PARSE_ERROR, &error)),
                Err(error @ FrameError::TooLong { .. }) => {
                    let answer = rpc_error(&Value::Null, INVALID_REQUEST, &error);
                    warn!(%error, "a line was dropped");
                    match self.lines.skip_line().await {
                        Ok(()) => Line::Wrong(answer),
                        Err(error) => {
                            warn!(%error, "stdin failed");
                            break;
                        }
                    }
                }
                Err(error @ (FrameError::Io(_) | FrameError::Transport(_))) => {
                    warn!(%error, "stdin failed");
                    break;
                }
            };
            // A closed queue means that stdout is gone, which ends the program elsewhere.
            if self.hand_on(line).await.is_err() {
                break;
            }
        }
        self.mcp
    }

    async fn hand_on(&self, line: Line) -> Result<(), Closed> {
        match line {
            Line::Mcp(message) => return self.hand_on_mcp(*message).await,
            Line::Bare(request) => self.bare.send(Job::Call(request)).await?,
            Line::Wrong(answer) => self.bare.send(Job::Answer(answer)).await?,
            Line::Nothing => {}
        }
        Ok(())
    }

    async fn hand_on_mcp(&self, message: ClientJsonRpcMessage) -> Result<(), Closed> {
        match &message {
            JsonRpcMessage::Request(request) => {
                let id = request.id.clone();
                if !self.open.open(id.clone()).await {
                    let why = "a request with this id is in flight already";
                    let answer = rpc_error(&id.into_json_value(), INVALID_REQUEST, &why);
                    return Ok(self.bare.send(Job::Answer(answer)).await?);
                }
                self.mcp.send(message).await?;
            }
            JsonRpcMessage::Notification(notification) => {
                let cancelled = match &notification.notification {
                    ClientNotification::CancelledNotification(it) => it.params.request_id.clone(),
                    _ => None,
                };
                self.mcp.send(message).await?;
                // rmcp never answers a request once it is cancelled.
                if let Some(id) = cancelled {
                    self.open.close(&id);
                }
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
        }
        Ok(())
    }
}

struct Closed;

impl<T> From<mpsc::error::SendError<T>> for Closed {
    fn from(_: mpsc::error::SendError<T>) -> Self {
        Self
    }
}

fn classify(line: &str) -> Line {
    let line = line.trim_start_matches('\u{feff}').trim();
    if line.is_empty() {
        return Line::Nothing;
    }
    let message: Value = match serde_json::from_str(line) {
        Ok(message) => message,
        Err(error) => {
            let why = format!("this line is not JSON: {error}");
            return Line::Wrong(rpc_error(&Value::Null, PARSE_ERROR, &why));
        }
    };
    if !message.is_object() {
        return Line::Wrong(rpc_error(&Value::Null, INVALID_REQUEST, &"a message is a JSON object"));
    }
    if is_bare_request(&message) {
        let wrong = || Line::Wrong(error_value("invalid_request", "this request cannot be read"));
        return BareRequest::read(message).map_or_else(wrong, Line::Bare);
    }
    if message.get("jsonrpc").is_none() {
        let why = "a request needs a `method`, a text, and for MCP `jsonrpc` too";
        return Line::Wrong(error_value("invalid_request", why));
    }
    classify_mcp(message)
}

fn classify_mcp(message: Value) -> Line {
    let id = message.get("id").cloned();
    let is_answer = message.get("result").is_some() || message.get("error").is_some();
    if id.as_ref().is_some_and(Value::is_null) && !is_answer {
        return Line::Wrong(rpc_error(&Value::Null, INVALID_REQUEST, &"an id must be a number or a text"));
    }
    let has_method = message.get("method").is_some_and(Value::is_string);
    match serde_json::from_value(message) {
        Ok(JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_)) => Line::Nothing,
        Ok(message) => Line::Mcp(Box::new(message)),
        Err(_) if is_answer || (id.is_none() && has_method) => Line::Nothing,
        Err(_) => {
            let id = id.filter(|id| id.is_number() || id.is_string()).unwrap_or(Value::Null);
            Line::Wrong(rpc_error(&id, INVALID_REQUEST, &"this is no request of JSON-RPC 2.0"))
        }
    }
}

fn rpc_error(id: &Value, code: i64, message: &dyn std::fmt::Display) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message.to_string()}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        for (line, expected) in [
            (r#"{"method":"get_orchestrator_status","params":{}}"#, "bare"),
            (r#"{"method":"x"}"#, "bare"),
            ("\u{feff}{\"method\":\"x\"}", "bare"),
            (r#"{"jsonrpc":"2.0","id":"a","method":"tools/list"}"#, "mcp"),
            (r#"{"jsonrpc":"2.0","id":1,"method":"no/such","params":{"x":1}}"#, "mcp"),
            (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, "mcp"),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, "nothing"),
            (r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}"#, "nothing"),
            ("   ", "nothing"),
            (r#"{"method":5}"#, "null invalid_request"),
            (r#"{"hello":1}"#, "null invalid_request"),
            ("{", "null -32700"),
            ("7", "null -32600"),
            ("[]", "null -32600"),
            (r#"{"jsonrpc":"2.0","id":null,"method":"tools/list"}"#, "null -32600"),
            (r#"{"jsonrpc":"1.0","id":3,"method":"tools/list"}"#, "3 -32600"),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"tools/list"}"#, "1.5 -32600"),
            (r#"{"jsonrpc":"2.0","id":4}"#, "4 -32600"),
        ] {
            let found = match classify(line) {
                Line::Mcp(_) => "mcp".to_owned(),
                Line::Bare(_) => "bare".to_owned(),
                Line::Nothing => "nothing".to_owned(),
                Line::Wrong(answer) => {
                    let error = &answer["error"];
                    let code = error["code"].as_i64().map(|code| code.to_string());
                    let kind = error["kind"].as_str().map(str::to_owned);
                    format!("{} {}", answer["id"], code.or(kind).unwrap_or_default())
                }
            };
            assert_eq!(found, expected, "{line}");
        }
    }
}
