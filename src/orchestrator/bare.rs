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
const MAX_OPEN: usize = 32;

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::net::TcpListener;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use serde_json::json;

    use crate::env::Env;
    use crate::orchestrator::Settings;
    use crate::orchestrator::outbox;

    #[tokio::test]
    async fn at_the_cap_no_further_request_is_taken_from_the_queue() {
        // It accepts into its backlog and never answers.
        let provider = TcpListener::bind("127.0.0.1:0").expect("a port");
        let base = format!("http://{}", provider.local_addr().expect("bound"));
        let pairs = [("OPENAI_API_KEY", "k"), ("ORCHESTRATOR_BASE_URL", &base)];
        let env = Env::from_pairs(pairs, "/nowhere".into());
        let tools = Arc::new(Tools::new(Settings::from_env(&env).expect("valid")));
        let (to_jobs, jobs) = mpsc::channel(MAX_OPEN + 5);
        for _ in 0..MAX_OPEN + 5 {
            let params = json!({"description": "x"});
            let request = BareRequest { method: "orchestrate_task".to_owned(), params };
            to_jobs.send(Job::Call(request)).await.expect("room");
        }
        let (outbox, _writer) = outbox::open();
        let mut answering = pin!(answer_in_order(jobs, tools, outbox));
        for _ in 0..10 {
            assert!(answering.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        assert_eq!(to_jobs.capacity(), MAX_OPEN);
    }
}
