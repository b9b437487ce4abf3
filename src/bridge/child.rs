//! One server process, owned by one task: its input, output, stderr, and its end.

use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};
use tokio::net::unix::pipe;
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::budget::{Metered, Share};
use super::children::{Children, kill_group};
use super::inlet::Inlet;
use super::mark::Mark;
use super::stderr::Stderr;
use crate::mcp::{FrameError, LineReader};

/// How long a killed process may take to go. Only one that the kernel holds takes longer.
const KILL_WAIT: Duration = Duration::from_secs(1);
/// For the last lines of a server's stderr, which somebody else may hold open.
const LAST_LINES: Duration = Duration::from_millis(100);
/// Between two looks for what a server left behind.
const SWEEP_PAUSE: Duration = Duration::from_millis(10);

/// A running server. Its owner calls [`Child::end`]; one that is dropped instead is killed.
#[derive(Debug)]
pub(crate) struct Child {
    pid: Pid,
    stdin: Option<ChildStdin>,
    stdout: LineReader<Metered<ChildStdout>>,
    stderr: Stderr<ChildStderr>,
    /// What the line holds that is being read, or was read last.
    share: Arc<Share>,
    grace: Duration,
    /// `None` once its end has begun that nothing stops any more.
    running: Option<Running>,
}

/// The three streams of a server, to be used at the same time.
#[derive(Debug)]
pub(crate) struct Streams<'a> {
    /// `None` once [`Child::inlet`] has it.
    pub(crate) stdin: Option<&'a mut ChildStdin>,
    pub(crate) stdout: &'a mut LineReader<Metered<ChildStdout>>,
    pub(crate) stderr: &'a mut Stderr<ChildStderr>,
    /// To be released when a line has been passed on.
    pub(crate) share: &'a Share,
}

/// How a server came to its end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ending {
    /// Its exit status, where it went.
    pub(crate) status: Option<ExitStatus>,
    /// Whether it had ended before it was asked to.
    pub(crate) by_itself: bool,
    /// The last lines of its stderr, bounded.
    pub(crate) stderr: Vec<String>,
}

/// The process, until it has been reaped and nothing of it is left.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) process: tokio::process::Child,
    pub(crate) pid: Pid,
    pub(crate) mark: Mark,
    pub(crate) children: Arc<Children>,
    /// The ceiling counts what runs, not who is connected.
    pub(crate) slot: OwnedSemaphorePermit,
}

impl Running {
    /// Kills it, in a task that goes on when whoever waits for it does not. `None` where no runtime
    /// is left to reap it.
    pub(crate) fn kill(self) -> Option<JoinHandle<Option<ExitStatus>>> {
        // Also what the server itself left behind. Before it is reaped: until then its id, and so
        // the group's, cannot belong to anybody else.
        kill_group(self.pid, Signal::KILL);
        Some(Handle::try_current().ok()?.spawn(self.gone()))
    }

    async fn gone(mut self) -> Option<ExitStatus> {
        let status = if let Ok(status) = timeout(KILL_WAIT, self.process.wait()).await {
            status.ok()
        } else {
            tracing::error!("server[{}] was killed and has not gone", self.pid);
            self.process.wait().await.ok()
        };
        // What left the group has outlived it.
        let swept = async {
            while self.children.sweep(&self.mark) {
                sleep(SWEEP_PAUSE).await;
            }
        };
        if timeout(KILL_WAIT, swept).await.is_err() {
            tracing::error!("what server[{}] left behind was killed and has not gone", self.pid);
        }
        self.children.forget(self.pid, status);
        drop(self.slot);
        status
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill();
        }
    }
}

impl Child {
    pub(crate) fn new(mut running: Running) -> io::Result<Self> {
        let process = &mut running.process;
        let streams = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = streams else {
            running.kill();
            return Err(io::Error::other("the process has no pipes"));
        };
        let share = running.children.share();
        let stdout = Metered::new(stdout, Arc::clone(&share));
        Ok(Self {
            pid: running.pid,
            stdin: Some(stdin),
            stdout: LineReader::new(stdout, running.children.max_line()),
            share,
            stderr: Stderr::new(stderr, running.pid.as_raw_nonzero().get().unsigned_abs()),
            grace: running.children.grace(),
            running: Some(running),
        })
    }

    /// The process's id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Counts it as one that ended by itself.
    pub(crate) fn is_lost(&self) {
        if let Some(running) = &self.running {
            running.children.metrics().servers.lose();
        }
    }

    /// The streams.
    pub(crate) fn streams(&mut self) -> Streams<'_> {
        Streams {
            stdin: self.stdin.as_mut(),
            stdout: &mut self.stdout,
            stderr: &mut self.stderr,
            share: &self.share,
        }
    }

    /// Its input, for several who have something to say; `most` lines may wait. Whoever takes it closes it
    /// before [`Child::end`]. `None` where it was taken, or the system refuses.
    pub(crate) fn inlet(&mut self, most: usize) -> Option<Inlet> {
        let pipe = self.stdin.take()?.into_owned_fd().ok()?;
        Some(Inlet::new(pipe::Sender::from_owned_fd(pipe).ok()?, most))
    }

    /// Waits, as a spare does, until the process ends. What it writes is left to whoever takes it.
    pub(crate) async fn ended(&mut self) {
        tokio::select! {
            () = ended(self.pid) => {}
            never = self.stderr.drain() => match never {},
        }
    }

    /// Whether the process ends within `patience`. Its output is read and dropped meanwhile, so
    /// that it is not held up by a full pipe.
    pub(crate) async fn ends_within(&mut self, patience: Duration) -> bool {
        let ended = timeout(patience, ended(self.pid));
        // Not past a line that is too long: whoever floods to the end is killed in the end.
        let discard = async {
            while let Ok(Some(_)) | Err(FrameError::NotUtf8) = self.stdout.next().await {
                self.share.release();
            }
        };
        tokio::pin!(ended);
        tokio::select! {
            ended = &mut ended => ended.is_ok(),
            never = self.stderr.drain() => match never {},
            () = discard => ended.await.is_ok(),
        }
    }

    /// Ends the process and everything that it started: closes its input, waits half of the grace,
    /// sends SIGTERM, waits the other half, kills. Returns when it has been reaped, or was killed
    /// and does not go. Dropped before, it leaves only the patience out.
    pub(crate) async fn end(mut self) -> Ending {
        let by_itself = has_ended(self.pid);
        let half = self.grace / 2;
        self.stdin = None;
        if !self.ends_within(half).await {
            kill_group(self.pid, Signal::TERM);
            if !self.ends_within(half).await {
                tracing::warn!("server[{}] ignores SIGTERM and is killed", self.pid);
            }
        }
        let gone = self.running.take().and_then(Running::kill);
        let status = match gone {
            Some(gone) => timeout(2 * KILL_WAIT, gone).await.ok().and_then(Result::ok).flatten(),
            None => None,
        };
        Ending { status, by_itself, stderr: self.stderr.recent(LAST_LINES).await }
    }
}

/// Whether a process of ours has ended; it is left to be reaped.
pub(crate) fn has_ended(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::Pid(pid), options), Ok(None))
}

/// Waits until a process of ours has ended, and leaves it to be reaped.
async fn ended(pid: Pid) {
    // Listening starts before the first look, so that no end falls between the two.
    let Ok(mut changes) = signal(SignalKind::child()) else {
        return std::future::pending().await;
    };
    while !has_ended(pid) {
        if changes.recv().await.is_none() {
            return std::future::pending().await;
        }
    }
}
