//! What tells a server's processes from all others: a variable that each of them inherits.
//!
//! A process group does not hold what leaves it (`setsid`, a daemon), and what is left behind no
//! longer descends from the server. The mark stays, unless a process clears or overwrites its
//! environment or may not be looked into.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::process::{Pid, Signal, kill_process};

/// The variable. Its value means nothing to the server.
const VARIABLE: &str = "MCP_BRIDGE_SERVER_MARK";

/// What the marks of one bridge's servers begin with, and nobody else's.
#[derive(Debug, Clone)]
pub struct Family {
    text: String,
    /// The process that ends them where the bridge cannot; 0 for none.
    guard: Arc<AtomicI32>,
}

impl Family {
    pub(crate) fn new() -> Self {
        Self::of(format!("{:016x}{:016x}", random(), random()))
    }

    fn of(text: String) -> Self {
        Self { text, guard: Arc::default() }
    }

    /// The text of one, as a bridge passes it on; `None` where it is none.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let is_one = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_one.then(|| Self::of(text.to_owned()))
    }

    /// Its text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// From now on this process is the guard.
    pub(crate) fn set_guard(&self, pid: Option<u32>) {
        let pid = pid.and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default();
        self.guard.store(pid, Ordering::Relaxed);
    }

    /// Whether a process is the guard.
    pub(crate) fn is_guard(&self, pid: Pid) -> bool {
        self.guard.load(Ordering::Relaxed) == pid.as_raw_nonzero().get()
    }

    /// Kills every process of every server of the bridge's. Whether there was one.
    pub(crate) fn kill(&self) -> bool {
        kill(|mark| mark.starts_with(self.text.as_bytes()))
    }
}

/// Keyed anew from the system's randomness for each process, and differently each time.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// The mark of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark(String);

impl Mark {
    /// A mark that no other process has, not even another bridge's server.
    pub(crate) fn new(family: &Family) -> Self {
        Self(format!("{}{:016x}", family.text, random()))
    }

    /// The variable for the server's environment, and its value.
    pub(crate) fn variable(&self) -> (&'static str, &str) {
        (VARIABLE, &self.0)
    }

    /// Kills every process that carries the mark. Whether there was one: it may take a moment to
    /// go, or have started another just before.
    pub(crate) fn kill(&self) -> bool {
        kill(|mark| mark == self.0.as_bytes())
    }
}

fn kill(is_meant: impl Fn(&[u8]) -> bool) -> bool {
    let mut found = false;
    for pid in processes().filter(|&pid| carries(pid, &is_meant)) {
        found = true;
        // One that has gone meanwhile is no error.
        let _ = kill_process(pid, Signal::KILL);
    }
    found
}

/// A process that has ended, or is another user's, carries nothing.
fn carries(pid: Pid, is_meant: impl Fn(&[u8]) -> bool) -> bool {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|&byte| byte == 0).any(|variable| {
        let mark = variable.strip_prefix(VARIABLE.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
        mark.is_some_and(&is_meant)
    })
}

/// Every process that can be seen; none where there is no `/proc`.
fn processes() -> impl Iterator<Item = Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| Pid::from_raw(entry.ok()?.file_name().to_str()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_is_read_as_it_was_written_and_nothing_else_is_one() {
        let family = Family::new();
        assert_eq!(Family::read(family.text()).expect("a family").text(), family.text());
        assert!(Mark::new(&family).variable().1.starts_with(family.text()));
        // An empty one would be everybody's.
        for text in ["", "0", "x".repeat(32).as_str(), "é".repeat(16).as_str()] {
            assert!(Family::read(text).is_none(), "{text}");
        }
    }
}
