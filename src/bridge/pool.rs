//! The servers that REST calls and stateless requests take turns on.
//!
//! A call has a server to itself for as long as it lasts, so that whatever the server says meanwhile
//! is that call's. One that comes back is kept for a while; one whose call was given up is not, since
//! nobody knows what it still works on.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{MutexGuard, Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};

use super::abilities::Abilities;
use super::changes::Changes;
use super::child::Child;
use super::children::Children;
use super::crash_loop::HeldBack;
use super::greeting::{Era, GreetingError, greet, learn};
use super::link::{Link, LinkEnd};
use super::settings::Settings;
use super::warm::Warm;

/// How long a process may wait for the place of the one before it, which has ended.
const REPLACEMENT: Duration = Duration::from_secs(5);

/// Whether a server that was asked nothing stays. One that only ends does so within this time.
const STAYS: Duration = Duration::from_millis(250);

/// Why there is no server for a call, or for a client.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum PoolError {
    /// Every server is busy, and stays so.
    #[error("no server became free within {0:?}")]
    Full(Duration),
    /// Too many wait already.
    #[error("{0} calls wait for a server already")]
    Crowded(usize),
    /// The program could not be started.
    #[error("cannot start {program}: {reason}")]
    Spawn {
        /// The program.
        program: String,
        /// What the system says.
        reason: String,
    },
    /// It was started and does not speak with us.
    #[error(transparent)]
    Greeting(#[from] GreetingError),
    /// It failed at every start until now.
    #[error(transparent)]
    HeldBack(#[from] HeldBack),
}

/// Where a call may sit.
#[derive(Debug)]
enum Seat {
    /// On a server that waits for its next call.
    Free(Served),
    /// On a new one in this slot, or, without one, on a spare.
    New(Option<OwnedSemaphorePermit>),
}

/// A server that waits for its next call.
#[derive(Debug)]
struct Free {
    served: Served,
    since: Instant,
}

/// A server that has been greeted.
#[derive(Debug, Clone)]
struct Served {
    link: Arc<Link>,
    era: Arc<Era>,
    /// What it was told that its clients can be asked for; `None` where it is told in each request.
    able: Option<Abilities>,
}

impl Served {
    fn new(link: Link, era: &Arc<Era>, able: &Abilities) -> Self {
        let able = matches!(**era, Era::Legacy { .. }).then(|| able.clone());
        Self { link: Arc::new(link), era: Arc::clone(era), able }
    }

    fn serves(&self, able: &Abilities) -> bool {
        self.able.as_ref().is_none_or(|told| told == able)
    }

    /// Whether somebody listens to its changes: it stays.
    fn is_held(&self) -> bool {
        Arc::strong_count(&self.link) > 1
    }
}

#[derive(Debug)]
pub(crate) struct Pool {
    children: Arc<Children>,
    /// Shared with the `WebSockets`: one for each server process that may run.
    slots: Arc<Semaphore>,
    /// The last that came is the first that goes: the others grow old and end.
    free: Mutex<Vec<Free>>,
    came_back: Notify,
    /// Every server that there may be, to be asked to tell of changes.
    links: Mutex<Vec<Weak<Link>>>,
    changes: Arc<Changes>,
    /// Started ahead of need.
    warm: Arc<Warm>,
    /// How many servers are kept although nobody has called for long.
    kept: usize,
    /// Whose turn it is to take the next server: in the order of asking.
    turn: tokio::sync::Mutex<()>,
    /// For each call that may wait, one permit.
    waiting: Semaphore,
    max_waiting: usize,
    /// How the server speaks, once somebody has found out. Held while somebody does.
    era: tokio::sync::Mutex<Option<Arc<Era>>>,
}

impl Pool {
    /// A pool that takes its servers from `warm` or else starts them.
    pub(crate) fn new(
        children: Arc<Children>,
        slots: Arc<Semaphore>,
        warm: Arc<Warm>,
        settings: &Settings,
    ) -> Arc<Self> {
        let pool = Arc::new(Self {
            children,
            slots,
            free: Mutex::default(),
            came_back: Notify::new(),
            links: Mutex::default(),
            changes: Arc::default(),
            warm,
            // Whoever wants servers ahead of need wants one that knows the handshake too.
            kept: settings.warm.min(1),
            turn: tokio::sync::Mutex::default(),
            waiting: Semaphore::new(settings.max_waiting),
            max_waiting: settings.max_waiting,
            era: tokio::sync::Mutex::default(),
        });
        tokio::spawn(end_idle(Arc::downgrade(&pool), settings.idle));
        pool
    }

    /// A server for one call, in the order of asking. Whoever finds all busy waits for `patience`; what
    /// starting one takes is the caller's to bound.
    pub(crate) async fn lease(
        self: &Arc<Self>,
        able: &Abilities,
        patience: Duration,
    ) -> Result<Lease, PoolError> {
        let seat = match self.turn.try_lock() {
            // Nobody waits.
            Ok(turn) => match self.seat(able) {
                Some(seat) => seat,
                None => self.wait(Some(turn), able, patience).await?,
            },
            Err(_) => self.wait(None, able, patience).await?,
        };
        let served = match seat {
            Seat::Free(served) => served,
            Seat::New(slot) => {
                let served = self.open(slot, able).await?;
                self.links().push(Arc::downgrade(&served.link));
                // That there is another one is all that matters to whoever listens.
                let _ = served.link.watch(&served.era).await;
                served
            }
        };
        Ok(Lease { served, pool: Arc::clone(self) })
    }

    /// How the server speaks: one is asked, where nobody has yet.
    pub(crate) async fn era(self: &Arc<Self>, patience: Duration) -> Result<Arc<Era>, PoolError> {
        if let Some(era) = self.era.lock().await.clone() {
            return Ok(era);
        }
        Ok(Arc::clone(&self.lease(&Abilities::default(), patience).await?.served.era))
    }

    /// Everybody who listens for changes hears of them from every server.
    pub(crate) fn changes(&self) -> &Arc<Changes> {
        &self.changes
    }

    /// Asks every server to tell of what somebody listens for.
    pub(crate) async fn watch(&self, era: &Era) {
        let links: Vec<Arc<Link>> = self.links().iter().filter_map(Weak::upgrade).collect();
        for link in links {
            // One that has ended has nothing to tell.
            let _ = link.watch(era).await;
        }
    }

    /// Ends every call: the bridge does.
    pub(crate) fn stop(&self) {
        let links: Vec<Arc<Link>> = self.links().iter().filter_map(Weak::upgrade).collect();
        for link in links {
            link.stop();
        }
    }

    fn links(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Link>>> {
        // The list is valid after every statement: a panic elsewhere does not spoil it.
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|link| link.strong_count() > 0);
        links
    }

    /// What there is at once.
    fn seat(&self, able: &Abilities) -> Option<Seat> {
        let free = self.take_free(able).map(Seat::Free);
        let seat = free.or_else(|| {
            // A spare has its slot already.
            if self.warm.is_stocked() {
                return Some(Seat::New(None));
            }
            Arc::clone(&self.slots).try_acquire_owned().ok().map(|slot| Seat::New(Some(slot)))
        });
        if seat.is_none() {
            // One that waits for clients of other abilities makes room.
            self.make_room();
        }
        seat
    }

    /// What there is once it is this one's turn.
    async fn wait(
        &self,
        turn: Option<MutexGuard<'_, ()>>,
        able: &Abilities,
        patience: Duration,
    ) -> Result<Seat, PoolError> {
        let crowded = |_| PoolError::Crowded(self.max_waiting);
        let _waiting = self.waiting.try_acquire().map_err(crowded)?;
        let _counted = self.children.metrics().queue.enter();
        let seat = async {
            let _turn = match turn {
                Some(turn) => turn,
                None => self.turn.lock().await,
            };
            // Whoever finds out how the server speaks may need the next place for that.
            drop(self.era.lock().await);
            loop {
                let came_back = self.came_back.notified();
                if let Some(seat) = self.seat(able) {
                    return seat;
                }
                tokio::select! {
                    biased;
                    // Nobody closes the slots.
                    Ok(slot) = Arc::clone(&self.slots).acquire_owned() => return Seat::New(Some(slot)),
                    () = came_back => {}
                }
            }
        };
        timeout(patience, seat).await.map_err(|_| PoolError::Full(patience))
    }

    /// A fresh server for one client, who greets it. Whoever finds all busy waits for `patience` if one
    /// that nobody uses can make room.
    pub(crate) async fn fresh(&self, patience: Duration) -> Result<Child, PoolError> {
        if let Some(child) = self.warm.take().await {
            return Ok(child);
        }
        self.children.crashes.admit()?;
        let slots = || Arc::clone(&self.slots);
        let slot = match slots().try_acquire_owned() {
            Ok(slot) => slot,
            Err(_) if self.make_room() => {
                let slot = timeout(patience, slots().acquire_owned()).await;
                slot.ok().and_then(Result::ok).ok_or(PoolError::Full(patience))?
            }
            Err(_) => return Err(PoolError::Full(Duration::ZERO)),
        };
        self.spawn(slot)
    }

    /// Whether there is a server to be had at once, or after making room.
    pub(crate) fn has_room(&self) -> bool {
        self.slots.available_permits() > 0 || self.warm.is_stocked() || !self.open_ones().is_empty()
    }

    /// Greets a server ahead of need, and so finds out how it speaks.
    pub(crate) async fn prepare(self: &Arc<Self>) {
        if let Err(error) = self.lease(&Abilities::default(), Duration::ZERO).await {
            tracing::warn!("no server could be greeted ahead of need: {error}");
        }
    }

    /// Ends one that nobody uses, for somebody who needs its place. Whether there was one.
    fn make_room(&self) -> bool {
        let oldest = {
            let mut free = self.open_ones();
            let oldest = free.iter().position(|free| !free.served.is_held());
            oldest.map(|oldest| free.remove(oldest))
        };
        oldest.is_some()
    }

    fn take_free(&self, able: &Abilities) -> Option<Served> {
        let mut free = self.free();
        loop {
            let latest = free.iter().rposition(|free| free.served.serves(able))?;
            let Free { served, .. } = free.remove(latest);
            if served.link.is_open() {
                return Some(served);
            }
        }
    }

    async fn open(&self, slot: Option<OwnedSemaphorePermit>, able: &Abilities) -> Result<Served, PoolError> {
        let mut known = self.era.lock().await;
        let mut first = Some(self.first(slot).await?);
        if let Some(era) = known.clone() {
            drop(known);
            let link = self.link(self.child(first.take()).await?);
            if let Err(error) = greet(&link, &era, able).await {
                return Err(self.useless(link, error).await);
            }
            if *era != Era::Bare {
                self.children.crashes.worked();
            }
            return Ok(Served::new(link, &era, able));
        }
        for discover in [true, false] {
            let link = self.link(self.child(first.take()).await?);
            match learn(&link, able, discover).await {
                Ok(era) => {
                    self.children.crashes.worked();
                    let era = Arc::new(era);
                    *known = Some(Arc::clone(&era));
                    return Ok(Served::new(link, &era, able));
                }
                // It does not bear the question: another process is asked in another way.
                Err(GreetingError::EndedOver { .. }) => link.over().await,
                Err(error) => return Err(self.useless(link, error).await),
            }
        }
        // What bears neither question speaks the bare dialect, or ends whatever it is told. That is not
        // kept: the next one is asked again.
        let link = self.link(self.child(None).await?);
        greet(&link, &Era::Bare, able).await?;
        if timeout(STAYS, link.over()).await.is_ok() {
            return Err(self.useless(link, LinkEnd::Ended.into()).await);
        }
        self.children.crashes.worked();
        Ok(Served::new(link, &Arc::new(Era::Bare), able))
    }

    fn link(&self, child: Child) -> Link {
        Link::start(child, Arc::clone(&self.changes))
    }

    /// The spare that was seen, or a new process.
    async fn first(&self, slot: Option<OwnedSemaphorePermit>) -> Result<Child, PoolError> {
        if slot.is_none()
            && let Some(spare) = self.warm.take().await
        {
            return Ok(spare);
        }
        self.children.crashes.admit()?;
        self.spawn(self.slot(slot).await?)
    }

    async fn useless(&self, link: Link, error: GreetingError) -> PoolError {
        let ending = link.last_words().await;
        self.children.was_useless(&error.to_string(), &ending);
        error.into()
    }

    /// The process that there is, or another.
    async fn child(&self, child: Option<Child>) -> Result<Child, PoolError> {
        match child {
            Some(child) => Ok(child),
            None => self.spawn(self.slot(None).await?),
        }
    }

    /// The slot that there is, or, in the place of one that was used up, the next.
    async fn slot(&self, slot: Option<OwnedSemaphorePermit>) -> Result<OwnedSemaphorePermit, PoolError> {
        if let Some(slot) = slot {
            return Ok(slot);
        }
        let next = timeout(REPLACEMENT, Arc::clone(&self.slots).acquire_owned()).await;
        next.ok().and_then(Result::ok).ok_or(PoolError::Full(REPLACEMENT))
    }

    fn spawn(&self, slot: OwnedSemaphorePermit) -> Result<Child, PoolError> {
        let child = self.children.spawn(slot).map_err(|error: io::Error| PoolError::Spawn {
            program: self.children.program().to_owned(),
            reason: error.to_string(),
        })?;
        self.children.metrics().servers.replace();
        Ok(child)
    }

    fn give_back(&self, served: Served) {
        // With a call under way it is not its own any more; it goes when that one does.
        if served.link.is_open() && served.link.under_way() == 0 {
            self.free().push(Free { served, since: Instant::now() });
        }
        self.came_back.notify_one();
    }

    /// Those that wait for a call and have not ended meanwhile.
    fn open_ones(&self) -> std::sync::MutexGuard<'_, Vec<Free>> {
        let mut free = self.free();
        free.retain(|free| free.served.link.is_open());
        free
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Free>> {
        // The list is valid after every statement: a panic elsewhere does not spoil it.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends what nobody has used for `idle`, for as long as there is a pool.
async fn end_idle(pool: Weak<Pool>, idle: Duration) {
    loop {
        let next = {
            let Some(pool) = pool.upgrade() else { return };
            let mut free = pool.open_ones();
            let now = Instant::now();
            // The last that came back are kept.
            let mut spare = free.len().saturating_sub(pool.kept);
            free.retain(|free| {
                let goes = spare > 0 && now - free.since >= idle && !free.served.is_held();
                spare -= usize::from(goes);
                !goes
            });
            free.iter()
                .map(|free| idle.saturating_sub(now - free.since))
                .filter(|left| !left.is_zero())
                .min()
                .unwrap_or(idle)
        };
        sleep(next).await;
    }
}

/// A server for one call. Dropped, it goes back.
#[derive(Debug)]
pub(crate) struct Lease {
    served: Served,
    pool: Arc<Pool>,
}

impl Lease {
    /// The server.
    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.served.link
    }

    /// How it speaks.
    pub(crate) fn era(&self) -> &Era {
        &self.served.era
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.give_back(self.served.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::settings::Command;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};
    use tokio::sync::mpsc;

    static ANY: std::sync::LazyLock<Abilities> = std::sync::LazyLock::new(Abilities::default);

    /// So long that no test waits for its end.
    const LONG: Duration = Duration::from_secs(20);

    /// One server, which is known to speak the bare dialect.
    fn pool(max_waiting: usize) -> Arc<Pool> {
        let mut settings = Settings::new(Command { program: "/bin/cat".to_owned(), args: Vec::new() });
        settings.max_waiting = max_waiting;
        let children = Arc::new(Children::new(&settings, mpsc::channel(1).0));
        let slots = Arc::new(Semaphore::new(1));
        let warm = Warm::new(Arc::clone(&children), Arc::clone(&slots), 0);
        let pool = Pool::new(children, slots, warm, &settings);
        *pool.era.try_lock().expect("nobody asks") = Some(Arc::new(Era::Bare));
        pool
    }

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn whoever_asks_first_is_served_first_and_nobody_gets_in_between() {
        let pool = pool(9);
        let held = pool.lease(&ANY, LONG).await.expect("a server");
        let (mut one, mut two) = (pin!(pool.lease(&ANY, LONG)), pin!(pool.lease(&ANY, LONG)));
        assert!(poll(one.as_mut()).is_pending() && poll(two.as_mut()).is_pending());
        drop(held);
        let mut late = pin!(pool.lease(&ANY, LONG));
        assert!(poll(late.as_mut()).is_pending() && poll(two.as_mut()).is_pending());
        drop(one.await.expect("a server"));
        assert!(poll(late.as_mut()).is_pending());
        drop(two.await.expect("a server"));
        drop(late.await.expect("a server"));
    }

    #[tokio::test]
    async fn whoever_leaves_keeps_nobody_waiting() {
        let pool = pool(9);
        let held = pool.lease(&ANY, LONG).await.expect("a server");
        let mut left = Box::pin(pool.lease(&ANY, LONG));
        let mut next = pin!(pool.lease(&ANY, LONG));
        assert!(poll(left.as_mut()).is_pending() && poll(next.as_mut()).is_pending());
        drop(left);
        drop(held);
        drop(next.await.expect("a server"));
    }

    #[tokio::test]
    async fn more_than_may_wait_are_refused_at_once_and_who_waits_in_vain_after_a_time() {
        let pool = pool(1);
        let held = pool.lease(&ANY, LONG).await.expect("a server");
        let mut waiting = pin!(pool.lease(&ANY, Duration::from_millis(50)));
        assert!(poll(waiting.as_mut()).is_pending());
        assert!(matches!(pool.lease(&ANY, LONG).await, Err(PoolError::Crowded(1))));
        assert!(matches!(waiting.await, Err(PoolError::Full(_))));
        drop(held);
        drop(pool.lease(&ANY, LONG).await.expect("a server"));
    }

    #[tokio::test]
    async fn a_server_that_comes_back_is_used_again_and_a_client_of_its_own_has_its_place() {
        let pool = pool(9);
        drop(pool.lease(&ANY, LONG).await.expect("a server"));
        assert!(pool.has_room());
        let own = pool.fresh(LONG).await.expect("the other makes room");
        assert!(!pool.has_room());
        assert!(matches!(pool.fresh(LONG).await, Err(PoolError::Full(_))));
        own.end().await;
        assert!(pool.has_room());
    }
}
