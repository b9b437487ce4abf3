//! How long a WebSocket's client has been silent while somebody listened.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::budget::Share;
use super::socket::Peer;
use super::telemetry::Account;

/// Whether the client is being listened to. While the bridge waits for the server to read instead,
/// the client's silence says nothing.
#[derive(Debug)]
pub(crate) struct Ear<'a> {
    peer: &'a Peer,
    /// What the client's message under way holds; while it waits for room, nobody listens either.
    pub(crate) share: &'a Share,
    /// What is heard and said counts.
    pub(crate) account: &'a Account,
    start: Instant,
    /// Since when, in milliseconds after `start`; [`AWAY`] while not listening.
    since: AtomicU64,
}

const AWAY: u64 = u64::MAX;

impl<'a> Ear<'a> {
    pub(crate) fn new(peer: &'a Peer, share: &'a Share, account: &'a Account) -> Self {
        Self { peer, share, account, start: Instant::now(), since: AtomicU64::new(AWAY) }
    }

    pub(crate) fn listen(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(AWAY - 1);
        self.since.store(now, Ordering::Relaxed);
    }

    pub(crate) fn turn_away(&self) {
        self.since.store(AWAY, Ordering::Relaxed);
    }

    /// Whether a large message has been coming for longer than `patience`, in the way of others.
    pub(crate) fn is_dawdling(&self, patience: Duration) -> bool {
        self.since.load(Ordering::Relaxed) != AWAY && self.share.is_hoarding(patience)
    }

    /// How long nothing has come although somebody listened.
    pub(crate) fn silence(&self) -> Duration {
        match self.since.load(Ordering::Relaxed) {
            AWAY => Duration::ZERO,
            _ if self.share.is_waiting() => {
                // Once there is room, it has its time anew.
                self.listen();
                Duration::ZERO
            }
            since => {
                let listening = self.start.elapsed().saturating_sub(Duration::from_millis(since));
                listening.min(self.peer.silence())
            }
        }
    }
}
