//! A way to the engine on which one kind of request is not as fast as the others, or not answered at all.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use super::docker::PATIENCE;
use super::remote::socket;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Held {
    /// The engine does not get it before it is told to.
    Request,
    /// The engine gets it, and its answer does not come before it is told to.
    Answer,
    /// The engine gets it later.
    Late(Duration),
    /// The engine does not get it, and it is answered with an error.
    Refused,
}

/// A socket that leads to the engine's.
pub(crate) struct Way {
    folder: TempDir,
    gate: Arc<Gate>,
}

impl Way {
    /// Where requests whose path ends so are held.
    pub(crate) fn with(path: &'static str, held: Held) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = UnixListener::bind(folder.path().join("docker.sock")).expect("a socket");
        let gate = Arc::new(Gate { path, held, state: Mutex::default(), changed: Condvar::new() });
        let way = Self { folder, gate: Arc::clone(&gate) };
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let engine = UnixStream::connect(socket()).expect("the engine's socket");
                forward(&gate, client, engine);
            }
        });
        way
    }

    pub(crate) fn socket(&self) -> String {
        self.folder.path().join("docker.sock").display().to_string()
    }

    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.socket())
    }

    /// Waits until something is held.
    #[track_caller]
    pub(crate) fn await_held(&self) {
        self.until("a request", |state| state.come > 0);
    }

    /// Waits until the engine has answered what is held.
    #[track_caller]
    pub(crate) fn await_answered(&self) {
        self.until("an answer", |state| state.answered > 0);
    }

    #[track_caller]
    fn until(&self, what: &str, holds: impl Fn(&State) -> bool) {
        let waiting = |state: &mut State| !holds(state);
        let waited = self.gate.changed.wait_timeout_while(self.gate.state(), PATIENCE, waiting);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(holds(&state), "in vain for {PATIENCE:?}: {what}, {}", self.gate.path);
    }

    /// How many requests came that are held here, or were.
    pub(crate) fn come(&self) -> usize {
        self.gate.state().come
    }

    /// Lets go of what is held, and of what comes.
    pub(crate) fn release(&self) {
        self.gate.state().open = true;
        self.gate.changed.notify_all();
    }
}

/// Nobody waits for what has gone.
impl Drop for Way {
    fn drop(&mut self) {
        self.release();
    }
}

struct Gate {
    path: &'static str,
    held: Held,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    come: usize,
    answered: usize,
    open: bool,
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a piece is the beginning of a request that is held: each comes alone, as whoever waits for the
    /// answer to one sends it.
    fn holds(&self, piece: &[u8]) -> bool {
        let line = piece.split(|&byte| byte == b'\r').next().unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let mut words = line.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let path = target.split('?').next().unwrap_or_default();
        let held = method == "POST" && path.ends_with(self.path);
        if held {
            self.state().come += 1;
            self.changed.notify_all();
        }
        held
    }

    fn answer(&self) {
        self.state().answered += 1;
        self.changed.notify_all();
        if self.held == Held::Answer {
            self.pass();
        }
    }

    fn pass(&self) {
        let closed = |state: &mut State| !state.open;
        match self.held {
            Held::Late(time) => drop(self.changed.wait_timeout_while(self.state(), time, closed)),
            _ => drop(self.changed.wait_while(self.state(), closed)),
        }
    }
}

fn forward(gate: &Arc<Gate>, client: UnixStream, engine: UnixStream) {
    let again = |stream: &UnixStream| stream.try_clone().expect("a socket");
    let is_of_held = Arc::new(AtomicBool::new(false));
    let (held, there) = (Arc::clone(&is_of_held), Arc::clone(gate));
    let (mut from, mut to, mut back) = (again(&client), again(&engine), again(&client));
    std::thread::spawn(move || {
        let _ = pieces(&mut from, |piece| {
            if there.holds(piece) {
                match there.held {
                    Held::Refused => return back.write_all(REFUSAL),
                    Held::Answer => {}
                    Held::Request | Held::Late(_) => there.pass(),
                }
                held.store(true, Ordering::SeqCst);
            }
            to.write_all(piece)
        });
        let _ = to.shutdown(Shutdown::Write);
    });
    let (there, mut from, mut to) = (Arc::clone(gate), engine, client);
    std::thread::spawn(move || {
        let _ = pieces(&mut from, |piece| {
            if is_of_held.swap(false, Ordering::SeqCst) {
                there.answer();
            }
            to.write_all(piece)
        });
        let _ = to.shutdown(Shutdown::Write);
    });
}

fn pieces(from: &mut UnixStream, mut each: impl FnMut(&[u8]) -> std::io::Result<()>) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            count => each(&buffer[..count])?,
        }
    }
}

const REFUSAL: &[u8] = b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\n\
    Content-Length: 26\r\n\r\n{\"message\":\"out of order\"}";
