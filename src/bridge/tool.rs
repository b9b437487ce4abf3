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
    account: &Account,
    tool: &str,
    arguments: Value,
) -> Result<ToolAnswer, ToolError> {
    if *lease.era() == Era::Bare {
        let answer = lease.link().ask(tool, Some(&arguments.to_string()), None).await?.answer().await?;
        return match answer {
            Answer::Bare(line) => Ok(ToolAnswer::of_bare(serde_json::from_str(&line).unwrap_or_default())),
            Answer::Rpc(outcome) => Ok(ToolAnswer::of_result(&result(outcome)?)),
        };
    }
    let params = json!({"name": tool, "arguments": arguments});
    Ok(ToolAnswer::of_result(&ask(lease, account, "tools/call", params).await?))
}

/// The names of the server's tools; none in the bare dialect, which cannot list them.
pub(crate) async fn names(lease: &Lease, account: &Account) -> Result<Vec<String>, ToolError> {
    if *lease.era() == Era::Bare {
        return Ok(Vec::new());
    }
    let result = ask(lease, account, "tools/list", json!({})).await?;
    let tools = result.get("tools").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Ok(tools.iter().filter_map(|tool| tool.get("name")?.as_str().map(str::to_owned)).collect())
}

async fn ask(lease: &Lease, account: &Account, method: &str, params: Value) -> Result<Value, ToolError> {
    let params = if matches!(lease.era(), Era::Modern { .. }) { with_meta(params) } else { params };
    let params = account.hand_on(params.to_string());
    let answer = lease.link().ask(method, Some(&params), None).await?.answer().await?;
    match answer {
        Answer::Rpc(outcome) => result(outcome),
        Answer::Bare(_) => Err(LinkEnd::Unreadable("it is no JSON-RPC any more".to_owned()).into()),
    }
}

fn result(outcome: Outcome<String>) -> Result<Value, ToolError> {
    match outcome {
        Outcome::Result(result) => Ok(serde_json::from_str(&result).unwrap_or_default()),
        Outcome::Error(error) => {
            let error: Value = serde_json::from_str(&error).unwrap_or_default();
            let message =
                error.get("message").and_then(Value::as_str).unwrap_or("an error without a message");
            let code = error.get("code").and_then(Value::as_i64).unwrap_or_default();
            Err(ToolError::Refused { code, message: message.to_owned() })
        }
    }
}
