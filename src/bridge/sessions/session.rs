//! One session: its server process, and the task that owns it until one of both ends.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::super::auth::limits::Place;
use super::super::child::Child;
use super::super::inlet::Inlet;
use super::super::serve::Bridge;
use super::super::telemetry::Wire;
use super::interpreter::{Act, Interpreter, Message};
use super::key::Key;
use super::streams::{NoStream, Reader, Streams};
use crate::mcp::{FrameError, framed};

/// Lines that wait to be written; whoever has another waits.
const OUTBOX: usize = 16;
/// How often overdue requests and an idle client are looked for.
const SWEEP: Duration = Duration::from_secs(1);
/// What is kept for a client that comes again, in bytes, besides one message.
const KEPT_BYTES: usize = 1024 * 1024;

/// What a session takes of what its principal, and all, may have.
#[derive(Debug)]
pub(super) struct Seats {
    pub(super) _of_principal: Place,
    pub(super) _of_bridge: OwnedSemaphorePermit,
}

/// What a session's handlers and its task share.
#[derive(Debug)]
pub(crate) struct Session {
    interpreter: Mutex<Interpreter>,
    streams: Arc<Streams>,
    /// `None` where the server has no input.
    inlet: Option<Inlet>,
    /// Told when the client ends it.
    ended: Notify,
    /// How many requests may be under way.
    in_flight: usize,
    /// How long the server may take to read.
    patience: Duration,
    pid: u32,
}

impl Session {
    /// Takes a server over, in a task of its own that ends it. The seats are held meanwhile.
    pub(super) fn start(
        mut child: Child,
        interpreter: Interpreter,
        bridge: Arc<Bridge>,
        seats: Arc<Seats>,
    ) -> Arc<Self> {
        let session = Arc::new(Self {
            interpreter: Mutex::new(interpreter),
            streams: Streams::new(KEPT_BYTES),
            inlet: child.inlet(OUTBOX),
            ended: Notify::new(),
            in_flight: bridge.settings.max_session_requests,
            patience: bridge.settings.call_timeout,
            pid: child.pid(),
        });
        let counted = bridge.telemetry.metrics().session(Wire::HttpLegacy);
        let task = Task { child, session: Arc::clone(&session) };
        tokio::spawn(async move {
            task.run(&bridge).await;
            drop((seats, counted));
        });
        session
    }

    /// The server's process.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// What its client is sent.
    pub(super) fn streams(&self) -> &Arc<Streams> {
        &self.streams
    }

    /// Puts a request of the client's, and returns what comes of it.
    pub(super) async fn ask(&self, message: &Message<'_>, id: &Key) -> Result<Reader, NoStream> {
        let reader = self.streams.open(id.clone(), self.in_flight)?;
        self.tell(message).await;
        Ok(reader)
    }

    /// Passes on what the client says.
    pub(super) async fn tell(&self, message: &Message<'_>) {
        self.streams.stir();
        let acts = self.interpreter().hear_client(message);
        let lines = self.carry_out(acts);
        let Some(inlet) = &self.inlet else { return };
        for line in lines {
            // When the server has ended, its task has answered everybody; so it has where it does not read.
            if !matches!(timeout(self.patience, inlet.say(line)).await, Ok(true)) {
                return;
            }
        }
    }

    /// Says what is said without waiting: the server may not be reading. False where it does not listen.
    fn tell_now(&self, acts: Vec<Act>) -> bool {
        let lines = self.carry_out(acts);
        self.inlet.as_ref().is_none_or(|inlet| lines.into_iter().all(|line| inlet.say_now(line)))
    }

    /// The client wants no more of it.
    pub(super) fn end(&self) {
        // A permit is kept for the task that is busy just now.
        self.ended.notify_one();
    }

    /// Does what is for the client, and returns what is for the server.
    fn carry_out(&self, acts: Vec<Act>) -> Vec<Bytes> {
        let mut lines = Vec::new();
        for act in acts {
            match act {
                Act::Tell(line) => lines.push(Bytes::from(framed(line))),
                Act::Say { of, text } => self.streams.push(of.as_ref(), text),
                Act::Answer { of, text } => self.streams.answer(&of, text),
                Act::Close(of) => self.streams.close(&of),
            }
        }
        lines
    }

    /// Every request that is open gets an error.
    fn fail(&self, why: &str) {
        let mut interpreter = self.interpreter();
        let open = interpreter.open();
        let acts = open.iter().flat_map(|request| interpreter.give_up(request, why)).collect();
        drop(interpreter);
        self.carry_out(acts);
    }

    fn interpreter(&self) -> MutexGuard<'_, Interpreter> {
        // It is valid after every message: a panic elsewhere does not spoil it.
        self.interpreter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a session ends.
#[derive(Debug)]
enum End {
    /// The server's output ended.
    Server,
    /// The server wrote what cannot be read.
    Unreadable(String),
    /// The client ended it.
    Client,
    /// The client has been silent for so long.
    Idle(Duration),
    /// The bridge was told to end.
    Stopping,
}

impl End {
    fn words(&self) -> String {
        match self {
            Self::Server => "the server ended before it answered".to_owned(),
            Self::Unreadable(why) => format!("the server's output cannot be read: {why}"),
            Self::Client => "the client ended the session".to_owned(),
            Self::Idle(limit) => format!("the session was idle for {limit:?}"),
            Self::Stopping => "the bridge is stopping".to_owned(),
        }
    }
}

struct Task {
    child: Child,
    session: Arc<Session>,
}

impl Task {
    async fn run(mut self, bridge: &Bridge) {
        let end = self.talk(bridge).await;
        let why = end.words();
        tracing::debug!("a session ends: {why}");
        bridge.sessions.forget(&self.session);
        if matches!(end, End::Server | End::Unreadable(_)) {
            self.child.is_lost();
        }
        if let Some(inlet) = &self.session.inlet {
            inlet.close();
        }
        self.session.fail(&why);
        self.session.streams.end();
        self.child.end().await;
    }

    async fn talk(&mut self, bridge: &Bridge) -> End {
        let (streams, session) = (self.child.streams(), &self.session);
        let read = async {
            loop {
                match streams.stdout.next().await {
                    Ok(Some(line)) => {
                        let acts = session.interpreter().hear_server(line);
                        if !session.tell_now(acts) {
                            return End::Unreadable("it asks and does not listen".to_owned());
                        }
                        // Until it was taken, it counts as held.
                        session.streams.room().await;
                        streams.share.release();
                    }
                    Ok(None) | Err(FrameError::Io(_)) => return End::Server,
                    Err(error) => return End::Unreadable(error.to_string()),
                }
            }
        };
        let write = async {
            match &session.inlet {
                Some(inlet) => inlet.write().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            end = read => end,
            never = write => match never {},
            end = look(session, bridge) => end,
            never = streams.stderr.drain() => match never {},
            () = session.ended.notified() => End::Client,
            () = bridge.stopped() => End::Stopping,
        }
    }
}

/// Gives up what is overdue, for as long as the client is not idle for too long.
async fn look(session: &Session, bridge: &Bridge) -> End {
    let (limit, idle) = (bridge.settings.call_timeout, bridge.settings.session_idle);
    let mut tick = interval(SWEEP.min(limit).min(idle));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let now = Instant::now();
        if session.streams.idle_since().is_some_and(|since| now - since >= idle) {
            return End::Idle(idle);
        }
        let Some(then) = now.checked_sub(limit) else { continue };
        for request in session.streams.overdue(then) {
            let why = format!("the server said nothing for {limit:?} (--call-timeout)");
            let acts = session.interpreter().give_up(&request, &why);
            if !session.tell_now(acts) {
                return End::Unreadable("it does not listen".to_owned());
            }
        }
    }
}
