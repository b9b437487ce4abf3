//! What is known of one request, gathered from its head to the last byte of its answer.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime};

use http::{Method, Request, StatusCode};

use super::access_log::{self, Line};
use super::metrics::OpenSession;
use super::request_id::RequestId;
use super::span::Span;
use super::trace::{Context, Parent};
use super::wire::{Outcome, Wire};
use super::{Telemetry, carrier};
use crate::bridge::auth::{Caller, Identity, Principal};

/// The longest path that is kept, in bytes.
const PATH_BYTES: usize = 256;
/// The longest method and the longest tool's name that are kept, in bytes.
const NAME_BYTES: usize = 128;
/// What most requests are about, and what is not copied for each.
const COMMON: [&str; 6] = ["/mcp", "/", "/ws", "tools/call", "tools/list", "initialize"];
/// Where no error of JSON-RPC's was answered; it is no code of one.
const NO_RPC_FAULT: i64 = i64::MIN;

/// An answer's extension: it is an error of JSON-RPC's, with this code, whatever its status.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RpcFault(pub(crate) i64);

/// One request's account. When the last of its holders is gone, the request has ended.
#[derive(Debug, Clone)]
pub(crate) struct Account(Arc<Ledger>);

#[derive(Debug)]
struct Ledger {
    telemetry: Arc<Telemetry>,
    id: RequestId,
    begun: Instant,
    http_method: Method,
    path: Cow<'static, str>,
    peer: IpAddr,
    /// What the request's head says of its trace.
    context: Context,
    /// What its body says.
    own: OnceLock<Parent>,
    /// The span that is exported, before its body was seen, and when it began.
    span: Option<(Parent, SystemTime)>,
    wire: AtomicU8,
    principal: OnceLock<Identity>,
    method: OnceLock<Cow<'static, str>>,
    tool: OnceLock<Cow<'static, str>>,
    /// 0 while no server is at work on it.
    server: AtomicU32,
    /// 0 until it is answered.
    status: AtomicU16,
    rpc_fault: AtomicI64,
    received: AtomicU64,
    sent: AtomicU64,
    broke_off: AtomicBool,
    /// Of a WebSocket that is open; it is not counted as under way any more.
    session: OnceLock<OpenSession>,
}

impl Account {
    /// A request has come.
    pub(crate) fn open<B>(telemetry: &Arc<Telemetry>, caller: &Caller, request: &Request<B>) -> Self {
        let path = request.uri().path();
        let context = Context::read(request.headers());
        // Beneath the client's span if there is one, else the first of a trace.
        let place = || context.parent.map_or_else(Parent::begin, Parent::child);
        let span = telemetry.exporter.is_some().then(|| (place(), SystemTime::now()));
        let ledger = Ledger {
            id: RequestId::of(request.headers()),
            begun: Instant::now(),
            http_method: request.method().clone(),
            path: kept(cut(path, PATH_BYTES)),
            peer: caller.address,
            context,
            own: OnceLock::new(),
            span,
            wire: AtomicU8::new(Wire::guess(path, request.headers()) as u8),
            principal: OnceLock::new(),
            method: OnceLock::new(),
            tool: OnceLock::new(),
            server: AtomicU32::new(0),
            status: AtomicU16::new(0),
            rpc_fault: AtomicI64::new(NO_RPC_FAULT),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            broke_off: AtomicBool::new(false),
            session: OnceLock::new(),
            telemetry: Arc::clone(telemetry),
        };
        telemetry.metrics.in_flight.add(1);
        Self(Arc::new(ledger))
    }

    /// What the request is called.
    pub(crate) fn id(&self) -> &RequestId {
        &self.0.id
    }

    /// It is let in, as this principal's.
    pub(crate) fn comes_from(&self, principal: &Principal) {
        let _ = self.0.principal.set(principal.identity().clone());
    }

    /// What its body shows it to be: over which wire it came, its method, and the tool it calls.
    pub(crate) fn asks(&self, wire: Wire, method: Option<&str>, tool: Option<&str>) {
        self.0.wire.store(wire as u8, Ordering::Relaxed);
        // Only the first word counts.
        for (place, name) in [(&self.0.method, method), (&self.0.tool, tool)] {
            if let Some(name) = name {
                let _ = place.set(kept(cut(name, NAME_BYTES)));
            }
        }
    }

    /// A server process is at work on it.
    pub(crate) fn is_served_by(&self, pid: u32) {
        self.0.server.store(pid, Ordering::Relaxed);
    }

    /// The parameters, with the request's place in its trace in their `_meta`; `None` where they are to stay,
    /// since they name one of their own, or there is none. `params` is JSON.
    pub(crate) fn hand_on(&self, params: &str) -> Option<String> {
        let ledger = &self.0;
        if let Some(own) = carrier::own(params) {
            let _ = ledger.own.set(own);
            return None;
        }
        match ledger.span {
            None => carrier::put(params, &ledger.context),
            Some((span, _)) => {
                carrier::put(params, &Context { parent: Some(span), ..ledger.context.clone() })
            }
        }
    }

    /// Bytes of its body, or of a message.
    pub(crate) fn receives(&self, bytes: usize) {
        let ledger = &self.0;
        ledger.received.fetch_add(bytes as u64, Ordering::Relaxed);
        // Before it is answered, its wire may not be known yet.
        if ledger.status.load(Ordering::Relaxed) != 0 {
            ledger.telemetry.metrics.on(ledger.wire()).received.add(bytes as u64);
        }
    }

    /// Bytes of its answer, or of a message.
    pub(crate) fn sends(&self, bytes: usize) {
        let ledger = &self.0;
        ledger.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        ledger.telemetry.metrics.on(ledger.wire()).sent.add(bytes as u64);
    }

    /// A message came over its WebSocket.
    pub(crate) fn hears(&self, bytes: usize) {
        self.0.telemetry.metrics.messages_in.add(1);
        self.receives(bytes);
    }

    /// A message went out over its WebSocket.
    pub(crate) fn says(&self, bytes: usize) {
        self.0.telemetry.metrics.messages_out.add(1);
        self.sends(bytes);
    }

    /// Its answer has begun.
    pub(crate) fn is_answered(&self, status: StatusCode, rpc_fault: Option<RpcFault>) {
        let ledger = &self.0;
        ledger.telemetry.metrics.on(ledger.wire()).received.add(ledger.received.load(Ordering::Relaxed));
        ledger.status.store(status.as_u16(), Ordering::Relaxed);
        if let Some(fault) = rpc_fault {
            self.fails(fault);
        }
        if status == StatusCode::SWITCHING_PROTOCOLS {
            let session = ledger.telemetry.metrics.session(ledger.wire());
            if ledger.session.set(session).is_ok() {
                ledger.telemetry.metrics.in_flight.subtract(1);
            }
        }
    }

    /// What it is answered is an error of JSON-RPC's; in a stream, that is known at its end.
    pub(crate) fn fails(&self, RpcFault(code): RpcFault) {
        self.0.rpc_fault.store(code, Ordering::Relaxed);
    }

    /// The client did not take all of its answer.
    pub(crate) fn breaks_off(&self) {
        self.0.broke_off.store(true, Ordering::Relaxed);
    }
}

impl Ledger {
    fn wire(&self) -> Wire {
        Wire::of_index(self.wire.load(Ordering::Relaxed))
    }

    /// Its place in its trace: the body's word counts for more than the head's.
    fn parent(&self) -> Option<Parent> {
        self.own.get().copied().or(self.context.parent)
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        let (wire, status) = (self.wire(), *self.status.get_mut());
        let metrics = &self.telemetry.metrics;
        if self.session.get().is_none() {
            metrics.in_flight.subtract(1);
        }
        if status == 0 {
            metrics.on(wire).received.add(*self.received.get_mut());
        }
        let rpc_fault = Some(*self.rpc_fault.get_mut()).filter(|&code| code != NO_RPC_FAULT);
        let outcome = Outcome::of(status, rpc_fault.is_some(), !*self.broke_off.get_mut());
        let tool = self.tool.get().map(AsRef::as_ref);
        let duration = self.begun.elapsed();
        metrics.end(wire, tool, (outcome, status), duration);
        let line = Line {
            id: self.id.as_str(),
            principal: self.principal.get(),
            peer: Some(self.peer),
            wire: wire.name(),
            http_method: known(&self.http_method),
            path: &self.path,
            method: self.method.get().map(AsRef::as_ref),
            tool,
            status: (status != 0).then_some(status),
            rpc_fault,
            outcome: outcome.name(),
            received: *self.received.get_mut(),
            sent: *self.sent.get_mut(),
            duration,
            server: Some(*self.server.get_mut()).filter(|&pid| pid != 0),
            trace: self.parent().or(self.span.map(|(span, _)| span)).map(|place| place.trace),
        };
        if self.telemetry.access_log {
            // What asks every few seconds whether all is well says nothing by being answered.
            let is_probe = wire == Wire::Other && outcome == Outcome::Ok;
            access_log::tell(&line, is_probe);
        }
        if let (Some(exporter), Some((span, begun))) = (&self.telemetry.exporter, self.span)
            && wire != Wire::Other
        {
            let parent = self.parent();
            // The body's own context may be of another trace than the head's.
            let place = self.own.get().map_or(span, |own| own.with_span(span.span));
            if place.is_sampled() {
                let state = self.context.state.take().filter(|_| self.own.get().is_none());
                exporter.take(Span::of(&line, place, parent.map(|parent| parent.span), state, begun));
            }
        }
    }
}

/// The method of HTTP's; whatever a client makes up is one.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "_OTHER",
    }
}

fn kept(word: &str) -> Cow<'static, str> {
    let common = COMMON.iter().find(|common| **common == word);
    common.map_or_else(|| Cow::Owned(word.to_owned()), |common| Cow::Borrowed(*common))
}

/// At most so many bytes of a text, in whole characters.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::telemetry::{Metrics, TelemetrySettings};

    const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn telemetry() -> Arc<Telemetry> {
        Telemetry::start(&TelemetrySettings::default(), Arc::default()).0
    }

    fn account(telemetry: &Arc<Telemetry>, headers: &[(&str, &str)]) -> Account {
        let mut request = Request::builder().method("POST").uri("/mcp?secret=1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let caller = Caller { address: "127.0.0.1".parse().expect("an address"), certificate: None };
        Account::open(telemetry, &caller, &request.body(()).expect("a request"))
    }

    fn ended(metrics: &Metrics, wire: Wire) -> Vec<u64> {
        metrics.on(wire).requests.iter().map(super::super::metrics::Count::read).collect()
    }

    #[test]
    fn a_request_ends_once_with_its_last_holder() {
        let telemetry = telemetry();
        let account = account(&telemetry, &[]);
        let held = account.clone();
        account.asks(Wire::HttpModern, Some("tools/call"), Some("echo"));
        account.receives(7);
        account.is_answered(StatusCode::OK, None);
        drop(account);
        assert_eq!(ended(&telemetry.metrics, Wire::HttpModern), [0; 5]);
        held.sends(3);
        drop(held);
        assert_eq!(ended(&telemetry.metrics, Wire::HttpModern), [1, 0, 0, 0, 0]);
        let of_wire = telemetry.metrics.on(Wire::HttpModern);
        assert_eq!((of_wire.received.read(), of_wire.sent.read()), (7, 3));
        assert_eq!(telemetry.metrics.tools.of(Some("echo")).name(), "echo");
    }

    #[test]
    fn a_request_that_is_given_up_is_counted_with_what_came_of_it() {
        let telemetry = telemetry();
        let account = account(&telemetry, &[]);
        account.receives(7);
        drop(account);
        assert_eq!(ended(&telemetry.metrics, Wire::Rest), [0, 0, 0, 0, 1]);
        assert_eq!(telemetry.metrics.on(Wire::Rest).received.read(), 7);
    }

    #[test]
    fn without_a_collector_the_client_s_context_is_handed_on_as_it_is() {
        let telemetry = telemetry();
        let with = account(&telemetry, &[("traceparent", TEXT)]);
        let expected = format!(r#"{{"_meta":{{"traceparent":"{TEXT}"}}}}"#);
        assert_eq!(with.hand_on("{}"), Some(expected));
        let own = format!(r#"{{"_meta":{{"traceparent":"{}"}}}}"#, TEXT.replace("4bf9", "5bf9"));
        assert_eq!(with.hand_on(&own), None);
        assert!(with.0.parent().is_some_and(|own| own.to_string().starts_with("00-5bf9")));
        assert_eq!(account(&telemetry, &[]).hand_on("{}"), None);
    }

    #[test]
    fn neither_query_nor_more_than_the_beginning_of_a_path_or_name_is_kept() {
        let telemetry = telemetry();
        let account = account(&telemetry, &[]);
        account.asks(Wire::Rest, None, Some(&"é".repeat(NAME_BYTES)));
        assert_eq!(&*account.0.path, "/mcp");
        assert_eq!(account.0.tool.get().map(|tool| tool.len()), Some(NAME_BYTES));
        assert_eq!(cut(&"x".repeat(300), PATH_BYTES).len(), PATH_BYTES);
    }
}
