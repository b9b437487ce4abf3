//! Where every request begins and its answer leaves: its account is opened, its name given.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::account::RpcFault;
use super::body::Counted;
use super::{Account, request_id};
use crate::bridge::problem;
use crate::bridge::serve::Bridge;

/// Passes a request on with its account, and gives its answer the request's name.
pub(crate) async fn receive(State(bridge): State<Arc<Bridge>>, request: Request, next: Next) -> Response {
    let account = Account::open(&bridge.telemetry, &request);
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(account.clone());
    let body = Counted::received(body, account.clone());
    let response = next.run(Request::from_parts(parts, body)).await;
    let mut response = problem::named(response, account.id().as_str());
    if let Some(id) = account.id().value() {
        response.headers_mut().insert(request_id::HEADER, id);
    }
    account.is_answered(response.status(), response.extensions().get::<RpcFault>().copied());
    response.map(|body| Counted::sent(body, account))
}
