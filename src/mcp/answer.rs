//! What comes of a request: a tool's answer, a list of tools, how far a call is, or why there is nothing.

use std::time::Duration;

use serde_json::Value;

use super::envelope::Members;
use super::framing::{FrameError, TransportError};

/// What a tool answered.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolAnswer {
    /// The structured content; else the text content read as JSON, or the text itself.
    pub value: Value,
    /// Whether the tool says that it failed.
    pub is_error: bool,
}

impl ToolAnswer {
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

/// A tool as its server describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// What it is called by.
    pub name: String,
    /// The whole description.
    pub described: Value,
}

impl Tool {
    /// Of one item of `tools/list`; `None` where it has no name.
    #[must_use]
    pub fn of(described: Value) -> Option<Self> {
        let name = described.get("name")?.as_str()?.to_owned();
        Some(Self { name, described })
    }

    /// What it is called for people.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        let annotated = || self.described["annotations"]["title"].as_str();
        self.described["title"].as_str().or_else(annotated)
    }

    /// What it does.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.described.get("description")?.as_str()
    }

    /// The JSON Schema of its arguments.
    #[must_use]
    pub fn input_schema(&self) -> Option<&Value> {
        self.described.get("inputSchema")
    }
}

/// How far a call is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// What is done, in units of the server's.
    pub progress: f64,
    /// What is to be done, where the server knows.
    pub total: Option<f64>,
    /// What is being done.
    pub message: Option<String>,
}

impl Progress {
    /// Of the parameters of `notifications/progress`, if they are about a token.
    pub(super) fn read(params: &str, token: u64) -> Option<Self> {
        let params = Members::read(params)?;
        (params.value::<u64>("progressToken")? == token).then_some(())?;
        let message = params.text("message").map(std::borrow::Cow::into_owned);
        Some(Self { progress: params.value("progress")?, total: params.value("total"), message })
    }
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
    /// The transport said something in the answer's place.
    #[error(transparent)]
    Transport(TransportError),
}

impl From<FrameError> for CallError {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Transport(error) => Self::Transport(error),
            error => Self::Frame(error),
        }
    }
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
    /// The transport said something in the server's place.
    #[error(transparent)]
    Transport(TransportError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn progress_is_of_the_token_that_was_given() {
        let of = |params: &str| Progress::read(params, 7);
        let whole = Progress { progress: 1.5, total: Some(3.0), message: Some("half".into()) };
        let told = r#"{"progressToken":7,"progress":1.5,"total":3,"message":"half"}"#;
        assert_eq!(of(told), Some(whole));
        let least = Progress { progress: 2.0, total: None, message: None };
        assert_eq!(of(r#"{"progressToken":7,"progress":2}"#), Some(least));
        for others in
            [r#"{"progressToken":"7","progress":2}"#, r#"{"progress":2}"#, r#"{"progressToken":7}"#, "[]"]
        {
            assert_eq!(of(others), None, "{others}");
        }
    }

    #[test]
    fn a_tool_s_title_is_its_own_or_that_of_its_annotations() {
        let of = |described| Tool::of(described).and_then(|tool| tool.title().map(str::to_owned));
        assert_eq!(of(json!({"name": "a", "title": "A", "annotations": {"title": "B"}})), Some("A".into()));
        assert_eq!(of(json!({"name": "a", "annotations": {"title": "B"}})), Some("B".into()));
        assert_eq!(of(json!({"name": "a"})), None);
        assert_eq!(Tool::of(json!({"title": "A"})), None);
    }
}
