//! One tool call on a server of the pool's, in whatever way that server speaks.

use std::sync::LazyLock;

use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::greeting::Era;
use super::link::{Answer, LinkEnd};
use super::pool::Lease;
use super::telemetry::Account;
use crate::mcp::{Members, Outcome, json_text, with_meta};

/// Why a call has no answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum ToolError {
    /// The server answered with an error of the protocol.
    #[error("the server refused the call with error {code}: {message}")]
    Refused {
        /// JSON-RPC's code.
        code: i64,
        /// The server's words.
        message: String,
    },
    /// There is no answer to come.
    #[error(transparent)]
    Link(#[from] LinkEnd),
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// JSON, as the server wrote it: the structured content; else the text content where that is JSON, and
    /// else that text as a string.
    pub(crate) text: String,
    /// Whether the tool says that it failed.
    pub(crate) is_error: bool,
}

impl Said {
    /// In the bare dialect an answer with an `error` says that the tool failed.
    fn bare(line: String) -> Self {
        let members = Members::read(&line).unwrap_or_default();
        let is_error = members.get("error").is_some_and(|error| error != "null");
        Self { text: line, is_error }
    }

    /// Of the result of `tools/call`.
    fn result(result: &str) -> Self {
        let Some(members) = Members::read(result) else {
            return Self { text: result.to_owned(), is_error: false };
        };
        let is_error = members.get("isError") == Some("true");
        if let Some(structured) = members.get("structuredContent").filter(|text| *text != "null") {
            return Self { text: structured.to_owned(), is_error };
        }
        let parts = members.value::<Vec<Value>>("content").unwrap_or_default();
        let texts: Vec<&str> = parts.iter().filter_map(|part| part.get("text")?.as_str()).collect();
        let text = texts.join("\n");
        let is_json = serde_json::from_str::<IgnoredAny>(&text).is_ok();
        Self { text: if is_json { text } else { json_text(&text) }, is_error }
    }
}

/// What a request of the stateless era says of who asks, as JSON.
static META: LazyLock<String> = LazyLock::new(|| with_meta(json!({}))["_meta"].to_string());

/// Calls a tool; `arguments` is a JSON object, which reaches the server as it stands.
pub(crate) async fn call(
    lease: &Lease,
    account: Option<&Account>,
    tool: &str,
    arguments: &str,
) -> Result<Said, ToolError> {
    if *lease.era() == Era::Bare {
        return match lease.link().ask(tool, Some(arguments), 0).await?.answer().await? {
            Answer::Bare(line) => Ok(Said::bare(line)),
            Answer::Rpc(outcome) => Ok(Said::result(&result(outcome)?)),
        };
    }
    let mut params = format!(r#"{{"name":{},"arguments":{arguments}"#, json_text(&tool));
    if matches!(lease.era(), Era::Modern { .. }) {
        params.push_str(r#","_meta":"#);
        params.push_str(&META);
    }
    params.push('}');
    let params = account.and_then(|account| account.hand_on(&params)).unwrap_or(params);
    Ok(Said::result(&put(lease, "tools/call", &params).await?))
}

/// Asks a server that speaks JSON-RPC, and returns its result as it stands.
pub(crate) async fn ask_for_text(lease: &Lease, method: &str, params: Value) -> Result<String, ToolError> {
    let params = if matches!(lease.era(), Era::Modern { .. }) { with_meta(params) } else { params };
    put(lease, method, &params.to_string()).await
}

async fn put(lease: &Lease, method: &str, params: &str) -> Result<String, ToolError> {
    match lease.link().ask(method, Some(params), 0).await?.answer().await? {
        Answer::Rpc(outcome) => result(outcome),
        Answer::Bare(_) => Err(LinkEnd::Unreadable("it is no JSON-RPC any more".to_owned()).into()),
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn result(outcome: Outcome<String>) -> Result<String, ToolError> {
    match outcome {
        Outcome::Result(result) => Ok(result),
        Outcome::Error(error) => {
            let error = parsed(&error);
            let message =
                error.get("message").and_then(Value::as_str).unwrap_or("an error without a message");
            let code = error.get("code").and_then(Value::as_i64).unwrap_or_default();
            Err(ToolError::Refused { code, message: message.to_owned() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_stands_as_the_server_wrote_it() {
        for (result, text, is_error) in [
            (r#"{"structuredContent":{"n": 1e999},"content":[]}"#, r#"{"n": 1e999}"#, false),
            (r#"{"structuredContent":null,"content":[{"text":"[1.10]"}]}"#, "[1.10]", false),
            (r#"{"content":[{"text":"a"},{"type":"image"},{"text":"b"}],"isError":true}"#, r#""a\nb""#, true),
            ("{}", r#""""#, false),
        ] {
            assert_eq!(Said::result(result), Said { text: text.to_owned(), is_error }, "{result}");
        }
        for (line, is_error) in
            [("[1e999]", false), (r#"{"error":"no"}"#, true), (r#"{"error":null}"#, false)]
        {
            assert_eq!(Said::bare(line.to_owned()), Said { text: line.to_owned(), is_error });
        }
    }
}
