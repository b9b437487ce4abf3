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
        self.kept.iter().filter(|event| event.number > self.taken).map(|event| event.text.len()).sum()
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

    /// Since when nobody has read, asked or said anything; `None` while somebody reads or waits.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        let log = self.log();
        let is_read = log.streams.values().any(|stream| stream.reader.is_some());
        (!is_read && log.open.is_empty()).then_some(log.stirred)
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
        self.stirred = now;
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
        let Some(event) = stream.kept.iter().find(|event| event.number > self.after).cloned() else {
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
mod tests {
    use super::*;
    use std::time::Duration;

    fn key(id: u32) -> Key {
        Key::of(&id.to_string())
    }

    fn event(number: u64, text: &'static str, last: bool) -> Event {
        Event { number, text: Bytes::from_static(text.as_bytes()), last }
    }

    #[tokio::test]
    async fn a_request_s_stream_carries_what_is_its_own_and_ends_with_its_answer() {
        let streams = Streams::new(1000);
        let (mut one, mut two) =
            (streams.open(key(1), 9).expect("new"), streams.open(key(2), 9).expect("new"));
        streams.push(Some(&key(1)), "progress");
        streams.answer(&key(2), "second");
        streams.answer(&key(1), "first");
        assert_eq!(two.next().await, Some(event(1, "second", true)));
        assert_eq!(
            (one.next().await, one.next().await),
            (Some(event(1, "progress", false)), Some(event(2, "first", true)))
        );
        assert_eq!((one.next().await, two.next().await), (None, None));
    }

    #[tokio::test]
    async fn a_request_s_id_is_free_again_once_it_was_answered_and_their_number_is_bounded() {
        let streams = Streams::new(1000);
        let _reader = streams.open(key(1), 2).expect("new");
        assert_eq!(streams.open(key(1), 2).expect_err("taken"), NoStream::Known);
        let _other = streams.open(key(2), 2).expect("new");
        assert_eq!(streams.open(key(3), 2).expect_err("two are all"), NoStream::Full);
        streams.answer(&key(1), "");
        streams.open(key(1), 2).expect("answered");
    }

    #[tokio::test]
    async fn a_stream_is_resumed_where_it_was_left_and_its_older_reader_ends() {
        let streams = Streams::new(1000);
        let mut reader = streams.open(key(1), 9).expect("new");
        reader.keep();
        for text in ["a", "b", "c"] {
            streams.push(Some(&key(1)), text);
        }
        assert_eq!(reader.next().await, Some(event(1, "a", false)));
        let mut again = streams.resume(reader.number(), 1).expect("kept");
        assert_eq!(reader.next().await, None);
        drop(reader);
        assert_eq!(again.next().await, Some(event(2, "b", false)));
        let number = again.number();
        drop(again);
        streams.answer(&key(1), "d");
        let mut last = streams.resume(number, 2).expect("kept after its end");
        assert_eq!(
            (last.next().await, last.next().await),
            (Some(event(3, "c", false)), Some(event(4, "d", true)))
        );
        assert_eq!(last.next().await, None);
        assert!(streams.resume(number, 5).is_none(), "an event that never was");
        assert!(streams.resume(77, 0).is_none());
    }

    #[tokio::test]
    async fn what_belongs_to_no_request_waits_for_whoever_listens_and_else_goes_to_the_latest_request() {
        let streams = Streams::new(1000);
        streams.push(None, "early");
        let mut request = streams.open(key(1), 9).expect("new");
        streams.push(None, "beside");
        assert_eq!(request.next().await, Some(event(1, "beside", false)));
        let mut general = streams.general().expect("free");
        assert!(streams.general().is_none(), "one at a time");
        streams.push(None, "late");
        assert_eq!(
            (general.next().await, general.next().await),
            (Some(event(1, "early", false)), Some(event(2, "late", false)))
        );
    }

    #[tokio::test]
    async fn an_answer_that_its_client_cannot_come_for_is_not_kept() {
        let streams = Streams::new(1000);
        drop(streams.open(key(1), 9).expect("new"));
        streams.answer(&key(1), "lost");
        let log = streams.log();
        assert_eq!((log.bytes, log.streams.len()), (0, 1));
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded_and_what_was_taken_goes_first() {
        let streams = Streams::new(10);
        let mut reader = streams.open(key(1), 9).expect("new");
        reader.keep();
        streams.push(Some(&key(1)), "12345");
        reader.next().await.expect("an event");
        streams.push(None, "67890");
        streams.push(Some(&key(1)), "abcde");
        assert_eq!(reader.next().await, Some(event(2, "67890", false)));
        assert_eq!(reader.next().await, Some(event(3, "abcde", false)));
        assert!(streams.log().bytes <= 10);
        drop(reader);
        for _ in 0..100 {
            streams.push(None, "flood");
        }
        assert!(streams.log().bytes <= 10, "{}", streams.log().bytes);
        for id in 2..100 {
            let reader = streams.open(key(id), 999).expect("new");
            reader.keep();
            drop(reader);
            streams.answer(&key(id), "an answer that is longer than all that may be kept");
        }
        assert_eq!(streams.log().bytes, 50, "the newest alone");
    }

    #[tokio::test]
    async fn of_ended_streams_only_the_latest_are_kept() {
        let streams = Streams::new(1_000_000);
        for id in 0..100 {
            let reader = streams.open(key(id), 9).expect("new");
            reader.keep();
            streams.answer(&key(id), "x");
        }
        assert!(streams.log().streams.len() <= FINISHED_KEPT + 2, "{}", streams.log().streams.len());
    }

    #[tokio::test]
    async fn a_server_waits_for_a_reader_that_takes_nothing_and_not_for_one_that_has_gone() {
        let streams = Streams::new(10 * HIGH_WATER);
        let mut reader = streams.open(key(1), 9).expect("new");
        streams.push(Some(&key(1)), vec![b'x'; HIGH_WATER]);
        streams.room().await;
        streams.push(Some(&key(1)), "more");
        let early = tokio::time::timeout(Duration::from_millis(20), streams.room()).await;
        assert!(early.is_err(), "it has to wait");
        reader.next().await.expect("an event");
        streams.room().await;
        streams.push(Some(&key(1)), vec![b'x'; HIGH_WATER]);
        drop(reader);
        streams.room().await;
    }

    #[tokio::test]
    async fn an_end_leaves_what_is_on_its_way() {
        let streams = Streams::new(1000);
        let mut reader = streams.open(key(1), 9).expect("new");
        streams.answer(&key(1), "last words");
        streams.end();
        assert_eq!(reader.next().await, Some(event(1, "last words", true)));
        assert_eq!(reader.next().await, None);
        assert_eq!(streams.open(key(2), 9).expect_err("over"), NoStream::Ended);
        assert!(streams.general().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_is_idle_once_nobody_reads_or_waits_and_requests_grow_overdue() {
        let streams = Streams::new(1000);
        let reader = streams.open(key(1), 9).expect("new");
        assert_eq!(streams.idle_since(), None);
        let opened = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(streams.overdue(opened), []);
        assert_eq!(streams.overdue(Instant::now()), [key(1)]);
        streams.answer(&key(1), "x");
        assert_eq!(streams.idle_since(), None);
        drop(reader);
        assert_eq!(streams.idle_since(), Some(Instant::now()));
    }
}
