//! Whether the server works at all: one that fails at every start is started ever more rarely, and
//! whoever asks meanwhile is told why at once.
//!
//! Only what the bridge itself sees of a server counts: that it cannot be started, does not answer the
//! bridge's greeting, or ends while nothing was asked of it. What a client brings about counts for
//! nothing, or one client could keep the server from all others.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row after which starts are held back: one may be chance.
const CHANCES: u32 = 3;
/// Between starts then; twice as much after each further failure.
const SHORTEST: Duration = Duration::from_secs(1);
/// At most so much.
const LONGEST: Duration = Duration::from_mins(1);

/// Why a server is held not to work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What went wrong, with the exit status where there is one.
    pub(crate) what: String,
    /// The last lines of its stderr, redacted.
    pub(crate) stderr: Vec<String>,
}

/// Starts are held back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the server fails at every start; the last time: {}", failure.what)]
pub(crate) struct HeldBack {
    /// For how long still.
    pub(crate) wait: Duration,
    /// The last failure.
    pub(crate) failure: Arc<Failure>,
}

impl HeldBack {
    /// For `Retry-After`: whole seconds, at least one.
    pub(crate) fn seconds(&self) -> u64 {
        self.wait.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX).max(1)
    }
}

#[derive(Debug, Default)]
struct Record {
    in_a_row: u32,
    last: Option<(Arc<Failure>, Instant)>,
}

/// How the last starts went.
#[derive(Debug, Default)]
pub(crate) struct CrashLoop(Mutex<Record>);

impl CrashLoop {
    /// Leave to start a server. Once it has failed too often, there is leave for one from time to time,
    /// which may show that it works again.
    pub(crate) fn admit(&self) -> Result<(), HeldBack> {
        self.admit_at(Instant::now())
    }

    /// Whether there would be leave.
    pub(crate) fn look(&self) -> Result<(), HeldBack> {
        held_back(&self.record(), Instant::now()).map_or(Ok(()), Err)
    }

    /// What was wrong the last time, unless a server has worked since.
    pub(crate) fn last(&self) -> Option<Arc<Failure>> {
        self.record().last.as_ref().map(|(failure, _)| Arc::clone(failure))
    }

    /// A server was of no use.
    pub(crate) fn failed(&self, failure: Failure) {
        self.failed_at(failure, Instant::now());
    }

    /// A server works.
    pub(crate) fn worked(&self) {
        let mut record = self.record();
        if record.in_a_row >= CHANCES {
            tracing::info!("the server works again");
        }
        *record = Record::default();
    }

    fn admit_at(&self, now: Instant) -> Result<(), HeldBack> {
        let mut record = self.record();
        if let Some(held_back) = held_back(&record, now) {
            return Err(held_back);
        }
        let pause = pause(record.in_a_row);
        // This start is the one; how it goes decides about the next.
        if let (Some((_, until)), Some(pause)) = (&mut record.last, pause) {
            *until = now + pause;
        }
        Ok(())
    }

    fn failed_at(&self, failure: Failure, now: Instant) {
        let mut record = self.record();
        record.in_a_row = record.in_a_row.saturating_add(1);
        let pause = pause(record.in_a_row);
        if let Some(pause) = pause {
            tracing::error!("{}; the next start is held back for {pause:?}", failure.what);
        }
        record.last = Some((Arc::new(failure), now + pause.unwrap_or_default()));
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        // It is valid after every statement: a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn held_back(record: &Record, now: Instant) -> Option<HeldBack> {
    let (failure, until) = record.last.as_ref()?;
    let wait = until.saturating_duration_since(now);
    (wait > Duration::ZERO).then(|| HeldBack { wait, failure: Arc::clone(failure) })
}

fn pause(in_a_row: u32) -> Option<Duration> {
    let doubled = in_a_row.checked_sub(CHANCES)?.min(16);
    Some(SHORTEST.saturating_mul(1 << doubled).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> Failure {
        Failure { what: "it ended".to_owned(), stderr: Vec::new() }
    }

    #[test]
    fn a_server_that_fails_at_every_start_is_started_ever_more_rarely() {
        let (crashes, mut now) = (CrashLoop::default(), Instant::now());
        for _ in 0..CHANCES {
            assert_eq!(crashes.admit_at(now), Ok(()));
            assert_eq!(crashes.admit_at(now), Ok(()));
            crashes.failed_at(failure(), now);
        }
        assert_eq!(crashes.last().as_deref(), Some(&failure()));
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            let held_back = crashes.admit_at(now).expect_err("held back");
            assert_eq!((held_back.wait.as_secs(), held_back.seconds()), (seconds, seconds));
            now += Duration::from_secs(seconds);
            assert_eq!(crashes.admit_at(now), Ok(()));
            assert!(crashes.admit_at(now).is_err(), "one start shows it, not a herd");
            crashes.failed_at(failure(), now);
        }
    }

    #[test]
    fn one_that_works_makes_up_for_all_that_failed() {
        let (crashes, now) = (CrashLoop::default(), Instant::now());
        for _ in 0..=CHANCES {
            crashes.failed_at(failure(), now);
        }
        crashes.worked();
        assert_eq!((crashes.admit_at(now), crashes.last()), (Ok(()), None));
        crashes.failed_at(failure(), now);
        assert_eq!(crashes.admit_at(now), Ok(()));
    }
}
