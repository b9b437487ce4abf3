//! What every request goes through on its way to its handler, and every answer on its way back: its
//! account is opened, the guest list and the token file are asked, and whoever asks is told the name of
//! the request. One function, in the order of what happens, since each layer of a stack of services would
//! cost a request its allocations.

use std::sync::Arc;

use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use http::{Method, Request};
use hyper::body::Incoming;

use super::auth::{Caller, cors};
use super::serve::Bridge;
use super::socket::Peer;
use super::telemetry::{Account, Counted, REQUEST_ID, RpcFault};
use super::{paths, problem};

/// What a port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    /// Every wire. Clients are asked who they are.
    Wires,
    /// `/metrics` alone.
    Metrics,
}

/// A request, with what is known of it and of the connection that it came over.
#[derive(Debug)]
pub(crate) struct Visit {
    pub(crate) head: Parts,
    pub(crate) body: Counted<Incoming>,
    pub(crate) account: Account,
    pub(crate) peer: Arc<Peer>,
}

impl Port {
    /// Answers a request.
    pub(crate) async fn answer(
        self,
        bridge: &Arc<Bridge>,
        peer: Arc<Peer>,
        caller: &Caller,
        request: Request<Incoming>,
    ) -> Response<Counted> {
        let account = Account::open(&bridge.telemetry, caller, &request);
        let is_head = request.method() == Method::HEAD;
        let (head, body) = request.into_parts();
        let body = Counted::received(body, account.clone());
        let visit = Visit { head, body, account: account.clone(), peer };
        let under_way = bridge.wakeful.begin();
        let response = self.admit(bridge, caller, visit).await;
        drop(under_way);
        let mut response = problem::named(response, account.id().as_str());
        if let Some(id) = account.id().value() {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        account.is_answered(response.status(), response.extensions().get::<RpcFault>().copied());
        response.map(|body| {
            let body = Counted::sent(body, account);
            if is_head { body.unsent() } else { body }
        })
    }

    async fn admit(self, bridge: &Arc<Bridge>, caller: &Caller, mut visit: Visit) -> Response {
        let head = &mut visit.head;
        // Pages and foreign names are kept out of every port.
        if let Err(problem) = bridge.guests.admit(&head.method, &head.uri, &head.headers) {
            return problem.into_response();
        }
        if self == Self::Metrics {
            return paths::of_metrics(bridge, &visit);
        }
        let reader = cors::Reader::of(&bridge.settings.allowed_origins, &head.headers);
        let preflight = reader.as_ref().and_then(|reader| reader.preflight(head));
        let mut response = match preflight {
            Some(leave) => leave,
            None => match bridge.gate.check(caller, head) {
                Ok(principal) => {
                    if let Some(principal) = &principal {
                        visit.account.comes_from(principal);
                    }
                    paths::of_wires(bridge, principal, visit).await
                }
                Err(problem) => problem.into_response(),
            },
        };
        if let Some(reader) = reader {
            reader.share(&mut response);
        }
        response
    }
}
