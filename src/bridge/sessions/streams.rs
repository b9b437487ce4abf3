//! What a session's client is sent, and what of it can be sent again (MCP 2025-11-25, Streamable HTTP,
//! section "Resumability and Redelivery").
//!
//! Each request of the client's has a stream of its own, which its answer ends; whatever belongs to none
//! goes to the general one. Every message is on one stream alone. A stream has one reader at a time, the
//! newest; without one it keeps what comes, up to a bound that all streams of a session share.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::super::budget::SMALL_BYTES;
use super::key::Key;

/// The stream of what belongs to no request.
pub(crate) const GENERAL: u64 = 0;
/// What a reader may leave untaken before its server has to wait, in bytes.
const HIGH_WATER: usize = SMALL_BYTES;
/// Ended streams that can still be resumed.
const FINISHED_KEPT: usize = 16;

/// One message on a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its number on the stream; the first is 1.
    pub(crate) number: u64,
    /// The message, as JSON.
    pub(crate) text: Bytes,
    /// Whether it ends the stream.
    pub(crate) last: bool,
}

#[derive(Debug)]
struct Stream {
    kept: VecDeque<Event>,
    /// The number of the next event.
    next: u64,
    /// The last number that a reader has taken.
    taken: u64,
    reader: Option<Arc<Notify>>,
    over: bool,
    /// Whether its client knows a number by which to resume it.
    resumable: bool,
    /// When something last came or went.
    stirred: Instant,
}

impl Stream {
    fn new() -> Self {
        let kept = VecDeque::new();
        Self { kept, next: 1, taken: 0, reader: None, over: false, resumable: false, stirred: Instant::now() }
    }

    fn untaken(&self) -> usize {
        let untaken = self.kept.iter().rev().take_while(|event| event.number > self.taken);
        untaken.map(|event| event.text.len()).sum()
    }

    /// The first event after this one that is kept.
    fn after(&self, number: u64) -> Option<&Event> {
        // Their numbers follow on each other.
        let first = self.kept.front()?.number;
        self.kept.get(usize::try_from((number + 1).saturating_sub(first)).ok()?)
    }

    fn wake(&self) {
        if let Some(reader) = &self.reader {
            reader.notify_one();
        }
    }
}

#[derive(Debug)]
struct Log {
    streams: BTreeMap<u64, Stream>,
    /// The streams of requests without an answer.
    open: HashMap<Key, u64>,
    next: u64,
    bytes: usize,
    ended: bool,
    stirred: Instant,
}

/// All streams of one session.
#[derive(Debug)]
pub(crate) struct Streams {
    log: Mutex<Log>,
    /// The most bytes that are kept.
    most: usize,
    taken: Notify,
}

/// Why a request gets no stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoStream {
    /// A request of this id is under way.
    Known,
    /// As many as may be are under way.
    Full,
    /// The session has ended.
    Ended,
}

impl Streams {
    /// Streams that keep at most `most` bytes altogether, and one message more.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        let log = Log {
            streams: BTreeMap::from([(GENERAL, Stream { resumable: true, ..Stream::new() })]),
            open: HashMap::new(),
            next: GENERAL + 1,
            bytes: 0,
            ended: false,
            stirred: Instant::now(),
        };
        Arc::new(Self { log: Mutex::new(log), most, taken: Notify::new() })
    }

    /// A stream for a request, and its reader. At most `most` are under way.
    pub(crate) fn open(self: &Arc<Self>, request: Key, most: usize) -> Result<Reader, NoStream> {
        let mut log = self.log();
        if log.ended {
            return Err(NoStream::Ended);
        }
        if log.open.contains_key(&request) {
            return Err(NoStream::Known);
        }
        if log.open.len() >= most {
            return Err(NoStream::Full);
        }
        let number = log.next;
        log.next += 1;
        log.open.insert(request, number);
        log.stirred = Instant::now();
        let wake = Arc::new(Notify::new());
        let stream = Stream { reader: Some(Arc::clone(&wake)), ..Stream::new() };
        log.streams.insert(number, stream);
        drop(log);
        Ok(Reader { streams: Arc::clone(self), number, after: 0, wake })
    }

    /// Reads a stream on after an event; another reader that it had ends. `None` where it is not kept.
    pub(crate) fn resume(self: &Arc<Self>, number: u64, after: u64) -> Option<Reader> {
        let mut log = self.log();
        if log.ended {
            return None;
        }
        log.stirred = Instant::now();
        let stream = log.streams.get_mut(&number).filter(|stream| stream.resumable && after < stream.next)?;
        stream.wake();
        let wake = Arc::new(Notify::new());
        stream.reader = Some(Arc::clone(&wake));
        stream.taken = after;
        drop(log);
        Some(Reader { streams: Arc::clone(self), number, after, wake })
    }

    /// Reads the general stream on from what nobody has taken yet; `None` while somebody reads it.
    pub(crate) fn general(self: &Arc<Self>) -> Option<Reader> {
        let after = {
            let log = self.log();
            let general = log.streams.get(&GENERAL)?;
            if general.reader.is_some() {
                return None;
            }
            general.taken
        };
        self.resume(GENERAL, after)
    }

    /// Puts a message on the stream of a request, or, without one, where the client will hear it.
    pub(crate) fn push(&self, of: Option<&Key>, text: impl Into<Bytes>) {
        self.put(of, text.into(), false);
    }

    /// Puts a message on the general stream, whoever reads it.
    pub(crate) fn push_general(&self, text: Bytes) {
        self.log().add(GENERAL, text, false, self.most);
    }

    /// Puts the answer to a request on its stream, which ends.
    pub(crate) fn answer(&self, of: &Key, text: impl Into<Bytes>) {
        self.put(Some(of), text.into(), true);
    }

    /// Ends the stream of a request without an answer.
    pub(crate) fn close(&self, of: &Key) {
        let mut log = self.log();
        if let Some(number) = log.open.remove(of) {
            log.finish(number);
        }
    }

    fn put(&self, of: Option<&Key>, text: Bytes, last: bool) {
        let mut log = self.log();
        let number = match of {
            Some(of) => log.open.get(of).copied(),
            None => None,
        };
        // The answer to a request that was given up.
        if last && number.is_none() {
            return;
        }
        let number = number.unwrap_or_else(|| log.of_nobody());
        if last && let Some(of) = of {
            log.open.remove(of);
        }
        log.add(number, text, last, self.most);
    }

    /// The requests of which nothing was heard since `then`.
    pub(crate) fn overdue(&self, then: Instant) -> Vec<Key> {
        let log = self.log();
        let is_late = |number| log.streams.get(number).is_none_or(|stream| stream.stirred < then);
        log.open.iter().filter(|(_, number)| is_late(number)).map(|(key, _)| key.clone()).collect()
    }

    /// Since when the client has neither read nor asked, and nothing was answered; `None` while it reads. What
    /// the server says besides, and what it still works on, counts for nothing: it may go on for ever.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let log = self.log();
        let is_read = log.streams.values().any(|stream| stream.reader.is_some());
        (!is_read).then_some(log.stirred)
    }

    /// The client has been heard of.
    pub(crate) fn stir(&self) {
        self.log().stirred = Instant::now();
    }

    /// Waits until no reader has more left to take than one may.
    pub(crate) async fn room(&self) {
        loop {
            let taken = self.taken.notified();
            tokio::pin!(taken);
            taken.as_mut().enable();
            let is_full =
                |stream: &Stream| stream.reader.is_some() && !stream.over && stream.untaken() > HIGH_WATER;
            if !self.log().streams.values().any(is_full) {
                return;
            }
            taken.await;
        }
    }

    /// Ends every stream, once what is on it has been taken; nothing comes after.
    pub(crate) fn end(&self) {
        let mut log = self.log();
        log.ended = true;
        log.open.clear();
        for stream in log.streams.values_mut() {
            stream.over = true;
            stream.wake();
        }
        drop(log);
        self.taken.notify_waiters();
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        // The log is valid after every statement: a panic elsewhere does not spoil it.
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn add(&mut self, number: u64, text: Bytes, last: bool, most: usize) {
        let now = Instant::now();
        if last {
            self.stirred = now;
        }
        let Some(stream) = self.streams.get_mut(&number) else { return };
        self.bytes += text.len();
        stream.kept.push_back(Event { number: stream.next, text, last });
        stream.next += 1;
        stream.stirred = now;
        stream.wake();
        if last {
            self.finish(number);
        }
        self.shrink(most, number);
    }

    /// Where a message goes that belongs to no request: to whoever listens to such; else to the request
    /// that was made last, whose reader is there; else it waits.
    fn of_nobody(&self) -> u64 {
        let is_read = |number: &u64| self.streams.get(number).is_some_and(|stream| stream.reader.is_some());
        if is_read(&GENERAL) {
            return GENERAL;
        }
        self.open.values().copied().filter(is_read).max().unwrap_or(GENERAL)
    }

    fn finish(&mut self, number: u64) {
        let Some(stream) = self.streams.get_mut(&number) else { return };
        stream.over = true;
        stream.wake();
        if stream.reader.is_none() && !stream.resumable {
            self.forget(number);
        }
        let over = |(&number, stream): (&u64, &Stream)| {
            (stream.over && stream.reader.is_none() && number != GENERAL).then_some(number)
        };
        let finished: Vec<u64> = self.streams.iter().filter_map(over).collect();
        for &number in finished.iter().take(finished.len().saturating_sub(FINISHED_KEPT)) {
            self.forget(number);
        }
    }

    fn forget(&mut self, number: u64) {
        if let Some(stream) = self.streams.remove(&number) {
            self.bytes -= stream.kept.iter().map(|event| event.text.len()).sum::<usize>();
        }
    }

    /// Drops what was taken, the oldest first, and after that what nobody comes for; never what a reader
    /// is about to take, nor what has come just now, which is `newest` stream's.
    fn shrink(&mut self, most: usize, newest: u64) {
        for taken_only in [true, false] {
            for (&number, stream) in &mut self.streams {
                let latest = if number == newest { stream.next - 1 } else { u64::MAX };
                while self.bytes > most {
                    let goes = |event: &Event| {
                        let is_taken = event.number <= stream.taken;
                        event.number != latest && (is_taken || (!taken_only && stream.reader.is_none()))
                    };
                    if !stream.kept.front().is_some_and(goes) {
                        break;
                    }
                    self.bytes -= stream.kept.pop_front().map_or(0, |event| event.text.len());
                }
            }
        }
    }
}

/// What a reader finds.
enum Taken {
    Event(Event),
    /// Nothing yet.
    Nothing,
    /// Nothing any more.
    Over,
}

/// Whoever reads a stream.
#[derive(Debug)]
pub(crate) struct Reader {
    streams: Arc<Streams>,
    number: u64,
    after: u64,
    wake: Arc<Notify>,
}

impl Reader {
    /// The stream's number.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The last event that was taken; 0 for none.
    pub(crate) fn after(&self) -> u64 {
        self.after
    }

    /// Waits for the next event. `None` where the stream is over, or another reader has it.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            match self.take() {
                Taken::Event(event) => return Some(event),
                Taken::Over => return None,
                Taken::Nothing => self.wake.notified().await,
            }
        }
    }

    /// From now on what is on the stream is kept for a client that comes again.
    pub(crate) fn keep(&self) {
        if let Some(stream) = self.streams.log().streams.get_mut(&self.number) {
            stream.resumable = true;
        }
    }

    fn take(&mut self) -> Taken {
        let mut log = self.streams.log();
        let Some(stream) = log.streams.get_mut(&self.number).filter(|stream| self.is_mine(stream)) else {
            return Taken::Over;
        };
        let Some(event) = stream.after(self.after).cloned() else {
            return if stream.over { Taken::Over } else { Taken::Nothing };
        };
        self.after = event.number;
        stream.taken = stream.taken.max(event.number);
        drop(log);
        self.streams.taken.notify_waiters();
        Taken::Event(event)
    }

    fn is_mine(&self, stream: &Stream) -> bool {
        stream.reader.as_ref().is_some_and(|reader| Arc::ptr_eq(reader, &self.wake))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut log = self.streams.log();
        log.stirred = Instant::now();
        if let Some(stream) = log.streams.get_mut(&self.number)
            && stream.reader.as_ref().is_some_and(|reader| Arc::ptr_eq(reader, &self.wake))
        {
            stream.reader = None;
            if stream.over && !stream.resumable {
                log.forget(self.number);
            }
        }
        drop(log);
        self.streams.taken.notify_waiters();
    }
}

#[cfg(test)]
#[path = "streams_tests.rs"]
mod tests;
