//! What a bridge counts. Every count is an atomic of its own in a place that is known beforehand: a
//! request costs a few relaxed additions, no lock and no allocation.
//!
//! Own code, because the crates for this give that away for generality: `prometheus-client` and
//! `metrics` look each sample's labels up in a map that is locked or hashed; what is here is arrays. See
//! `docs/adr/0007-telemetry.md`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use super::histogram::Histogram;
use super::tools::Tools;
use super::wire::{Fault, Outcome, Wire};

/// A number that goes up, or up and down.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn subtract(&self, fewer: u64) {
        self.0.fetch_sub(fewer, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is counted for each wire.
#[derive(Debug, Default)]
pub(crate) struct OfWire {
    pub(crate) requests: [Count; Outcome::ALL.len()],
    /// Bytes of bodies and messages, without heads and frames.
    pub(crate) received: Count,
    pub(crate) sent: Count,
    pub(crate) sessions: Count,
}

/// How a server process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exited {
    Success,
    Failure,
    Signal,
}

impl Exited {
    pub(crate) const ALL: [Self; 3] = [Self::Success, Self::Failure, Self::Signal];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Signal => "signal",
        }
    }
}

/// What is counted of server processes.
#[derive(Debug, Default)]
pub(crate) struct OfServers {
    pub(crate) running: Count,
    pub(crate) started: Count,
    pub(crate) not_started: Count,
    pub(crate) restarted: Count,
    pub(crate) ended: [Count; Exited::ALL.len()],
    /// Ended by themselves, with nobody yet started in their place.
    lost: Count,
}

impl OfServers {
    pub(crate) fn start(&self) {
        self.started.add(1);
        self.running.add(1);
    }

    pub(crate) fn end(&self, exited: Exited) {
        self.ended[exited as usize].add(1);
        self.running.subtract(1);
    }

    /// One that was to be kept has ended by itself.
    pub(crate) fn lose(&self) {
        self.lost.add(1);
    }

    /// One is started that is to be kept: in the place of a lost one, if there is one.
    pub(crate) fn replace(&self) {
        let fewer = |lost: u64| lost.checked_sub(1);
        if self.lost.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer).is_ok() {
            self.restarted.add(1);
        }
    }
}

/// What is counted of calls that wait for a server.
#[derive(Debug, Default)]
pub(crate) struct OfQueue {
    pub(crate) length: Count,
    pub(crate) wait: Histogram,
}

impl OfQueue {
    /// Somebody waits, until what is returned is dropped.
    pub(crate) fn enter(&self) -> Waiting<'_> {
        self.length.add(1);
        Waiting { queue: self, since: Instant::now() }
    }
}

/// Somebody who waits.
#[derive(Debug)]
pub(crate) struct Waiting<'q> {
    queue: &'q OfQueue,
    since: Instant,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.queue.length.subtract(1);
        self.queue.wait.add(self.since.elapsed());
    }
}

/// Everything that is counted.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// When this bridge began.
    pub(crate) begun: SystemTime,
    pub(crate) in_flight: Count,
    wires: [OfWire; Wire::ALL.len()],
    pub(crate) faults: [Count; Fault::ALL.len()],
    pub(crate) tools: Tools,
    pub(crate) servers: OfServers,
    pub(crate) queue: OfQueue,
    pub(crate) messages_in: Count,
    pub(crate) messages_out: Count,
    pub(crate) spans_sent: Count,
    pub(crate) spans_dropped: Count,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            begun: SystemTime::now(),
            in_flight: Count::default(),
            wires: Default::default(),
            faults: Default::default(),
            tools: Tools::default(),
            servers: OfServers::default(),
            queue: OfQueue::default(),
            messages_in: Count::default(),
            messages_out: Count::default(),
            spans_sent: Count::default(),
            spans_dropped: Count::default(),
        }
    }
}

impl Metrics {
    pub(crate) fn on(&self, wire: Wire) -> &OfWire {
        &self.wires[wire as usize]
    }

    /// A session is open, until what is returned is dropped.
    pub(crate) fn session(self: &Arc<Self>, wire: Wire) -> OpenSession {
        self.on(wire).sessions.add(1);
        OpenSession { metrics: Arc::clone(self), wire }
    }

    /// A request has ended after `duration`; a connection that stays open has no latency.
    pub(crate) fn end(&self, wire: Wire, tool: Option<&str>, ended: (Outcome, u16), duration: Duration) {
        let (outcome, status) = ended;
        self.on(wire).requests[outcome as usize].add(1);
        if let Some(fault) = Fault::of(outcome, status) {
            self.faults[fault as usize].add(1);
        }
        if let (Outcome::Ok, Some(tool)) = (outcome, tool) {
            self.tools.confirm(tool);
        }
        if wire != Wire::WebSocket {
            self.tools.of(tool).on(wire).add(duration);
        }
    }
}

/// A session that is open.
#[derive(Debug)]
pub(crate) struct OpenSession {
    metrics: Arc<Metrics>,
    wire: Wire,
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        self.metrics.on(self.wire).sessions.subtract(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_counts_until_it_is_dropped() {
        let metrics = Arc::new(Metrics::default());
        let (session, waiting) = (metrics.session(Wire::HttpLegacy), metrics.queue.enter());
        let open = || (metrics.on(Wire::HttpLegacy).sessions.read(), metrics.queue.length.read());
        assert_eq!(open(), (1, 1));
        drop((session, waiting));
        assert_eq!((open(), metrics.queue.wait.read().count), ((0, 0), 1));
    }

    #[test]
    fn a_start_after_a_loss_is_a_restart_and_every_other_is_not() {
        let servers = OfServers::default();
        servers.replace();
        servers.lose();
        servers.replace();
        servers.replace();
        assert_eq!(servers.restarted.read(), 1);
    }

    #[test]
    fn only_a_call_that_went_well_makes_a_tool_known() {
        let metrics = Metrics::default();
        metrics.end(Wire::Rest, Some("made up"), (Outcome::Refused, 404), Duration::ZERO);
        metrics.end(Wire::Rest, Some("echo"), (Outcome::Ok, 200), Duration::ZERO);
        assert_eq!(metrics.tools.of(Some("made up")).name(), "other");
        assert_eq!(metrics.tools.of(Some("echo")).on(Wire::Rest).read().count, 1);
        assert_eq!(metrics.faults[Fault::NotFound as usize].read(), 1);
    }
}
