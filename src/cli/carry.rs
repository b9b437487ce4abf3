//! Bytes between this program's standard streams and a container's: one thread each way, which reads and
//! writes by itself, so that nothing but the kernel stands between.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedSender;

use crate::engine::{Input, Output, Standard};

/// What the threads have to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// Standard input has ended, and the server knows.
    InputEnded,
    /// Nobody takes what the server says.
    ClientGone,
    /// All that the server said was passed on.
    OutputEnded,
}

/// How much is read at a time.
const BUFFER: usize = 64 * 1024;
/// How many pieces of standard error wait for their reader, each of a buffer at most.
const WAITING: usize = 16;
/// How long the last of them are waited for.
const LAST: Duration = Duration::from_secs(1);

/// From standard input into the container, until either ends.
pub(super) fn carry_in(input: &dyn Input, tell: &UnboundedSender<Heard>) {
    let mut from = io::stdin().lock();
    let mut buffer = vec![0; BUFFER];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) if input.write(&buffer[..count]).is_ok() => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => break,
        }
    }
    input.close();
    // Nobody listens any more where the server has ended.
    let _ = tell.send(Heard::InputEnded);
}

/// From the container to standard output and standard error, until it has ended.
pub(super) fn carry_out(output: Box<dyn Output>, tell: &UnboundedSender<Heard>) {
    let mut out = io::stdout().lock();
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

/// Standard error, on a thread of its own: a client that does not read it must not hold up the server,
/// whose messages come over the same connection. What nobody takes is left out, and that is said.
struct Errors {
    pieces: SyncSender<Vec<u8>>,
    left_out: std::cell::Cell<usize>,
    ended: Receiver<()>,
}

impl Errors {
    fn new() -> Self {
        let (pieces, waiting) = sync_channel::<Vec<u8>>(WAITING);
        let (end, ended) = sync_channel(1);
        std::thread::spawn(move || {
            for piece in waiting {
                if io::stderr().write_all(&piece).is_err() {
                    break;
                }
            }
            let _ = end.send(());
        });
        Self { pieces, left_out: std::cell::Cell::new(0), ended }
    }

    fn say(&self, bytes: &[u8]) {
        let left_out = self.left_out.get();
        let piece = if left_out > 0 {
            let note = format!(
                "\n[mcpo-deploy: {left_out} bytes of standard error were left out, since nobody took them]\n"
            );
            [note.as_bytes(), bytes].concat()
        } else {
            bytes.to_vec()
        };
        match self.pieces.try_send(piece) {
            Err(TrySendError::Full(_)) => self.left_out.set(left_out + bytes.len()),
            Ok(()) | Err(TrySendError::Disconnected(_)) => self.left_out.set(0),
        }
    }

    fn end(self) {
        drop(self.pieces);
        let _ = self.ended.recv_timeout(LAST);
    }
}
