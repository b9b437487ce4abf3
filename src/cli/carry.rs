//! Bytes between this program's standard streams and a container's: one thread each way, which reads and
//! writes by itself, so that nothing but the kernel stands between.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::engine::{Input, Output, Standard};

/// What the threads have to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// Standard input has ended, and the server knows.
    InputEnded,
    /// Nobody takes what the server has said.
    ClientGone,
    /// Nobody would take what the server may say.
    Deserted,
    /// All that the server said was passed on.
    OutputEnded,
}

/// How much is read at a time.
const BUFFER: usize = 64 * 1024;
/// How much of standard error waits for its reader, in bytes.
const WAITING: usize = 1 << 20;
/// How long nothing of it is taken before nobody is waited for.
const UNTAKEN: Duration = Duration::from_secs(1);

/// From standard input into the container, until either ends.
pub(super) fn carry_in(input: &dyn Input, tell: &UnboundedSender<Heard>) {
    let mut from = io::stdin().lock();
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) if input.write(&buffer[..count]).is_ok() => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => await_stream(&io::stdin(), Way::In),
            Ok(_) | Err(_) => break,
        }
    }
    input.close();
    // Nobody listens any more where the server has ended.
    let _ = tell.send(Heard::InputEnded);
}

/// Waits until standard output has no reader any more: a client that crashed shows so even where its server
/// neither reads nor says anything.
#[cfg(unix)]
pub(super) fn watch_client(tell: &UnboundedSender<Heard>) {
    use rustix::event::{PollFd, PollFlags, poll};
    let out = io::stdout();
    loop {
        // Asked for nothing, it tells of an end all the same (poll(2)).
        match poll(&mut [PollFd::new(&out, PollFlags::empty())], None) {
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
            Ok(_) => break,
        }
    }
    let _ = tell.send(Heard::Deserted);
}

/// Elsewhere it shows with the next byte.
#[cfg(not(unix))]
pub(super) fn watch_client(_: &UnboundedSender<Heard>) {}

/// From the container to standard output and standard error, until it has ended.
pub(super) fn carry_out(output: Box<dyn Output>, tell: &UnboundedSender<Heard>) {
    let mut out = Patient(io::stdout());
    let errors = Errors::new();
    let mut gone = false;
    let copied = output.copy(&mut |to, bytes| {
        match to {
            Standard::Error => errors.say(bytes),
            Standard::Out if !gone => {
                gone = out.write_all(bytes).and_then(|()| out.flush()).is_err();
                if gone {
                    let _ = tell.send(Heard::ClientGone);
                }
            }
            Standard::Out => {}
        }
        Ok(())
    });
    errors.end();
    drop(copied);
    let _ = tell.send(Heard::OutputEnded);
}

/// A stream that whoever started this may have left so that it does not block: it is waited for all the same.
struct Patient<S>(S);

impl<S: Write + Stream> Write for Patient<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => await_stream(&self.0, Way::Out),
                done => return done,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        loop {
            match self.0.flush() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => await_stream(&self.0, Way::Out),
                done => return done,
            }
        }
    }
}

/// What a stream is waited for.
#[derive(Clone, Copy)]
enum Way {
    In,
    Out,
}

#[cfg(unix)]
use std::os::fd::AsFd as Stream;

/// Waits until a stream can be read or written, or has ended, which shows then.
#[cfg(unix)]
fn await_stream(stream: &impl Stream, way: Way) {
    use rustix::event::{PollFd, PollFlags, poll};
    let flags = match way {
        Way::In => PollFlags::IN,
        Way::Out => PollFlags::OUT,
    };
    // One that cannot be waited for is tried again.
    let _ = poll(&mut [PollFd::new(stream, flags)], None);
}

#[cfg(not(unix))]
use std::os::windows::io::AsHandle as Stream;

/// Elsewhere no stream is like that.
#[cfg(not(unix))]
fn await_stream(_: &impl Stream, _: Way) {
    std::thread::yield_now();
}

/// Standard error, on a thread of its own: a client that does not read it must not hold up the server, whose
/// messages come over the same connection. What nobody takes is left out, and that is said.
#[derive(Clone, Default)]
struct Errors(Arc<Queue>);

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    pieces: VecDeque<Vec<u8>>,
    /// How much waits.
    bytes: usize,
    /// How much was left out since the last piece.
    left_out: usize,
    /// Nobody takes anything.
    stuck: bool,
    closed: bool,
    done: bool,
}

impl Errors {
    fn new() -> Self {
        let errors = Self::default();
        let writer = errors.clone();
        std::thread::spawn(move || {
            while let Some(piece) = writer.next() {
                if Patient(io::stderr()).write_all(&piece).is_err() {
                    break;
                }
            }
            let mut state = writer.state();
            (state.done, state.stuck) = (true, true);
            writer.0.changed.notify_all();
        });
        errors
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every statement leaves it whole.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be written next, as soon as there is something; `None` at the end.
    fn next(&self) -> Option<Vec<u8>> {
        let waiting = |state: &mut State| state.pieces.is_empty() && !state.closed;
        let state = self.0.changed.wait_while(self.state(), waiting);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        let piece = state.pieces.pop_front()?;
        state.bytes -= piece.len();
        state.stuck = false;
        self.0.changed.notify_all();
        Some(piece)
    }

    /// Waits for the writer to take something, unless it has not for long; whether it did.
    fn progress<'a>(&'a self, state: MutexGuard<'a, State>) -> (MutexGuard<'a, State>, bool) {
        let before = state.bytes;
        let waiting = |state: &mut State| state.bytes == before && !state.done && !state.stuck;
        let waited = self.0.changed.wait_timeout_while(state, UNTAKEN, waiting);
        let (mut state, result) = waited.unwrap_or_else(PoisonError::into_inner);
        state.stuck |= result.timed_out();
        let took = !state.stuck;
        (state, took)
    }

    fn say(&self, bytes: &[u8]) {
        let mut state = self.state();
        while state.bytes >= WAITING && !state.stuck {
            (state, _) = self.progress(state);
        }
        if state.bytes >= WAITING || state.done {
            state.left_out += bytes.len();
        } else {
            state.note();
            state.push(bytes.to_vec());
            self.0.changed.notify_all();
        }
    }

    /// Waits for the rest to be taken, for as long as anything is.
    fn end(&self) {
        let mut state = self.state();
        state.note();
        (state.closed, state.stuck) = (true, state.done);
        self.0.changed.notify_all();
        let mut took = true;
        while took && !state.done {
            (state, took) = self.progress(state);
        }
    }
}

impl State {
    fn push(&mut self, piece: Vec<u8>) {
        self.bytes += piece.len();
        self.pieces.push_back(piece);
    }

    fn note(&mut self) {
        let left_out = std::mem::take(&mut self.left_out);
        if left_out > 0 {
            let note = format!(
                "\n[mcpo-deploy: {left_out} bytes of standard error were left out, since nobody took them]\n"
            );
            self.push(note.into_bytes());
        }
    }
}
