//! Proof that a server works: one call of its status tool.

use serde_json::{Value, json};

use super::answer::CallError;
use super::client::Client;
use super::framing::Lines;
use super::message::Dialect;

/// Which tool proves that a server works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusTool<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether a server without it is at fault; another's server may not have ours.
    pub required: bool,
}

/// What a server that works showed.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    /// What the status tool answered.
    Status(Value),
    /// How many tools the server lists; the status tool is not among them.
    Tools(usize),
}

/// Why a server proved nothing.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// A request has no answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The tool is not among those that are listed.
    #[error("the server has no tool {tool}")]
    NoTool {
        /// The one that was asked for.
        tool: String,
        /// Those that there are.
        listed: Vec<String>,
    },
    /// The tool says that it failed.
    #[error("{tool} failed: {answer}")]
    Failed {
        /// The one that was called.
        tool: String,
        /// What it answered.
        answer: Value,
    },
}

impl<L: Lines> Client<L> {
    /// Calls the status tool, or, where the server need not have it and does not list it, counts
    /// the tools. The bare dialect cannot list: there it is called.
    pub async fn status(&mut self, tool: StatusTool<'_>) -> Result<Shown, StatusError> {
        if *self.dialect() != Dialect::Bare {
            let listed = self.tools().await?;
            if !listed.iter().any(|listed| listed.name == tool.name) {
                return if tool.required {
                    let listed = listed.into_iter().map(|tool| tool.name).collect();
                    Err(StatusError::NoTool { tool: tool.name.to_owned(), listed })
                } else {
                    Ok(Shown::Tools(listed.len()))
                };
            }
        }
        let answer = self.call(tool.name, json!({})).await?;
        if answer.is_error {
            return Err(StatusError::Failed { tool: tool.name.to_owned(), answer: answer.value });
        }
        Ok(Shown::Status(answer.value))
    }
}
