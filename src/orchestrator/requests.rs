//! The ids of the requests that wait for an answer. The end of input is kept from rmcp until there
//! are none: it would wait five seconds for them and then drop them.

use std::collections::HashSet;

use rmcp::model::RequestId;
use tokio::sync::watch;

/// The most MCP requests in flight; reading stops until one is answered.
const MAX_OPEN: usize = 64;

#[derive(Debug, Clone)]
pub(super) struct OpenRequests(watch::Sender<HashSet<RequestId>>);

impl OpenRequests {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(HashSet::new()))
    }

    /// Enters a request, once there is room for it. False if its id is in use already, which
    /// JSON-RPC forbids: the two answers could not be told apart.
    pub(super) async fn open(&self, id: RequestId) -> bool {
        self.until(|open| open.len() < MAX_OPEN).await;
        let mut is_new = false;
        self.0.send_modify(|open| is_new = open.insert(id));
        is_new
    }

    /// Releases a request: answered, or cancelled.
    pub(super) fn close(&self, id: &RequestId) {
        self.0.send_if_modified(|open| open.remove(id));
    }

    /// Waits until every request is released. The caller sets the deadline.
    pub(super) async fn drained(&self) {
        self.until(HashSet::is_empty).await;
    }

    async fn until(&self, condition: impl FnMut(&HashSet<RequestId>) -> bool) {
        // The sender is `self`, so waiting cannot end because all senders are gone.
        let _ = self.0.subscribe().wait_for(condition).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    fn is_pending(future: impl Future) -> bool {
        pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_pending()
    }

    #[tokio::test]
    async fn numbers_and_texts_are_different_ids_and_one_in_use_is_refused() {
        let requests = OpenRequests::new();
        assert!(requests.open(RequestId::Number(7)).await);
        assert!(requests.open(RequestId::String("7".into())).await);
        assert!(!requests.open(RequestId::Number(7)).await);
        requests.close(&RequestId::Number(7));
        assert!(is_pending(requests.drained()));
        requests.close(&RequestId::String("7".into()));
        requests.drained().await;
    }

    #[tokio::test]
    async fn at_the_cap_a_request_waits_for_another_to_be_answered() {
        let requests = OpenRequests::new();
        for id in 0..MAX_OPEN {
            assert!(requests.open(RequestId::Number(i64::try_from(id).expect("small"))).await);
        }
        assert!(is_pending(requests.open(RequestId::Number(-1))));
        requests.close(&RequestId::Number(0));
        assert!(requests.open(RequestId::Number(-1)).await);
    }
}
