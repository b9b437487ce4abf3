//! What every request goes through on its way to its handler, and every answer on its way back: its
//! account is opened, the guest list and the token file are asked, and whoever asks is told the name of
//! the request. One function, in the order of what happens, since each layer of a stack of services would
//! cost a request its allocations.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use super::auth::cors;
use super::problem;
use super::serve::Bridge;
use super::telemetry::{Account, Counted, REQUEST_ID, RpcFault};

/// What there is on a port.
#[derive(Debug, Clone)]
pub(crate) struct Port {
    pub(crate) paths: TowerToHyperService<Router>,
    /// Whether clients are asked there who they are.
    pub(crate) asks: bool,
}

impl Port {
    pub(crate) fn new(paths: Router, asks: bool) -> Self {
        Self { paths: TowerToHyperService::new(paths), asks }
    }

    /// Answers a request.
    pub(crate) async fn answer(&self, bridge: &Bridge, request: Request<Incoming>) -> Response<Counted> {
        let account = Account::open(&bridge.telemetry, &request);
        let (mut parts, body) = request.into_parts();
        parts.extensions.insert(account.clone());
        let body = Body::new(Counted::received(Body::new(body), account.clone()));
        let response = self.admit(bridge, parts, body).await;
        let mut response = problem::named(response, account.id().as_str());
        if let Some(id) = account.id().value() {
            response.headers_mut().insert(REQUEST_ID, id);
        }
        account.is_answered(response.status(), response.extensions().get::<RpcFault>().copied());
        response.map(|body| Counted::sent(body, account))
    }

    async fn admit(&self, bridge: &Bridge, mut parts: Parts, body: Body) -> Response {
        if let Err(problem) = bridge.guests.admit(&parts.method, &parts.uri, &parts.headers) {
            return problem.into_response();
        }
        if !self.asks {
            return self.handle(Request::from_parts(parts, body)).await;
        }
        let reader = cors::Reader::of(&bridge.settings.allowed_origins, &parts.headers);
        let preflight = reader.as_ref().and_then(|reader| reader.preflight(&parts));
        let mut response = match preflight {
            Some(leave) => leave,
            None => match bridge.gate.check(&mut parts) {
                Ok(()) => self.handle(Request::from_parts(parts, body)).await,
                Err(problem) => problem.into_response(),
            },
        };
        if let Some(reader) = reader {
            reader.share(&mut response);
        }
        response
    }

    async fn handle(&self, request: Request<Body>) -> Response {
        let Ok(response) = self.paths.call(request).await;
        response
    }
}
