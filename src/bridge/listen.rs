//! `subscriptions/listen`: a stream that tells of changes until one of both sides ends it (MCP 2026-07-28,
//! "Subscriptions").

use std::sync::Arc;

use axum_core::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::changes::{Change, Filter, Listening};
use super::exchange::{Client, not_found};
use super::greeting::Era;
use super::held::INVALID_PARAMS;
use super::link::Link;
use super::pool::Lease;
use super::serve::Bridge;
use super::sessions::sse;
use super::stateless::{Refusal, Stateless};
use crate::mcp::{Members, Outcome, SUBSCRIPTION_KEY, notification_line, response_line};

const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

/// Opens a stream. The server that is asked for it stays for as long as it lives.
pub(crate) async fn listen(
    bridge: &Arc<Bridge>,
    client: Client,
    lease: Lease,
    request: Stateless,
) -> Response {
    if *lease.era() == Era::Bare {
        return not_found(&request).into_response();
    }
    let asked = Members::read(&request.params).and_then(|params| params.value::<Value>("notifications"));
    let refuse = |words: &str| {
        Refusal::new(http::StatusCode::OK, Some(&request.id), INVALID_PARAMS, words).into_response()
    };
    let Some(asked) = asked.filter(Value::is_object) else {
        return refuse("the params have no notifications");
    };
    let agreed = Filter::agreed(&asked, &lease.era().capabilities());
    let acknowledged = told(ACKNOWLEDGED, &json!({"notifications": agreed.to_json()}), &request.id);
    let Some(listening) = bridge.pool.changes().listen(agreed) else {
        return refuse("too many resources are listened for");
    };
    bridge.pool.watch(lease.era()).await;
    let stream = Stream {
        listening,
        server: Arc::clone(lease.link()),
        bridge: Arc::clone(bridge),
        client,
        id: request.id,
    };
    drop(lease);
    let rest = stream::unfold(Some(stream), |stream| async {
        let mut stream = stream?;
        match stream.next().await {
            Some(event) => Some((event, Some(stream))),
            None => Some((stream.farewell(), None)),
        }
    });
    sse::response(stream::StreamExt::chain(stream::iter([acknowledged]), rest))
}

struct Stream {
    listening: Listening,
    server: Arc<Link>,
    bridge: Arc<Bridge>,
    client: Client,
    /// The request's id, as JSON, and so the subscription's.
    id: String,
}

impl Stream {
    /// The next event; `None` where the bridge ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        tokio::select! {
            change = self.listening.next() => {
                let Change { method, uri } = change?;
                let params = uri.map_or_else(|| json!({}), |uri| json!({"uri": uri}));
                Some(told(method, &params, &self.id))
            }
            // What changes from now on it cannot tell.
            () = self.server.over() => None,
            () = self.bridge.gate.shut_to(&self.client.principal) => None,
            () = self.bridge.stopped() => None,
            () = sleep(self.bridge.settings.waits.still_here) => Some(sse::STILL_HERE),
        }
    }

    fn farewell(&self) -> Bytes {
        let result = format!(r#"{{"resultType":"complete","_meta":{{"{SUBSCRIPTION_KEY}":{}}}}}"#, self.id);
        sse::event(None, response_line(&self.id, &Outcome::Result(result)).as_bytes())
    }
}

/// A notification of the subscription `id`.
fn told(method: &str, params: &Value, id: &str) -> Bytes {
    let params = params.to_string();
    let mut params = Members::read(&params).unwrap_or_default();
    params.set("_meta", format!(r#"{{"{SUBSCRIPTION_KEY}":{id}}}"#));
    sse::event(None, notification_line(method, Some(&params.to_string())).as_bytes())
}
