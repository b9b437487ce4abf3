//! What the process has done so far: tasks, their cost, and how each adapter's last call went.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::provider::Adapter;

/// The books of one process. A new process starts with empty ones.
#[derive(Debug)]
pub(super) struct Ledger {
    started: Instant,
    book: Mutex<Book>,
}

/// A copy of the books at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Book {
    /// Tasks that were accepted, those in progress included.
    pub(super) requests: u64,
    /// US dollars, as far as the provider told the cost.
    pub(super) total_cost: f64,
    /// Answered tasks whose cost the provider did not tell.
    pub(super) unpriced: u64,
    /// How each adapter's last call went; nothing for one that was not called.
    pub(super) last: BTreeMap<Adapter, Result<(), String>>,
    day: u64,
    today: f64,
}

impl Ledger {
    pub(super) fn open() -> Self {
        Self { started: Instant::now(), book: Mutex::default() }
    }

    pub(super) fn runtime(&self) -> Duration {
        self.started.elapsed()
    }

    pub(super) fn copy(&self) -> Book {
        self.book().clone()
    }

    /// US dollars spent on the UTC day of `now`.
    pub(super) fn spent_on_day(&self, now: SystemTime) -> f64 {
        let book = self.book();
        if book.day == day_of(now) { book.today } else { 0.0 }
    }

    pub(super) fn accept(&self) {
        self.book().requests += 1;
    }

    /// Enters an answered call; `cost` is in US dollars, where the provider told it.
    pub(super) fn answered(&self, adapter: Adapter, cost: Option<f64>, now: SystemTime) {
        let mut book = self.book();
        book.last.insert(adapter, Ok(()));
        let Some(cost) = cost else {
            book.unpriced += 1;
            return;
        };
        let day = day_of(now);
        if book.day != day {
            book.day = day;
            book.today = 0.0;
        }
        book.today += cost;
        book.total_cost += cost;
    }

    /// Enters a call that failed, with the kind of failure.
    pub(super) fn failed(&self, adapter: Adapter, kind: &str) {
        self.book().last.insert(adapter, Err(kind.to_owned()));
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn day_of(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / (24 * 60 * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_spent_yesterday_does_not_count_today_but_stays_in_the_total() {
        let ledger = Ledger::open();
        let noon = UNIX_EPOCH + Duration::from_hours(36);
        let tomorrow = noon + Duration::from_hours(24);
        ledger.answered(Adapter::OpenRouter, Some(0.5), noon);
        assert!((ledger.spent_on_day(noon) - 0.5).abs() < 1e-9);
        assert!(ledger.spent_on_day(tomorrow).abs() < 1e-9);
        ledger.answered(Adapter::OpenRouter, Some(0.25), tomorrow);
        assert!((ledger.spent_on_day(tomorrow) - 0.25).abs() < 1e-9);
        assert!((ledger.copy().total_cost - 0.75).abs() < 1e-9);
    }

    #[test]
    fn an_unknown_cost_is_counted_as_unknown_and_not_as_nothing() {
        let ledger = Ledger::open();
        ledger.answered(Adapter::OpenAi, None, UNIX_EPOCH);
        assert_eq!((ledger.copy().unpriced, ledger.copy().total_cost), (1, 0.0));
    }
}
