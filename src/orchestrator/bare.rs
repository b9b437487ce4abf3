//! The bare dialect: one line `{"method", "params"}` in, one line of JSON out.
//!
//! Nothing ties an answer to its request but the order, so answers keep the requests' order, while
//! the calls themselves run side by side.

use std::sync::Arc;

use futures_util::future::{self, Either};
use futures_util::stream::{FuturesOrdered, StreamExt};
use serde_json::Value;
use tokio::sync::mpsc;

use super::outbox::Outbox;
use super::tools::{Tools, error_value};
use crate::mcp::BareRequest;

/// The most bare requests in flight; reading stops until the first of them is answered.
pub(super) const MAX_OPEN: usize = 32;

/// A line that is to be answered in its turn.
#[derive(Debug)]
pub(super) enum Job {
    /// A tool is to be called.
    Call(BareRequest),
    /// The answer is known.
    Answer(Value),
}

/// Answers until the queue's sender is gone and everything is answered, or stdout is.
pub(super) async fn answer_in_order(mut jobs: mpsc::Receiver<Job>, tools: Arc<Tools>, outbox: Outbox) {
    let mut open = FuturesOrdered::new();
    let mut ended = false;
    while !(ended && open.is_empty()) {
        tokio::select! {
            job = jobs.recv(), if !ended && open.len() < MAX_OPEN => match job {
                Some(Job::Call(request)) => open.push_back(Either::Left(call(&tools, request))),
                Some(Job::Answer(value)) => open.push_back(Either::Right(future::ready(value))),
                None => ended = true,
            },
            Some(answer) = open.next(), if !open.is_empty() => {
                if outbox.send(answer.to_string()).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn call(tools: &Tools, request: BareRequest) -> Value {
    match tools.call(&request.method, &request.params).await {
        Ok(answer) => answer.value,
        Err(unknown) => error_value("unknown_method", &unknown.to_string()),
    }
}
