//! How much of the bridge one principal may use: requests in a second, server processes at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::principal::Identity;

/// The most addresses, and the most names, of which an account is kept.
const MAX_ACCOUNTS: usize = 16 * 1024;
/// How often accounts that say nothing any more are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Why there is nothing for a principal just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Excess {
    /// More than this many requests in a second.
    Requests(u32),
    /// This many connections and calls already.
    Connections(usize),
    /// Too many different principals at once.
    Principals,
}

/// The accounts of all principals.
#[derive(Debug)]
pub(crate) struct Limits {
    requests: Option<u32>,
    connections: Option<usize>,
    // Apart, so that a crowd of addresses keeps out nobody who has a name.
    addresses: Mutex<Book>,
    names: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    accounts: HashMap<Identity, Account>,
    swept: Instant,
}

/// A bucket that fills with what a second allows.
#[derive(Debug)]
struct Account {
    level: f64,
    at: Instant,
    connections: usize,
}

impl Limits {
    /// At most `requests` in a second, as many of them at once, and `connections` at a time.
    pub(crate) fn new(requests: Option<u32>, connections: Option<usize>) -> Arc<Self> {
        let book = || Mutex::new(Book { accounts: HashMap::new(), swept: Instant::now() });
        Arc::new(Self { requests, connections, addresses: book(), names: book() })
    }

    /// Counts a request.
    pub(crate) fn request(&self, who: &Identity) -> Result<(), Excess> {
        self.request_at(who, Instant::now())
    }

    fn request_at(&self, who: &Identity, now: Instant) -> Result<(), Excess> {
        let Some(rate) = self.requests else { return Ok(()) };
        let mut book = self.book(who);
        let account = book.account(who, rate, now)?;
        account.fill(rate, now);
        if account.level < 1.0 {
            return Err(Excess::Requests(rate));
        }
        account.level -= 1.0;
        Ok(())
    }

    /// A place for one more connection or call, until it is dropped.
    pub(crate) fn enter(self: &Arc<Self>, who: &Identity) -> Result<Place, Excess> {
        let Some(most) = self.connections else { return Ok(Place(None)) };
        let mut book = self.book(who);
        let account = book.account(who, self.requests.unwrap_or(0), Instant::now())?;
        if account.connections >= most {
            return Err(Excess::Connections(most));
        }
        account.connections += 1;
        drop(book);
        Ok(Place(Some((Arc::clone(self), who.clone()))))
    }

    fn book(&self, who: &Identity) -> MutexGuard<'_, Book> {
        let book = if matches!(who, Identity::Address(_)) { &self.addresses } else { &self.names };
        // Each statement leaves it valid.
        book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn account(&mut self, who: &Identity, rate: u32, now: Instant) -> Result<&mut Account, Excess> {
        if self.accounts.len() >= MAX_ACCOUNTS && !self.accounts.contains_key(who) {
            self.sweep(rate, now);
            if self.accounts.len() >= MAX_ACCOUNTS {
                return Err(Excess::Principals);
            }
        }
        let fresh = || Account { level: f64::from(rate), at: now, connections: 0 };
        Ok(self.accounts.entry(who.clone()).or_insert_with(fresh))
    }

    /// Forgets those who have nothing and whose bucket is full, as a new one would be.
    fn sweep(&mut self, rate: u32, now: Instant) {
        if now.saturating_duration_since(self.swept) < SWEEP_EVERY {
            return;
        }
        self.swept = now;
        self.accounts.retain(|_, account| {
            account.fill(rate, now);
            account.connections > 0 || account.level < f64::from(rate)
        });
    }
}

impl Account {
    fn fill(&mut self, rate: u32, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.level = (self.level + passed * f64::from(rate)).min(f64::from(rate));
        self.at = now.max(self.at);
    }
}

/// One connection or call of somebody's.
#[derive(Debug)]
pub(crate) struct Place(Option<(Arc<Limits>, Identity)>);

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((limits, who)) = &self.0
            && let Some(account) = limits.book(who).accounts.get_mut(who)
        {
            account.connections = account.connections.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    fn token(name: &str) -> Identity {
        Identity::Token(name.into())
    }

    fn address(number: usize) -> Identity {
        let number = u32::try_from(number).expect("few");
        Identity::of_address(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    #[test]
    fn a_second_gives_back_what_a_second_allows_and_each_has_their_own() {
        let limits = Limits::new(Some(3), None);
        let (a, b, start) = (token("a"), token("b"), Instant::now());
        let count = |who: &Identity, millis: u64| {
            let now = start + Duration::from_millis(millis);
            (0..10).filter(|_| limits.request_at(who, now).is_ok()).count()
        };
        assert_eq!(count(&a, 0), 3);
        assert_eq!(limits.request_at(&a, start), Err(Excess::Requests(3)));
        assert_eq!(count(&b, 0), 3);
        assert_eq!(count(&a, 400), 1);
        assert_eq!(count(&a, 60_000), 3);
        assert_eq!(count(&a, 0), 0, "a clock that goes back gives nothing");
    }

    #[test]
    fn a_place_is_somebody_s_until_it_is_dropped() {
        let limits = Limits::new(None, Some(2));
        let a = token("a");
        let (first, second) = (limits.enter(&a).expect("a place"), limits.enter(&a).expect("a place"));
        assert_eq!(limits.enter(&a).expect_err("two are all"), Excess::Connections(2));
        limits.enter(&token("b")).expect("a place of their own");
        drop(first);
        let _third = limits.enter(&a).expect("a place again");
        drop(second);
    }

    #[test]
    fn the_accounts_are_bounded_and_a_crowd_of_addresses_keeps_out_nobody_with_a_name() {
        let limits = Limits::new(Some(1), None);
        let start = Instant::now();
        for number in 0..MAX_ACCOUNTS {
            assert_eq!(limits.request_at(&address(number), start), Ok(()));
        }
        let late = start + SWEEP_EVERY / 2;
        assert_eq!(limits.request_at(&address(MAX_ACCOUNTS), late), Err(Excess::Principals));
        assert_eq!(limits.request_at(&address(0), late), Err(Excess::Requests(1)));
        assert_eq!(limits.request_at(&token("a"), late), Ok(()));
        let later = start + SWEEP_EVERY * 3;
        assert_eq!(limits.request_at(&address(MAX_ACCOUNTS), later), Ok(()));
        assert_eq!(limits.book(&address(0)).accounts.len(), 1);
    }

    #[test]
    fn without_limits_no_accounts_are_kept() {
        let limits = Limits::new(None, None);
        let _place = limits.enter(&token("a")).expect("a place");
        assert_eq!(limits.request(&token("a")), Ok(()));
        assert!(limits.book(&token("a")).accounts.is_empty());
    }
}
