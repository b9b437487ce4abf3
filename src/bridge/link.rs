//! One server process that requests of several clients share.
//!
//! The ids and progress tokens on the server's side are the link's own, so that no answer can reach
//! anybody but whoever asked. What a server says without naming a request (a log line, a request of
//! its own) belongs to the one call that is under way; while there are several, it belongs to
//! nobody and is dropped.

use std::borrow::Cow;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use memchr::memmem::Finder;
use tokio::sync::{oneshot, watch};

use super::changes::{Change, Changes, Filter, RESOURCES};
use super::child::{Child, Ending};
use super::greeting::Era;
use super::inlet::Inlet;
use super::mailbox::{Mailbox, Said};
use crate::mcp::{
    self, CAPABILITIES_KEY, Envelope, FrameError, Kind, Members, Outcome, VERSION_KEY, Words, bare_line,
    notification_line, request_line, response_line, roomy,
};

/// Lines that wait to be written: whoever has another waits.
const OUTBOX: usize = 1;
/// How long a server whose output ended may take to exit by itself.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// Why a link carries nothing any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LinkEnd {
    /// The server closed its output.
    #[error("the server ended before it answered")]
    Ended,
    /// The server wrote what cannot be read.
    #[error("the server's output cannot be read: {0}")]
    Unreadable(String),
    /// Nobody needs it any more.
    #[error("the bridge is stopping")]
    Closed,
}

/// What a server says besides the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Aside {
    /// A notification, with the progress token as the client gave it.
    Notification {
        /// Its method.
        method: String,
        /// Its parameters, as JSON.
        params: Option<String>,
    },
    /// A request of the server's.
    Request {
        /// Its id, as the server wrote it.
        id: String,
        /// Its method.
        method: String,
        /// Its parameters, as JSON.
        params: Option<String>,
    },
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The text of the result or of the error object.
    Rpc(Outcome<String>),
    /// A line of JSON that is no JSON-RPC: the bare dialect's.
    Bare(String),
}

/// What is known of how a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speech {
    /// Nothing yet: whatever comes answers the call that finds it out.
    Unknown,
    /// JSON-RPC.
    Rpc,
    /// The bare dialect, in which an answer has no id: one call at a time.
    Bare,
}

/// A call that is under way.
#[derive(Debug)]
struct Call {
    mailbox: Arc<Mailbox>,
    /// The progress token that the client gave, as JSON.
    token: Option<String>,
}

#[derive(Debug, Default)]
struct Calls {
    next: u64,
    open: HashMap<u64, Call>,
    /// Once set, nothing is taken any more.
    ended: Option<LinkEnd>,
}

/// What the link's handles and its task share.
#[derive(Debug)]
struct Shared {
    calls: Mutex<Calls>,
    /// Set once a call was given up: whether the server still works on it nobody knows, so it gets no
    /// other.
    retired: AtomicBool,
    speech: Mutex<Speech>,
    /// Who hears of what changes in the server.
    changes: Arc<Changes>,
    /// What the server was asked to tell of.
    watched: Mutex<Filter>,
    /// Set before the link is over.
    ending: Mutex<Ending>,
    /// `None` where the server has no input.
    inlet: Option<Inlet>,
}

impl Shared {
    fn new(changes: Arc<Changes>, inlet: Option<Inlet>) -> Self {
        Self {
            calls: Mutex::default(),
            retired: AtomicBool::new(false),
            speech: Mutex::new(Speech::Unknown),
            changes,
            watched: Mutex::default(),
            ending: Mutex::default(),
            inlet,
        }
    }

    fn ending(&self) -> MutexGuard<'_, Ending> {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn speech(&self) -> Speech {
        *self.speech.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        // The calls are valid after every statement: a panic elsewhere does not spoil them.
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, end: &LinkEnd) {
        let mut calls = self.calls();
        calls.ended.get_or_insert_with(|| end.clone());
        for (_, call) in calls.open.drain() {
            call.mailbox.answer(Err(end.clone()));
        }
    }
}

/// A server's handle. When the last one goes, the server is ended.
#[derive(Debug)]
pub(crate) struct Link {
    shared: Arc<Shared>,
    /// Tells the task, by being dropped, that nobody has the link any more.
    held: oneshot::Sender<Infallible>,
    over: watch::Receiver<bool>,
    /// The level that the server was told to log from; `None` where it was told nothing.
    level: Mutex<Option<usize>>,
    pid: u32,
}

impl Link {
    /// Takes a server over, in a task of its own that ends it.
    pub(crate) fn start(mut child: Child, changes: Arc<Changes>) -> Self {
        let (inlet, pid) = (child.inlet(OUTBOX), child.pid());
        let shared = Arc::new(Shared::new(changes, inlet));
        let (held, let_go) = oneshot::channel();
        let (is_over, over) = watch::channel(false);
        let task = Task { child, shared: Arc::clone(&shared), let_go, is_over };
        tokio::spawn(task.run());
        Self { shared, held, over, level: Mutex::default(), pid }
    }

    /// The server's process.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// From now on the server is spoken to in this way.
    pub(crate) fn set_speech(&self, speech: Speech) {
        *self.shared.speech.lock().unwrap_or_else(PoisonError::into_inner) = speech;
    }

    /// How many calls are under way.
    pub(crate) fn under_way(&self) -> usize {
        self.shared.calls().open.len()
    }

    /// Whether another call may be put on it.
    pub(crate) fn is_open(&self) -> bool {
        !self.shared.retired.load(Ordering::Relaxed) && self.shared.calls().ended.is_none()
    }

    /// Every call that is under way, or is still to be made, ends: the bridge does.
    pub(crate) fn stop(&self) {
        self.shared.end(&LinkEnd::Closed);
        if let Some(inlet) = &self.shared.inlet {
            inlet.refuse();
        }
    }

    /// Waits until the server has been ended and reaped.
    pub(crate) async fn over(&self) {
        let mut over = self.over.clone();
        // The other end goes only when it is over.
        let _ = over.wait_for(|over| *over).await;
    }

    /// Ends the server, unless it has ended already, and tells how it came to its end.
    pub(crate) async fn last_words(self) -> Ending {
        let Self { shared, held, mut over, .. } = self;
        drop(held);
        // The other end goes only when it is over.
        let _ = over.wait_for(|over| *over).await;
        std::mem::take(&mut shared.ending())
    }

    /// How the server came to its end, once it has.
    pub(crate) fn ending(&self) -> Ending {
        self.shared.ending().clone()
    }

    /// Sends a request. `params` is JSON; of what the server says meanwhile, up to `asides` are kept.
    pub(crate) async fn ask(
        &self,
        method: &str,
        params: Option<&str>,
        asides: usize,
    ) -> Result<Asked, LinkEnd> {
        let mailbox = Mailbox::new(asides);
        let (id, line) = {
            let mut calls = self.shared.calls();
            if let Some(end) = &calls.ended {
                return Err(end.clone());
            }
            calls.next += 1;
            let id = calls.next;
            let (params, token) = with_token(params, id);
            let line = if self.shared.speech() == Speech::Bare {
                bare_line(method, params.as_deref())
            } else {
                request_line(id, method, params.as_deref())
            };
            calls.open.insert(id, Call { mailbox: Arc::clone(&mailbox), token });
            (id, line)
        };
        let asked = Asked { id, mailbox, done: false, link: self.shared.clone() };
        self.send(line).await?;
        Ok(asked)
    }

    /// Sends a notification. `params` is JSON.
    pub(crate) async fn tell(&self, method: &str, params: Option<&str>) -> Result<(), LinkEnd> {
        self.send(notification_line(method, params)).await
    }

    /// Answers a request of the server's; `id` as it wrote it.
    pub(crate) async fn answer(&self, id: &str, outcome: &Outcome<String>) -> Result<(), LinkEnd> {
        self.send(response_line(id, outcome)).await
    }

    /// Asks the server to tell of everything that somebody listens for, where it was not asked yet.
    pub(crate) async fn watch(&self, era: &Era) -> Result<(), LinkEnd> {
        let wanted = self.shared.changes.wanted();
        let new = {
            let mut watched = self.shared.watched.lock().unwrap_or_else(PoisonError::into_inner);
            let new = watched.lacks(&wanted);
            watched.add(&new);
            if watched.len() > 2 * RESOURCES {
                // It tells of so much that nobody wants any more; a fresh one starts anew.
                self.shared.retired.store(true, Ordering::Relaxed);
            }
            new
        };
        match era {
            _ if new.is_empty() => {}
            Era::Bare => {}
            Era::Legacy { .. } => {
                for uri in new.resources() {
                    let params = serde_json::json!({"uri": uri}).to_string();
                    // Whether it can is in its capabilities; its answer says no more.
                    self.ask("resources/subscribe", Some(&params), 0).await?.forget();
                }
            }
            Era::Modern { version, .. } => {
                let meta = serde_json::json!({VERSION_KEY: version, CAPABILITIES_KEY: {}});
                let params = serde_json::json!({"notifications": new.to_json(), "_meta": meta}).to_string();
                // It goes on for as long as the server does, and so is none of the calls.
                self.send(request_line(WATCH, "subscriptions/listen", Some(&params))).await?;
            }
        }
        Ok(())
    }

    /// The level that the server was told to log from.
    pub(crate) fn level(&self) -> Option<usize> {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_level(&self, level: usize) {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner) = Some(level);
    }

    async fn send(&self, line: String) -> Result<(), LinkEnd> {
        let said = match &self.shared.inlet {
            Some(inlet) => inlet.say(framed(line)).await,
            None => false,
        };
        if said { Ok(()) } else { Err(self.shared.calls().ended.clone().unwrap_or(LinkEnd::Ended)) }
    }
}

/// A request that was sent. Dropped before its answer came, it is cancelled, and its link retired.
#[derive(Debug)]
pub(crate) struct Asked {
    id: u64,
    mailbox: Arc<Mailbox>,
    done: bool,
    link: Arc<Shared>,
}

impl Asked {
    /// Waits for what the server says next; the answer comes last, and once.
    pub(crate) async fn next(&mut self) -> Said {
        let said = self.mailbox.next().await;
        self.done |= matches!(said, Said::Answer(_));
        said
    }

    /// Waits for the answer.
    pub(crate) async fn answer(&mut self) -> Result<Answer, LinkEnd> {
        loop {
            if let Said::Answer(answer) = self.next().await {
                return answer;
            }
        }
    }

    /// From now on progress is told under this token of the client's, as JSON.
    pub(crate) fn rename(&self, token: Option<String>) {
        if let Some(call) = self.link.calls().open.get_mut(&self.id) {
            call.token = token;
        }
    }

    /// Waits no longer, and holds nothing against the server: a late answer is an answer to nobody.
    pub(crate) fn forget(mut self) {
        self.link.calls().open.remove(&self.id);
        self.done = true;
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        if self.link.calls().open.remove(&self.id).is_some() {
            self.link.retired.store(true, Ordering::Relaxed);
            self.link.tell_now(cancellation(self.id, self.link.speech()));
        }
    }
}

struct Task {
    child: Child,
    shared: Arc<Shared>,
    /// Resolves once nobody has the link any more.
    let_go: oneshot::Receiver<Infallible>,
    is_over: watch::Sender<bool>,
}

impl Task {
    async fn run(mut self) {
        let end = self.talk().await;
        if end != LinkEnd::Closed {
            self.child.is_lost();
        }
        self.shared.end(&end);
        // Its output ends a moment before the process has: what it ends with is its own.
        if end == LinkEnd::Ended {
            self.child.ends_within(LAST_WORDS).await;
        }
        if let Some(inlet) = &self.shared.inlet {
            inlet.close();
        }
        *self.shared.ending() = self.child.end().await;
        let _ = self.is_over.send(true);
    }

    async fn talk(&mut self) -> LinkEnd {
        let (streams, shared) = (self.child.streams(), &self.shared);
        let read = async {
            loop {
                match streams.stdout.next_in_place().await {
                    Ok(Some(line)) => {
                        // Without waiting: it may not be reading.
                        if let Some(refusal) = shared.hear(line)
                            && !shared.tell_now(refusal)
                        {
                            return LinkEnd::Unreadable("it asks and does not listen".to_owned());
                        }
                        streams.share.release();
                    }
                    Ok(None) | Err(FrameError::Io(_)) => return LinkEnd::Ended,
                    Err(error) => return LinkEnd::Unreadable(error.to_string()),
                }
            }
        };
        let write = async {
            match &shared.inlet {
                Some(inlet) => inlet.write().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            end = read => end,
            never = write => match never {},
            never = streams.stderr.drain() => match never {},
            // A server may read no more, and live on: that is for as long as somebody has the link.
            _ = &mut self.let_go => LinkEnd::Closed,
        }
    }
}

impl Shared {
    /// Says something without waiting; false where the server does not listen.
    fn tell_now(&self, line: Bytes) -> bool {
        self.inlet.as_ref().is_none_or(|inlet| inlet.say_now(line))
    }

    /// Passes a line of the server's on. Returns what is to be said to it at once.
    fn hear(&self, line: &str) -> Option<Bytes> {
        let Ok((envelope, kind)) = Envelope::read(line) else {
            self.hear_bare(line);
            return None;
        };
        let id = envelope.id.map(serde_json::value::RawValue::get);
        let params = || envelope.params.map(|params| params.get().to_owned());
        match kind {
            Kind::Response(outcome) => {
                let outcome = match outcome {
                    Outcome::Result(result) => Outcome::Result(roomy(result.get())),
                    Outcome::Error(error) => Outcome::Error(roomy(error.get())),
                };
                let call = id.and_then(|id| self.calls().open.remove(&id.parse().ok()?));
                if let Some(call) = call {
                    call.mailbox.answer(Ok(Answer::Rpc(outcome)));
                } else {
                    tracing::debug!("an answer to nobody");
                }
                None
            }
            Kind::Notification(method) if method == PROGRESS => {
                self.progress(envelope.params.map(serde_json::value::RawValue::get).unwrap_or_default());
                None
            }
            Kind::Notification(method) => {
                let params = params();
                if let Some(change) = Change::read(&method, params.as_deref()) {
                    self.changes.tell(&change);
                } else {
                    self.aside(Aside::Notification { method, params });
                }
                None
            }
            Kind::Request(method) => {
                let id = id.unwrap_or("null").to_owned();
                if method == "ping" {
                    return Some(framed(response_line(&id, &Outcome::Result("{}"))));
                }
                let refusal = format!(
                    r#"{{"code":-32601,"message":{}}}"#,
                    serde_json::Value::from(format!("{method} cannot be asked here"))
                );
                let told = self.aside(Aside::Request { id: id.clone(), method, params: params() });
                (!told).then(|| framed(response_line(&id, &Outcome::Error(refusal))))
            }
        }
    }

    /// Without JSON-RPC a line of JSON answers the one call that is under way; while nothing is known
    /// of the server, an object does.
    fn hear_bare(&self, line: &str) {
        let is_answer = match self.speech() {
            Speech::Rpc => false,
            Speech::Bare => serde_json::from_str::<&serde_json::value::RawValue>(line).is_ok(),
            Speech::Unknown => Members::read(line).is_some_and(|members| members.get("jsonrpc").is_none()),
        };
        let mut calls = self.calls();
        let only = calls.open.keys().next().copied().filter(|_| calls.open.len() == 1);
        if let Some(call) = only.filter(|_| is_answer).and_then(|id| calls.open.remove(&id)) {
            call.mailbox.answer(Ok(Answer::Bare(line.to_owned())));
        } else {
            tracing::debug!("the server wrote a line that is no message");
        }
    }

    /// Hands something to the only call that is under way, and returns whether it was taken.
    fn aside(&self, aside: Aside) -> bool {
        let calls = self.calls();
        let mut open = calls.open.values();
        let (Some(only), None) = (open.next(), open.next()) else { return false };
        only.mailbox.put(aside)
    }

    /// Progress names its call by our token.
    fn progress(&self, params: &str) {
        let Some(mut params) = Members::read(params) else { return };
        let calls = self.calls();
        let call = params.value::<u64>("progressToken").and_then(|token| calls.open.get(&token));
        let Some(Call { mailbox, token: Some(token) }) = call else { return };
        params.set("progressToken", token.as_str());
        // Of progress the latest counts; some may be lost.
        let params = Some(params.to_string());
        mailbox.put(Aside::Notification { method: PROGRESS.to_owned(), params });
    }
}

const PROGRESS: &str = "notifications/progress";
/// The id of the requests by which a server is asked to tell of changes, which are never answered while it
/// does; as JSON.
const WATCH: &str = "\"mcp-bridge-watch\"";
fn framed(line: String) -> Bytes {
    Bytes::from(mcp::framed(line))
}

/// What tells a server that nobody waits for an answer; the bare dialect has no such word.
fn cancellation(id: u64, speech: Speech) -> Bytes {
    if speech == Speech::Bare {
        return Bytes::new();
    }
    let params = format!(r#"{{"requestId":{id},"reason":"the client has gone"}}"#);
    framed(notification_line("notifications/cancelled", Some(&params)))
}

/// Most requests have none, and are not taken apart. Any letter of its name can be spelt as an escape.
fn may_have_token(params: &str) -> bool {
    static TOKEN: Words = Words::new(|| Finder::new("progressToken"));
    static ESCAPE: Words = Words::new(|| Finder::new("\\u00"));
    TOKEN.are_in(params) || ESCAPE.are_in(params)
}

/// The progress token that parameters carry, as JSON.
pub(crate) fn token_of(params: &str) -> Option<String> {
    let members = may_have_token(params).then(|| Members::read(params)).flatten()?;
    Some(Members::read(members.get("_meta")?)?.get("progressToken")?.to_owned())
}

/// The parameters with the link's own progress token in the place of the client's, and the client's.
fn with_token(params: Option<&str>, id: u64) -> (Option<Cow<'_, str>>, Option<String>) {
    let Some(params) = params else { return (None, None) };
    let changed = || {
        let mut members = may_have_token(params).then(|| Members::read(params)).flatten()?;
        let meta = members.get("_meta")?.to_owned();
        let mut meta = Members::read(&meta)?;
        let token = meta.get("progressToken")?.to_owned();
        meta.set("progressToken", id.to_string());
        members.set("_meta", meta.to_string());
        Some((members.to_string(), token))
    };
    match changed() {
        Some((params, token)) => (Some(Cow::Owned(params)), Some(token)),
        None => (Some(Cow::Borrowed(params)), None),
    }
}

#[cfg(any(test, fuzzing))]
#[path = "link_fuzzing.rs"]
pub(crate) mod fuzzing;
#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;
