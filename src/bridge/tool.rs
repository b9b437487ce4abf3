//! One tool call on a server of the pool's, in whatever way that server speaks.

use serde_json::{Value, json};

use super::greeting::Era;
use super::link::{Answer, LinkEnd};
use super::pool::Lease;
use super::telemetry::Account;
use crate::mcp::{Outcome, ToolAnswer, with_meta};

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

/// Calls a tool; `arguments` is a JSON object.
pub(crate) async fn call(
    lease: &Lease,
    account: Option<&Account>,
    tool: &str,
    arguments: Value,
) -> Result<ToolAnswer, ToolError> {
    if *lease.era() == Era::Bare {
        let answer = lease.link().ask(tool, Some(&arguments.to_string()), 0).await?.answer().await?;
        return match answer {
            Answer::Bare(line) => Ok(ToolAnswer::of_bare(serde_json::from_str(&line).unwrap_or_default())),
            Answer::Rpc(outcome) => Ok(ToolAnswer::of_result(&parsed(&result(outcome)?))),
        };
    }
    let params = json!({"name": tool, "arguments": arguments});
    let answer = parsed(&put(lease, account, "tools/call", params).await?);
    Ok(ToolAnswer::of_result(&answer))
}

/// Asks a server that speaks JSON-RPC, and returns its result as it stands.
pub(crate) async fn ask_for_text(lease: &Lease, method: &str, params: Value) -> Result<String, ToolError> {
    put(lease, None, method, params).await
}

async fn put(
    lease: &Lease,
    account: Option<&Account>,
    method: &str,
    params: Value,
) -> Result<String, ToolError> {
    let params = if matches!(lease.era(), Era::Modern { .. }) { with_meta(params) } else { params };
    let params = params.to_string();
    let params = match account {
        Some(account) => account.hand_on(params),
        None => params,
    };
    let answer = lease.link().ask(method, Some(&params), 0).await?.answer().await?;
    match answer {
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
