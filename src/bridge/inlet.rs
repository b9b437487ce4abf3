//! A server's input, for several who have something to say to it.
//!
//! A line is written at once where the pipe takes it, as it mostly does, by whoever has it; else it waits for
//! the task that owns the server, and what comes after it waits behind it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::pending;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf, Bytes};
use tokio::net::unix::pipe::Sender;
use tokio::sync::{Notify, Semaphore};

/// Lines that are written together.
const TOGETHER: usize = 16;
/// Lines that may wait besides, of those that are said without waiting.
const UNASKED: usize = 64;

/// A server's input.
#[derive(Debug)]
pub(crate) struct Inlet {
    inside: Mutex<Inside>,
    /// Told when something waits.
    waits: Notify,
    /// One permit for each line that may wait.
    room: Semaphore,
    most: usize,
}

#[derive(Debug)]
struct Inside {
    /// `None` once it is closed.
    pipe: Option<Arc<Sender>>,
    waiting: VecDeque<Waiting>,
}

/// A line, or what is left of it.
#[derive(Debug)]
struct Waiting {
    line: Bytes,
    has_permit: bool,
}

impl Inlet {
    /// `most` lines may wait; whoever has another waits for room.
    pub(crate) fn new(pipe: Sender, most: usize) -> Self {
        let inside = Inside { pipe: Some(Arc::new(pipe)), waiting: VecDeque::new() };
        Self { inside: Mutex::new(inside), waits: Notify::new(), room: Semaphore::new(most), most }
    }

    /// Says a line, which ends with a line feed; false where the inlet is closed. That the server has gone is
    /// told by the end of its output. Dropped while it waits, nothing of the line is said.
    pub(crate) async fn say(&self, line: Bytes) -> bool {
        let Some(line) = self.write_at_once(&mut self.inside(), line) else { return true };
        let Ok(permit) = self.room.acquire().await else { return false };
        permit.forget();
        self.inside().waiting.push_back(Waiting { line, has_permit: true });
        self.waits.notify_one();
        true
    }

    /// Says a line without waiting; false where far more wait than the server can have a reason for, or the
    /// inlet is closed.
    pub(crate) fn say_now(&self, line: Bytes) -> bool {
        let mut inside = self.inside();
        let Some(line) = self.write_at_once(&mut inside, line) else { return true };
        let has_room = inside.waiting.len() < self.most + UNASKED && inside.pipe.is_some();
        if has_room {
            inside.waiting.push_back(Waiting { line, has_permit: false });
            self.waits.notify_one();
        }
        has_room
    }

    /// Writes what waits, for as long as it is polled; after an error, nothing more.
    pub(crate) async fn write(&self) -> Infallible {
        loop {
            let pipe = {
                let inside = self.inside();
                inside.pipe.clone().filter(|_| !inside.waiting.is_empty())
            };
            let Some(pipe) = pipe else {
                self.waits.notified().await;
                continue;
            };
            if pipe.writable().await.is_err() || self.write_some(&pipe).is_err() {
                return pending().await;
            }
        }
    }

    /// Whoever waits for room waits no longer, and says nothing.
    pub(crate) fn refuse(&self) {
        self.room.close();
    }

    /// Nothing more is said; what waits is not said either.
    pub(crate) fn close(&self) {
        self.refuse();
        let mut inside = self.inside();
        inside.pipe = None;
        inside.waiting.clear();
    }

    /// Writes a line, and returns it where it has to wait: for one that waits already, or that was given room
    /// to. Of one that was begun the rest waits.
    fn write_at_once(&self, inside: &mut Inside, mut line: Bytes) -> Option<Bytes> {
        let nobody_waits = inside.waiting.is_empty() && self.room.available_permits() == self.most;
        let Some(pipe) = inside.pipe.as_ref().filter(|_| nobody_waits) else { return Some(line) };
        match pipe.try_write(&line) {
            Ok(written) if written < line.len() => {
                line.advance(written);
                inside.waiting.push_back(Waiting { line, has_permit: false });
                self.waits.notify_one();
                None
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(line),
            // The server reads no more: the end of its output says so.
            Ok(_) | Err(_) => None,
        }
    }

    fn write_some(&self, pipe: &Sender) -> io::Result<()> {
        let mut inside = self.inside();
        let slices: Vec<IoSlice<'_>> =
            inside.waiting.iter().take(TOGETHER).map(|waiting| IoSlice::new(&waiting.line)).collect();
        let mut written = match pipe.try_write_vectored(&slices) {
            Ok(written) => written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        while let Some(first) = inside.waiting.front_mut() {
            if written < first.line.len() {
                first.line.advance(written);
                break;
            }
            written -= first.line.len();
            self.room.add_permits(usize::from(first.has_permit));
            inside.waiting.pop_front();
        }
        Ok(())
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // It is valid after every statement: a panic elsewhere does not spoil it.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use futures_util::FutureExt;
    use futures_util::future::poll_immediate;
    use tokio::io::AsyncReadExt;
    use tokio::net::unix::pipe::{Receiver, pipe};
    use tokio::time::timeout;

    /// More than a pipe takes at once.
    const LARGE: usize = 300_000;

    fn inlet(most: usize) -> (Inlet, Receiver) {
        let (sender, receiver) = pipe().expect("a pipe");
        (Inlet::new(sender, most), receiver)
    }

    fn line(byte: u8, length: usize) -> Bytes {
        Bytes::from([vec![byte; length], b"\n".to_vec()].concat())
    }

    /// What comes out while somebody writes.
    async fn heard(inlet: &Inlet, receiver: &mut Receiver, length: usize) -> Vec<u8> {
        let mut heard = vec![0; length];
        tokio::select! {
            read = timeout(Duration::from_secs(10), receiver.read_exact(&mut heard)) => {
                read.expect("in time").expect("bytes");
            }
            never = inlet.write() => match never {},
        }
        heard
    }

    #[tokio::test]
    async fn lines_come_whole_and_in_their_order_however_little_the_pipe_takes() {
        let (inlet, mut receiver) = inlet(4);
        let lines = [line(b'a', LARGE), line(b'b', 3), line(b'c', LARGE), line(b'd', 0)];
        for line in &lines {
            assert!(inlet.say(line.clone()).await);
        }
        let expected = lines.concat();
        assert!(heard(&inlet, &mut receiver, expected.len()).await == expected);
        // Nothing waits any more, so the next one needs nobody to write it.
        assert!(inlet.say(line(b'e', 1)).await);
        let mut next = [0; 2];
        timeout(Duration::from_secs(10), receiver.read_exact(&mut next))
            .await
            .expect("in time")
            .expect("bytes");
        assert_eq!(&next, b"e\n");
    }

    #[tokio::test]
    async fn whoever_has_more_than_may_wait_waits_and_a_line_that_is_given_up_is_not_said() {
        let (inlet, mut receiver) = inlet(1);
        let first = line(b'a', LARGE);
        assert!(inlet.say(first.clone()).await);
        let mut said = vec![first];
        // However much of the first has gone, one waits, and no other has room.
        while let Some(true) = inlet.say(line(b'b', 1)).now_or_never() {
            said.push(line(b'b', 1));
        }
        assert!((1..=3).contains(&said.len()), "{}", said.len());
        let expected = said.concat();
        assert!(heard(&inlet, &mut receiver, expected.len()).await == expected);
        assert!(inlet.say(line(b'c', 1)).await);
        assert_eq!(heard(&inlet, &mut receiver, 2).await, b"c\n");
    }

    #[tokio::test]
    async fn whoever_was_given_room_is_not_overtaken() {
        let (inlet, mut receiver) = inlet(1);
        let mut said = vec![line(b'a', LARGE)];
        assert!(inlet.say(said[0].clone()).await);
        // Those for whom there is room, and the first for whom there is none.
        let third = loop {
            let mut next = Box::pin(inlet.say(line(b'b', 1)));
            match poll_immediate(&mut next).await {
                Some(is_said) => assert!(is_said),
                None => break next,
            }
            said.push(line(b'b', 1));
        };
        let expected = said.concat();
        assert!(heard(&inlet, &mut receiver, expected.len()).await == expected);
        // It has its room by now, and has not been heard yet.
        let mut fourth = std::pin::pin!(inlet.say(line(b'd', 1)));
        assert!(poll_immediate(&mut fourth).await.is_none());
        assert!(third.await);
        assert_eq!(heard(&inlet, &mut receiver, 2).await, b"b\n");
        assert!(fourth.await);
        assert_eq!(heard(&inlet, &mut receiver, 2).await, b"d\n");
    }

    #[tokio::test]
    async fn whoever_waits_for_room_hears_that_there_will_be_none() {
        let (inlet, _receiver) = inlet(1);
        while let Some(true) = inlet.say(line(b'a', LARGE)).now_or_never() {}
        let mut waiting = std::pin::pin!(inlet.say(line(b'b', 1)));
        assert!(poll_immediate(&mut waiting).await.is_none());
        inlet.refuse();
        assert!(!timeout(Duration::from_secs(10), waiting).await.expect("at once"));
    }

    #[tokio::test]
    async fn what_is_said_without_waiting_has_an_end_and_what_is_closed_takes_nothing() {
        let (inlet, receiver) = inlet(1);
        assert!(inlet.say(line(b'a', LARGE)).await);
        let said = (0..1000).take_while(|_| inlet.say_now(line(b'b', 1))).count();
        assert!((UNASKED..=UNASKED + 2).contains(&said), "{said}");
        inlet.close();
        assert!(!inlet.say(line(b'c', 1)).await);
        drop(receiver);
    }
}
