//! A stateless request, put to a server of the pool's: answered with one JSON object, or, where the
//! server says something before it answers, with a stream of events that the answer ends.
//!
//! A server with a handshake asks its client by requests of its own. To a client of this era they are what
//! the request needs before it can go on ([`Step::Ask`]); the server waits meanwhile ([`super::held`]).

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use axum_core::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::{StatusCode, header};
use serde_json::json;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::abilities::{is_answer, is_question};
use super::auth::Principal;
use super::auth::limits::Place;
use super::greeting::Era;
use super::held::{self, Held};
use super::link::{Answer, Aside, Asked, LinkEnd};
use super::mailbox::Said;
use super::permitted;
use super::pool::Lease;
use super::readiness;
use super::serve::Bridge;
use super::sessions::sse;
use super::stateless::{Refusal, Stateless};
use super::telemetry::{Account, RpcFault};
use super::wording::{is_gone, known, method_for, outcome, params_for};
use crate::mcp::{Members, Outcome, json_text, notification_line, response_line_of, severity};

const TOO_SLOW: &str = "the server did not answer in time (--call-timeout)";
pub(crate) const METHOD_NOT_FOUND: i64 = -32601;
/// The server needs what the client did not say that it can.
const MISSING_CAPABILITY: i64 = -32021;
const INTERNAL_ERROR: i64 = -32603;
/// What a server says besides the answer and the client has not taken yet; more of it is dropped.
const ASIDES: usize = 64;
/// How long a server that has asked one thing may take to ask another at the same time.
const BREATH: Duration = Duration::from_millis(10);

/// Whom a request is from, and what it holds for as long as it lasts.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) principal: Principal,
    pub(crate) account: Account,
    pub(crate) _place: Place,
}

/// Answers a request within `deadline`.
pub(crate) async fn answer(
    bridge: &Arc<Bridge>,
    client: Client,
    lease: Lease,
    request: Stateless,
    deadline: Instant,
) -> Response {
    if is_gone(&request.method) {
        return not_found(&request).into_response();
    }
    if let Some(known) = known(lease.era(), &request.method) {
        return whole(&request, known);
    }
    match Exchange::begin(client, lease, request, deadline).await {
        Ok(exchange) => exchange.respond(bridge).await,
        Err(response) => *response,
    }
}

/// Goes on with a call that waited for its client; `None` for a request that is a new one.
pub(crate) async fn resume(
    bridge: &Arc<Bridge>,
    principal: &Principal,
    request: &Stateless,
    deadline: Instant,
) -> Option<Response> {
    match bridge.held.resume(principal, request).await {
        Ok(None) => None,
        Ok(Some(mut exchange)) => {
            exchange.request = request.clone();
            exchange.deadline = deadline;
            Some(exchange.respond(bridge).await)
        }
        Err(refused) => Some(whole(request, refused)),
    }
}

/// A request that the server works on. Dropped, it is cancelled.
#[derive(Debug)]
pub(crate) struct Exchange {
    lease: Lease,
    asked: Asked,
    pub(crate) request: Stateless,
    deadline: Instant,
    client: Client,
    /// What the server asked and has no answer to, by the name that the client knows it by.
    pub(crate) questions: BTreeMap<String, Question>,
    /// What the client answered before it was asked.
    given: HashMap<String, String>,
}

/// What a server asked: its own id of it, as it wrote it, the method, and the parameters as JSON.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) id: String,
    pub(crate) method: String,
    pub(crate) params: Option<String>,
}

/// What comes next.
enum Step {
    /// The client is told this.
    Say(String),
    /// That is the answer.
    Done(Outcome<String>),
    /// There is no answer to come.
    Broken(String),
    /// The client has to answer first.
    Ask,
}

impl Exchange {
    async fn begin(
        client: Client,
        lease: Lease,
        request: Stateless,
        deadline: Instant,
    ) -> Result<Self, Box<Response>> {
        let Some(params) = params_for(lease.era(), &request) else {
            return Err(Box::new(not_found(&request).into_response()));
        };
        if timeout_at(deadline, say_level(&lease, &request)).await.is_err() {
            return Err(Box::new(broken(&request, &TOO_SLOW)));
        }
        let given = held::answers(&request).map_err(|refused| Box::new(whole(&request, refused)))?;
        let given = given.into_iter().collect();
        let asked = lease.link().ask(method_for(lease.era(), &request), Some(&params), ASIDES).await;
        let asked = asked.map_err(|end| Box::new(broken(&request, &end)))?;
        Ok(Self { lease, asked, request, deadline, client, questions: BTreeMap::new(), given })
    }

    async fn respond(mut self, bridge: &Arc<Bridge>) -> Response {
        match self.step(bridge).await {
            Step::Say(line) => events(self, &line, Arc::clone(bridge)),
            Step::Done(outcome) => whole(&self.request, outcome),
            Step::Broken(why) => broken(&self.request, &why),
            Step::Ask => {
                let (request, outcome) = self.hold(bridge);
                whole(&request, outcome)
            }
        }
    }

    /// The next thing that the client is to hear.
    async fn step(&mut self, bridge: &Arc<Bridge>) -> Step {
        loop {
            let breath = async {
                if self.questions.is_empty() {
                    std::future::pending::<()>().await;
                }
                sleep(BREATH).await;
            };
            let aside = tokio::select! {
                biased;
                said = self.asked.next() => match said {
                    Said::Aside(aside) => aside,
                    Said::Answer(Ok(answer)) => return Step::Done(self.outcome(answer)),
                    Said::Answer(Err(end)) => {
                        if end != LinkEnd::Closed {
                            readiness::suspect(bridge);
                        }
                        return Step::Broken(end.to_string());
                    }
                },
                () = breath => return Step::Ask,
                () = sleep_until(self.deadline) => return Step::Broken(TOO_SLOW.to_owned()),
            };
            // Whoever says something is at work.
            self.deadline = self.deadline.max(Instant::now() + bridge.settings.call_timeout);
            match aside {
                Aside::Notification { method, params } => {
                    if self.wants(&method, params.as_deref()) {
                        return Step::Say(notification_line(&method, params.as_deref()));
                    }
                }
                Aside::Request { id, method, params } => {
                    let lacking = self.request.able.lacks(&method);
                    if lacking.is_none() && is_question(&method) {
                        let given =
                            self.given.remove(&name_of(&id)).filter(|given| is_answer(&method, given));
                        if let Some(given) = given {
                            if self.lease.link().answer(&id, &Outcome::Result(given)).await.is_err() {
                                return Step::Broken(LinkEnd::Ended.to_string());
                            }
                            continue;
                        }
                        // `1` and `"1"` have the same characters, and are two.
                        let name = Some(name_of(&id)).filter(|name| !self.questions.contains_key(name));
                        self.questions
                            .insert(name.unwrap_or_else(|| id.clone()), Question { id, method, params });
                        continue;
                    }
                    let words = format!("{method} cannot be asked here");
                    let error = json!({"code": METHOD_NOT_FOUND, "message": words}).to_string();
                    if self.lease.link().answer(&id, &Outcome::Error(error)).await.is_err() {
                        return Step::Broken(LinkEnd::Ended.to_string());
                    }
                    if let Some(capability) = lacking {
                        return Step::Done(missing(capability));
                    }
                }
            }
        }
    }

    /// Whether a notification is for this client: what a server logs is for whoever asked for it.
    fn wants(&self, method: &str, params: Option<&str>) -> bool {
        if method != "notifications/message" {
            return true;
        }
        let said = params.and_then(Members::read).and_then(|params| params.value::<String>("level"));
        let said = said.and_then(|level| severity(&level));
        self.request.level.is_some_and(|least| said.is_none_or(|said| said >= least))
    }

    fn outcome(&self, answer: Answer) -> Outcome<String> {
        let outcome = outcome(self.lease.era(), &self.request, answer);
        match outcome {
            Outcome::Result(result)
                if self.request.method == "tools/list" && self.client.principal.is_restricted() =>
            {
                permitted::listed_in(&self.client.principal, &result)
            }
            outcome => outcome,
        }
    }

    /// Keeps the call until the client answers what the server asked.
    fn hold(self, bridge: &Arc<Bridge>) -> (Stateless, Outcome<String>) {
        let asked = held::asked(&self.questions);
        let request = self.request.clone();
        let outcome = match Held::keep(bridge, self) {
            Some(state) => {
                let mut result = Members::default();
                result.set("resultType", r#""input_required""#);
                result.set("inputRequests", asked);
                result.set("requestState", json_text(&state));
                Outcome::Result(result.to_string())
            }
            None => internal(&"too many requests wait for their clients"),
        };
        (request, outcome)
    }

    /// Tells the server what the client answered.
    pub(crate) async fn reply(&mut self, name: &str, answer: &str) -> Result<(), LinkEnd> {
        match self.questions.remove(name) {
            Some(question) => {
                self.lease.link().answer(&question.id, &Outcome::Result(answer.to_owned())).await
            }
            None => Ok(()),
        }
    }

    /// Goes on under the token of the client's next request.
    pub(crate) fn goes_on_as(&self, request: &Stateless) {
        self.asked.rename(super::link::token_of(&request.params));
    }

    /// Who asked.
    pub(crate) fn principal(&self) -> &Principal {
        &self.client.principal
    }
}

/// Tells a server with a handshake from which level on this client wants to hear what it logs.
async fn say_level(lease: &Lease, request: &Stateless) {
    let Some(level) = request.level.filter(|_| matches!(lease.era(), Era::Legacy { .. })) else { return };
    if lease.link().level() == Some(level) || lease.era().capabilities().get("logging").is_none() {
        return;
    }
    let params = json!({"level": crate::mcp::level_name(level)}).to_string();
    // What it cannot do it logs as it likes; what reaches the client is decided here.
    if let Ok(mut asked) = lease.link().ask("logging/setLevel", Some(&params), 0).await
        && asked.answer().await.is_ok()
    {
        lease.link().set_level(level);
    }
}

/// What a client knows a question by: its id's characters.
fn name_of(id: &str) -> String {
    serde_json::from_str(id).unwrap_or_else(|_| id.to_owned())
}

fn missing(capability: &str) -> Outcome<String> {
    let error = json!({
        "code": MISSING_CAPABILITY,
        "message": format!("the server needs {capability}, which the client did not say that it can"),
        "data": {"requiredCapabilities": {capability: {}}},
    });
    Outcome::Error(error.to_string())
}

fn events(exchange: Exchange, first: &str, bridge: Arc<Bridge>) -> Response {
    let first = event(first);
    let rest = stream::unfold(Some(exchange), move |exchange| {
        let bridge = Arc::clone(&bridge);
        async move {
            let mut exchange: Exchange = exchange?;
            let account = exchange.client.account.clone();
            let still_here = sleep(bridge.settings.waits.still_here);
            let step = tokio::select! {
                step = exchange.step(&bridge) => step,
                () = still_here => return Some((sse::STILL_HERE, Some(exchange))),
            };
            let (id, outcome) = match step {
                Step::Say(line) => return Some((event(&line), Some(exchange))),
                Step::Done(outcome) => (exchange.request.id, outcome),
                Step::Broken(why) => (exchange.request.id, internal(&why)),
                Step::Ask => {
                    let (request, outcome) = exchange.hold(&bridge);
                    (request.id, outcome)
                }
            };
            if let Outcome::Error(error) = &outcome {
                account.fails(RpcFault(code(error).unwrap_or_default()));
            }
            Some((event(&response_line_of(&id, outcome)), None))
        }
    });
    sse::response(stream::StreamExt::chain(stream::iter([first]), rest))
}

fn event(line: &str) -> Bytes {
    sse::event(None, line.as_bytes())
}

fn whole(request: &Stateless, outcome: Outcome<String>) -> Response {
    let fault = match &outcome {
        Outcome::Error(error) => Some(RpcFault(code(error).unwrap_or_default())),
        Outcome::Result(_) => None,
    };
    let status = match &outcome {
        Outcome::Error(error) if code(error) == Some(METHOD_NOT_FOUND) => StatusCode::NOT_FOUND,
        Outcome::Error(error) if code(error) == Some(MISSING_CAPABILITY) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    let mut response = Refusal { status, body: response_line_of(&request.id, outcome) }.into_response();
    if let Some(fault) = fault {
        response.extensions_mut().insert(fault);
    }
    response
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, [(header::CONTENT_TYPE, "application/json")], self.body).into_response()
    }
}

pub(crate) fn not_found(request: &Stateless) -> Refusal {
    let message = format!("Method not found: {}", request.method);
    Refusal::new(StatusCode::NOT_FOUND, Some(&request.id), METHOD_NOT_FOUND, &message)
}

fn broken(request: &Stateless, why: &impl Display) -> Response {
    let body = response_line_of(&request.id, internal(why));
    Refusal { status: StatusCode::BAD_GATEWAY, body }.into_response()
}

fn internal(why: &impl Display) -> Outcome<String> {
    Outcome::Error(json!({"code": INTERNAL_ERROR, "message": why.to_string()}).to_string())
}

fn code(error: &str) -> Option<i64> {
    Members::read(error)?.value("code")
}

/// An error of the request's parameters.
pub(crate) fn invalid(words: &str) -> Outcome<String> {
    Outcome::Error(json!({"code": held::INVALID_PARAMS, "message": words}).to_string())
}
