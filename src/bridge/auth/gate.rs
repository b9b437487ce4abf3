//! Every request's principal. `/healthz` and `/docs` ask nobody who they are, since the one says nothing of
//! the server and the other is the page in which a token is shown; `/readyz` asks only those who show it.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{StatusCode, header};
use tokio::time::interval;

use super::super::problem::Problem;
use super::super::tls::Tls;
use super::access::Access;
use super::limits::{Excess, Limits, Place};
use super::principal::Identity;
use super::{Caller, Doors, Principal, TokenFile, bearer};

/// What is open to everybody who may connect at all.
const OPEN: [&str; 2] = ["/healthz", "/docs"];
/// Likewise, but whoever shows who they are is told more.
const OPEN_IN_PART: &str = "/readyz";
/// How often a connection that stays open is compared with the token file.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// What decides who comes in.
#[derive(Debug)]
pub(crate) struct Gate {
    tokens: Option<TokenFile>,
    certificates: bool,
    limits: Arc<Limits>,
    /// What those may do of whom nothing is listed.
    all: Arc<Access>,
}

impl Gate {
    pub(crate) fn new(doors: &Doors) -> Self {
        Self {
            tokens: doors.tokens.clone(),
            certificates: doors.tls.as_ref().is_some_and(Tls::knows_clients),
            limits: Limits::new(doors.max_requests_per_second, doors.max_connections_per_principal),
            all: Arc::default(),
        }
    }

    /// Whether clients are asked who they are.
    fn asks(&self) -> bool {
        self.tokens.is_some() || self.certificates
    }

    /// A place for a connection or a call of a principal's, until it is dropped.
    pub(crate) fn enter(&self, principal: &Principal) -> Result<Place, Problem> {
        self.limits.enter(principal.identity()).map_err(too_much)
    }

    /// Waits until what let a principal in does so no more. For connections that stay open.
    pub(crate) async fn shut_to(&self, principal: &Principal) {
        match &self.tokens {
            Some(tokens) => tokens.shut_to(principal).await,
            None => std::future::pending().await,
        }
    }

    /// Looks again and again whether the tokens have changed: for those who stay.
    pub(crate) async fn keep_looking(&self) {
        let Some(tokens) = &self.tokens else { return };
        let mut look = interval(LOOK_AGAIN);
        loop {
            look.tick().await;
            tokens.look();
        }
    }

    /// Looks who a request is from; `None` where nobody is asked.
    pub(crate) fn check(&self, caller: &Caller, parts: &mut Parts) -> Result<Option<Principal>, Problem> {
        let path = parts.uri.path();
        if OPEN.contains(&path) || (path == OPEN_IN_PART && self.asks() && !shows_anything(caller, parts)) {
            return Ok(None);
        }
        let principal = self.identify(caller, parts);
        // Whoever is turned away pays from the account of where they come from.
        let nobody = Identity::of_address(caller.address);
        let payer = principal.as_ref().map_or(&nobody, Principal::identity);
        self.limits.request(payer).map_err(too_much)?;
        principal.map(Some)
    }

    fn identify(&self, caller: &Caller, parts: &mut Parts) -> Result<Principal, Problem> {
        let shown = bearer::take(parts)?;
        let all = || Arc::clone(&self.all);
        if let (Some(tokens), Some(token)) = (&self.tokens, shown) {
            return tokens.find(&token).ok_or_else(|| {
                tracing::debug!("{} showed a token that is not one of ours", caller.address);
                Problem::new(StatusCode::UNAUTHORIZED, "the token is not one of this bridge's")
                    .header(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")
            });
        }
        match (&caller.certificate, &self.tokens) {
            (Some(name), Some(tokens)) => Ok(tokens.of_certificate(name)),
            (Some(name), None) => Ok(Principal::new(Identity::Certificate(Arc::clone(name)), all())),
            (None, Some(_)) => Err(no_token(bearer::is_in_query(parts))),
            (None, None) if self.certificates => Err(no_certificate()),
            (None, None) => Ok(Principal::new(Identity::of_address(caller.address), all())),
        }
    }
}

/// Whether the request or its connection says who it comes from, truly or not.
fn shows_anything(caller: &Caller, parts: &Parts) -> bool {
    caller.certificate.is_some() || parts.headers.contains_key(header::AUTHORIZATION)
}

fn no_token(in_query: bool) -> Problem {
    let hint = if in_query {
        "a token in the address is not read, for addresses are logged; send the header Authorization: \
         Bearer <token> and make a new token, for this one has been seen"
    } else {
        "send the header Authorization: Bearer <token>; a web page opens its WebSocket with the \
         subprotocols \"mcp\" and \"bearer.<token>\""
    };
    Problem::new(StatusCode::UNAUTHORIZED, "the request shows no token")
        .hint(hint)
        .header(header::WWW_AUTHENTICATE, "Bearer")
}

/// Not 401, which would have to name a way to show who one is in the request itself.
fn no_certificate() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "this bridge knows its clients by their certificates")
        .hint("connect with a client certificate of the authority that the bridge was started with")
}

fn too_much(excess: Excess) -> Problem {
    let (detail, hint) = match excess {
        Excess::Requests(most) => (
            format!("too many requests in a second; at most {most} of one client's are taken"),
            "try again later, or start the bridge with a higher --max-requests-per-second",
        ),
        Excess::Connections(most) => (
            format!("too many connections and calls at a time; at most {most} of one client's are taken"),
            "close one, or start the bridge with a higher --max-connections-per-principal",
        ),
        Excess::Principals => ("too many different clients at a time".to_owned(), "try again later"),
    };
    Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).hint(hint).header(header::RETRY_AFTER, "1")
}

/// A principal may not call a tool.
pub(crate) fn denied(principal: &Principal, tool: &str) -> Problem {
    let detail = format!("{} may not call the tool {tool:?}", principal.identity());
    Problem::new(StatusCode::FORBIDDEN, detail)
        .hint("the list of tools is in the bridge's token file, on this client's line")
}

/// A principal may call some tools only, on a wire that passes on whatever it gets.
pub(crate) fn needs_a_list(principal: &Principal) -> Problem {
    let who = principal.identity();
    let detail = format!("{who} may call some tools only, and a WebSocket passes on every message as it is");
    Problem::new(StatusCode::FORBIDDEN, detail)
        .hint("call the tools with POST /mcp and {\"method\", \"params\"}")
}
