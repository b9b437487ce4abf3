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
    Free(Arc<Link>, Arc<Era>),
    /// On a new one in this slot, or, without one, on a spare.
    New(Option<OwnedSemaphorePermit>),
}

/// A server that waits for its next call.
#[derive(Debug)]
struct Free {
    link: Arc<Link>,
    era: Arc<Era>,
    since: Instant,
}

#[derive(Debug)]
pub(crate) struct Pool {
    children: Arc<Children>,
    /// Shared with the `WebSockets`: one for each server process that may run.
    slots: Arc<Semaphore>,
    /// The last that came is the first that goes: the others grow old and end.
    free: Mutex<Vec<Free>>,
    came_back: Notify,
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
    pub(crate) async fn lease(self: &Arc<Self>, patience: Duration) -> Result<Lease, PoolError> {
        let seat = match self.turn.try_lock() {
            // Nobody waits.
            Ok(turn) => match self.seat() {
                Some(seat) => seat,
                None => self.wait(Some(turn), patience).await?,
            },
            Err(_) => self.wait(None, patience).await?,
        };
        let (link, era) = match seat {
            Seat::Free(link, era) => (link, era),
            Seat::New(slot) => self.open(slot).await?,
        };
        Ok(Lease { link, era, pool: Arc::clone(self) })
    }

    /// What there is at once.
    fn seat(&self) -> Option<Seat> {
        let free = self.take_free().map(|(link, era)| Seat::Free(link, era));
        free.or_else(|| {
            // A spare has its slot already.
            if self.warm.is_stocked() {
                return Some(Seat::New(None));
            }
            Arc::clone(&self.slots).try_acquire_owned().ok().map(|slot| Seat::New(Some(slot)))
        })
    }

    /// What there is once it is this one's turn.
    async fn wait(&self, turn: Option<MutexGuard<'_, ()>>, patience: Duration) -> Result<Seat, PoolError> {
        let crowded = |_| PoolError::Crowded(self.max_waiting);
        let _waiting = self.waiting.try_acquire().map_err(crowded)?;
        let seat = async {
            let _turn = match turn {
                Some(turn) => turn,
                None => self.turn.lock().await,
            };
            // Whoever finds out how the server speaks may need the next place for that.
            drop(self.era.lock().await);
            loop {
                let came_back = self.came_back.notified();
                if let Some(seat) = self.seat() {
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
        self.slots.available_permits() > 0 || self.warm.is_stocked() || !self.free().is_empty()
    }

    /// Greets a server ahead of need, and so finds out how it speaks.
    pub(crate) async fn prepare(self: &Arc<Self>) {
        if let Err(error) = self.lease(Duration::ZERO).await {
            tracing::warn!("no server could be greeted ahead of need: {error}");
        }
    }

    /// Ends one that nobody uses, for somebody who needs its place. Whether there was one.
    fn make_room(&self) -> bool {
        let oldest = {
            let mut free = self.free();
            if free.is_empty() { None } else { Some(free.remove(0)) }
        };
        oldest.is_some()
    }

    fn take_free(&self) -> Option<(Arc<Link>, Arc<Era>)> {
        loop {
            let Free { link, era, .. } = self.free().pop()?;
            if link.is_open() {
                return Some((link, era));
            }
        }
    }

    async fn open(&self, slot: Option<OwnedSemaphorePermit>) -> Result<(Arc<Link>, Arc<Era>), PoolError> {
        let mut known = self.era.lock().await;
        let mut first = Some(self.first(slot).await?);
        if let Some(era) = known.clone() {
            drop(known);
            let link = Link::start(self.child(first.take()).await?);
            if let Err(error) = greet(&link, &era).await {
                return Err(self.useless(link, error).await);
            }
            if *era != Era::Bare {
                self.children.crashes.worked();
            }
            return Ok((Arc::new(link), era));
        }
        for discover in [true, false] {
            let link = Link::start(self.child(first.take()).await?);
            match learn(&link, discover).await {
                Ok(era) => {
                    self.children.crashes.worked();
                    let era = Arc::new(era);
                    *known = Some(Arc::clone(&era));
                    return Ok((Arc::new(link), era));
                }
                // It does not bear the question: another process is asked in another way.
                Err(GreetingError::EndedOver { .. }) => link.over().await,
                Err(error) => return Err(self.useless(link, error).await),
            }
        }
        // What bears neither question speaks the bare dialect, or ends whatever it is told. That is not
        // kept: the next one is asked again.
        let link = Link::start(self.child(None).await?);
        greet(&link, &Era::Bare).await?;
        if timeout(STAYS, link.over()).await.is_ok() {
            return Err(self.useless(link, LinkEnd::Ended.into()).await);
        }
        self.children.crashes.worked();
        Ok((Arc::new(link), Arc::new(Era::Bare)))
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
        self.children.spawn(slot).map_err(|error: io::Error| PoolError::Spawn {
            program: self.children.program().to_owned(),
            reason: error.to_string(),
        })
    }

    fn give_back(&self, link: Arc<Link>, era: Arc<Era>) {
        // With a call under way it is not its own any more; it goes when that one does.
        if link.is_open() && link.under_way() == 0 {
            self.free().push(Free { link, era, since: Instant::now() });
        }
        self.came_back.notify_one();
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
            let mut free = pool.free();
            let now = Instant::now();
            free.retain(|free| free.link.is_open());
            // The last that came back are kept.
            let old = free.iter().filter(|free| now - free.since >= idle).count();
            let spent = old.min(free.len().saturating_sub(pool.kept));
            free.drain(..spent);
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
    link: Arc<Link>,
    era: Arc<Era>,
    pool: Arc<Pool>,
}

impl Lease {
    /// The server.
    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    /// How it speaks.
    pub(crate) fn era(&self) -> &Era {
        &self.era
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.pool.give_back(Arc::clone(&self.link), Arc::clone(&self.era));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::settings::Command;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};
    use tokio::sync::mpsc;

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
        let held = pool.lease(LONG).await.expect("a server");
        let (mut one, mut two) = (pin!(pool.lease(LONG)), pin!(pool.lease(LONG)));
        assert!(poll(one.as_mut()).is_pending() && poll(two.as_mut()).is_pending());
        drop(held);
        let mut late = pin!(pool.lease(LONG));
        assert!(poll(late.as_mut()).is_pending() && poll(two.as_mut()).is_pending());
        drop(one.await.expect("a server"));
        assert!(poll(late.as_mut()).is_pending());
        drop(two.await.expect("a server"));
        drop(late.await.expect("a server"));
    }

    #[tokio::test]
    async fn whoever_leaves_keeps_nobody_waiting() {
        let pool = pool(9);
        let held = pool.lease(LONG).await.expect("a server");
        let mut left = Box::pin(pool.lease(LONG));
        let mut next = pin!(pool.lease(LONG));
        assert!(poll(left.as_mut()).is_pending() && poll(next.as_mut()).is_pending());
        drop(left);
        drop(held);
        drop(next.await.expect("a server"));
    }

    #[tokio::test]
    async fn more_than_may_wait_are_refused_at_once_and_who_waits_in_vain_after_a_time() {
        let pool = pool(1);
        let held = pool.lease(LONG).await.expect("a server");
        let mut waiting = pin!(pool.lease(Duration::from_millis(50)));
        assert!(poll(waiting.as_mut()).is_pending());
        assert!(matches!(pool.lease(LONG).await, Err(PoolError::Crowded(1))));
        assert!(matches!(waiting.await, Err(PoolError::Full(_))));
        drop(held);
        drop(pool.lease(LONG).await.expect("a server"));
    }

    #[tokio::test]
    async fn a_server_that_comes_back_is_used_again_and_a_client_of_its_own_has_its_place() {
        let pool = pool(9);
        drop(pool.lease(LONG).await.expect("a server"));
        assert!(pool.has_room());
        let own = pool.fresh(LONG).await.expect("the other makes room");
        assert!(!pool.has_room());
        assert!(matches!(pool.fresh(LONG).await, Err(PoolError::Full(_))));
        own.end().await;
        assert!(pool.has_room());
    }
}
