//! Every server process of a bridge: how one is started, and who reaps what.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process_group, waitid, waitpid};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::budget::{Budget, Share};
use super::child::{Child, Ending, Running, has_ended};
use super::crash_loop::{CrashLoop, Failure};
use super::kin;
use super::mark::{Family, Mark};
use super::redaction::Redaction;
use super::rlimit::ChildLimits;
use super::settings::{Command, Settings};
use super::telemetry::{Exited, Metrics};

/// Where memory runs out, any server goes before the bridge: it is worth one client, the bridge all
/// of them. The highest score there is; raising it needs no privilege.
const OOM_SCORE_ADJ: &str = "1000";

/// The processes that were started and not yet reaped.
#[derive(Debug)]
pub(crate) struct Children {
    command: Command,
    family: Family,
    limits: ChildLimits,
    secrets: Redaction,
    /// How the last starts went; starts ask it for leave.
    pub(crate) crashes: CrashLoop,
    max_line: usize,
    /// For what servers write.
    outgoing: Budget,
    grace: Duration,
    reaps_orphans: bool,
    metrics: Arc<Metrics>,
    /// Held over every start and over every look for orphans, so that no look can take a process
    /// for an orphan between its start and its registration.
    pids: Mutex<BTreeMap<i32, Mark>>,
    /// Goes when the last owner of a process or a connection has gone, and so tells [`super::run`].
    _alive: mpsc::Sender<Infallible>,
}

impl Children {
    pub(crate) fn new(settings: &Settings, alive: mpsc::Sender<Infallible>) -> Self {
        Self {
            command: settings.command.clone(),
            family: settings.family.clone(),
            limits: settings.limits,
            secrets: settings.secrets.clone(),
            crashes: CrashLoop::default(),
            max_line: settings.max_message,
            outgoing: Budget::new(settings.max_buffered / 2, settings.max_message),
            grace: settings.stop_grace,
            reaps_orphans: settings.reaps_orphans,
            metrics: Arc::default(),
            pids: Mutex::default(),
            _alive: alive,
        }
    }

    /// Starts a server in a process group of its own. The caller has leave to.
    pub(crate) fn spawn(self: &Arc<Self>, slot: OwnedSemaphorePermit) -> io::Result<Child> {
        let started = self.start(slot);
        if let Err(error) = &started {
            let what = format!("{:?} cannot be started: {error}", self.command.program);
            self.crashes.failed(Failure { what, stderr: Vec::new() });
        }
        started
    }

    /// A server came to its end without having been of use.
    pub(crate) fn was_useless(&self, why: &str, ending: &Ending) {
        let what = match ending.status {
            Some(status) if ending.by_itself => format!("{why} ({status})"),
            _ => why.to_owned(),
        };
        let stderr = ending.stderr.iter().map(|line| self.secrets.redact(line)).collect();
        self.crashes.failed(Failure { what: self.secrets.redact(&what), stderr });
    }

    fn start(self: &Arc<Self>, slot: OwnedSemaphorePermit) -> io::Result<Child> {
        let mark = Mark::new(&self.family);
        let (variable, value) = mark.variable();
        let mut command = tokio::process::Command::new(&self.command.program);
        command
            .args(&self.command.args)
            .env(variable, value)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        let mut pids = self.pids();
        let process = command.spawn().inspect_err(|_| self.metrics.servers.not_started.add(1))?;
        let pid = process.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let pid = pid.ok_or_else(|| io::Error::other("the process has no id"))?;
        pids.insert(pid.as_raw_nonzero().get(), mark.clone());
        drop(pids);
        self.metrics.servers.start();
        // At once: until then it has ours.
        let limited = self.limits.set(pid);
        let adjusted = std::fs::write(format!("/proc/{pid}/oom_score_adj"), OOM_SCORE_ADJ);
        if let Err(error) = adjusted {
            tracing::debug!("server[{pid}] is not made the first to go when memory is short: {error}");
        }
        let running = Running { process, pid, mark, children: Arc::clone(self), slot };
        match limited {
            Ok(()) => Child::new(running),
            Err(error) => {
                running.kill();
                Err(io::Error::new(error.kind(), format!("its limits cannot be set: {error}")))
            }
        }
    }

    /// The program that is started.
    pub(crate) fn program(&self) -> &str {
        &self.command.program
    }

    /// The longest line of a server, in bytes.
    pub(crate) fn max_line(&self) -> usize {
        self.max_line
    }

    /// A share for what one server writes.
    pub(crate) fn share(&self) -> Arc<Share> {
        self.outgoing.share()
    }

    /// See [`Settings::stop_grace`].
    pub(crate) fn grace(&self) -> Duration {
        self.grace
    }

    /// What is counted.
    pub(crate) fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// A process was reaped by its owner, and what it left behind was killed.
    pub(crate) fn forget(&self, pid: Pid, status: Option<ExitStatus>) {
        self.metrics.servers.end(match status.map(|status| status.code()) {
            Some(Some(0)) => Exited::Success,
            Some(Some(_)) => Exited::Failure,
            // Nobody knows any better of one whose status was lost.
            Some(None) | None => Exited::Signal,
        });
        self.pids().remove(&pid.as_raw_nonzero().get());
        self.reap_orphans();
    }

    /// Kills every process that has not ended: the last resort at the end of a bridge.
    pub(crate) fn kill_all(&self) {
        for (&id, mark) in self.pids().iter() {
            if let Some(pid) = Pid::from_raw(id) {
                kill_group(pid, Signal::KILL);
            }
            mark.kill();
        }
    }

    /// Reaps ended processes that nobody here started: a server's own children fall to us when it
    /// ends before them. What was started here is left to its owner.
    pub(crate) fn reap_orphans(&self) {
        if !self.reaps_orphans {
            return;
        }
        let ours = self.pids();
        // A cheap look first: most often nothing waits.
        let peek = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if !matches!(waitid(WaitId::All, peek), Ok(Some(_))) {
            return;
        }
        for pid in kin::children().unwrap_or_default() {
            if !ours.contains_key(&pid.as_raw_nonzero().get()) && has_ended(pid) {
                // It has ended, and only this thread, under this lock, reaps it.
                let _ = waitpid(Some(pid), WaitOptions::NOHANG);
            }
        }
    }

    /// Kills what a server that was reaped has left behind. Whether there was anything: it may take a
    /// moment to go, or have started more just before.
    pub(crate) fn sweep(&self, mark: &Mark) -> bool {
        let is_clean = {
            let ours = self.pids();
            let known =
                |pid: &Pid| ours.contains_key(&pid.as_raw_nonzero().get()) || self.family.is_guard(*pid);
            self.reaps_orphans && kin::children().is_some_and(|children| children.iter().all(known))
        };
        !is_clean && mark.kill()
    }

    fn pids(&self) -> MutexGuard<'_, BTreeMap<i32, Mark>> {
        // The set is valid after every statement: a panic elsewhere does not spoil it.
        self.pids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Signals a group. One that has gone already is no error.
pub(crate) fn kill_group(leader: Pid, signal: Signal) {
    let _ = kill_process_group(leader, signal);
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::Semaphore;

    fn children(program: &str, args: &[&str]) -> Arc<Children> {
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        let settings = Settings::new(Command { program: program.to_owned(), args });
        Arc::new(Children::new(&settings, mpsc::channel(1).0))
    }

    #[tokio::test]
    async fn a_server_whose_owner_is_dropped_is_killed_reaped_and_forgotten_before_its_slot_is_free() {
        let (children, slots) = (children("/bin/sleep", &["600"]), Arc::new(Semaphore::new(1)));
        let slot = Arc::clone(&slots).try_acquire_owned().expect("a slot");
        let child = children.spawn(slot).expect("a server");
        let pid = *children.pids().keys().next().expect("a process");
        drop(child);
        let free = tokio::time::timeout(Duration::from_secs(20), slots.acquire()).await;
        drop(free.expect("in time").expect("open"));
        assert!(children.pids().is_empty());
        assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
}
