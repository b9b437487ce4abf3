//! The servers that REST calls and stateless requests take turns on.
//!
//! A call has a server to itself for as long as it lasts, so that whatever the server says meanwhile
//! is that call's. One that comes back is kept for a while; one whose call was given up is not, since
//! nobody knows what it still works on.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};

use super::abilities::Abilities;
use super::changes::Changes;
use super::children::Children;
use super::greeting::{Era, GreetingError, greet, learn};
use super::link::Link;

/// How long a process may wait for the place of the one before it, which has ended.
const REPLACEMENT: Duration = Duration::from_secs(5);

/// Why there is no server for a call.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum PoolError {
    /// Every server is busy, and stays so.
    #[error("no server became free within {0:?}")]
    Full(Duration),
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
    /// What it was told that its clients can be asked for: those of all clients where it is not told.
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
    /// How the server speaks, once somebody has found out. Held while somebody does.
    era: tokio::sync::Mutex<Option<Arc<Era>>>,
}

impl Pool {
    /// A pool whose servers end after `idle` without a call.
    pub(crate) fn new(children: Arc<Children>, slots: Arc<Semaphore>, idle: Duration) -> Arc<Self> {
        let pool = Arc::new(Self {
            children,
            slots,
            free: Mutex::default(),
            came_back: Notify::new(),
            links: Mutex::default(),
            changes: Arc::default(),
            era: tokio::sync::Mutex::default(),
        });
        tokio::spawn(end_idle(Arc::downgrade(&pool), idle));
        pool
    }

    /// A server for one call. Whoever finds all busy waits for `patience`; what starting one takes is the
    /// caller's to bound.
    pub(crate) async fn lease(
        self: &Arc<Self>,
        able: &Abilities,
        patience: Duration,
    ) -> Result<Lease, PoolError> {
        let deadline = Instant::now() + patience;
        loop {
            let came_back = self.came_back.notified();
            if let Some(served) = self.take_free(able) {
                return Ok(Lease { served, pool: Arc::clone(self) });
            }
            // One that waits for clients of other abilities makes room.
            if self.slots.available_permits() == 0 {
                self.make_room();
            }
            let slot = tokio::select! {
                biased;
                slot = Arc::clone(&self.slots).acquire_owned() => slot,
                () = came_back => continue,
                () = tokio::time::sleep_until(deadline) => return Err(PoolError::Full(patience)),
            };
            // Nobody closes the slots.
            let Ok(slot) = slot else { return Err(PoolError::Full(patience)) };
            let served = self.open(slot, able).await?;
            // That there is another one is all that matters to whoever listens.
            let _ = served.link.watch(&served.era).await;
            return Ok(Lease { served, pool: Arc::clone(self) });
        }
    }

    /// How the server speaks: one is asked, where nobody has yet.
    pub(crate) async fn era(self: &Arc<Self>, patience: Duration) -> Result<Arc<Era>, PoolError> {
        if let Some(era) = self.era.lock().await.clone() {
            return Ok(era);
        }
        Ok(Arc::clone(&self.lease(&Abilities::default(), patience).await?.served.era))
    }

    /// Ends one that nobody uses, for somebody who needs its place. Whether there was one.
    pub(crate) fn make_room(&self) -> bool {
        let oldest = {
            let mut free = self.free();
            let oldest = free.iter().position(|free| !free.served.is_held());
            oldest.map(|oldest| free.remove(oldest))
        };
        oldest.is_some()
    }

    /// Everybody who listens for changes hears of them from every server.
    pub(crate) fn changes(&self) -> &Arc<Changes> {
        &self.changes
    }

    /// Asks every server to tell of what somebody listens for.
    pub(crate) async fn watch(&self, era: &Era) {
        let links: Vec<Arc<Link>> = {
            let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
            links.retain(|link| link.strong_count() > 0);
            links.iter().filter_map(Weak::upgrade).collect()
        };
        for link in links {
            // One that has ended has nothing to tell.
            let _ = link.watch(era).await;
        }
    }

    fn take_free(&self, able: &Abilities) -> Option<Served> {
        let mut free = self.free();
        free.retain(|free| free.served.link.is_open());
        let latest = free.iter().rposition(|free| free.served.serves(able))?;
        Some(free.remove(latest).served)
    }

    async fn open(&self, slot: OwnedSemaphorePermit, able: &Abilities) -> Result<Served, PoolError> {
        let served = self.greeted(slot, able).await?;
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|link| link.strong_count() > 0);
        links.push(Arc::downgrade(&served.link));
        drop(links);
        Ok(served)
    }

    async fn greeted(&self, slot: OwnedSemaphorePermit, able: &Abilities) -> Result<Served, PoolError> {
        let mut known = self.era.lock().await;
        if let Some(era) = known.clone() {
            drop(known);
            let link = self.start(slot)?;
            greet(&link, &era, able).await?;
            return Ok(Served::new(link, &era, able));
        }
        let mut slot = Some(slot);
        for discover in [true, false] {
            let link = self.start(self.slot(slot.take()).await?)?;
            match learn(&link, able, discover).await {
                Ok(era) => {
                    let era = Arc::new(era);
                    *known = Some(Arc::clone(&era));
                    return Ok(Served::new(link, &era, able));
                }
                // It does not bear the question: another process is asked in another way.
                Err(GreetingError::EndedOver { .. }) => link.over().await,
                Err(error) => return Err(error.into()),
            }
        }
        // What bears neither question speaks the bare dialect, or ends whatever it is told. That is not
        // kept: the next one is asked again.
        let link = self.start(self.slot(None).await?)?;
        greet(&link, &Era::Bare, able).await?;
        Ok(Served::new(link, &Arc::new(Era::Bare), able))
    }

    /// The slot that there is, or, in the place of one that was used up, the next.
    async fn slot(&self, slot: Option<OwnedSemaphorePermit>) -> Result<OwnedSemaphorePermit, PoolError> {
        if let Some(slot) = slot {
            return Ok(slot);
        }
        let next = timeout(REPLACEMENT, Arc::clone(&self.slots).acquire_owned()).await;
        next.ok().and_then(Result::ok).ok_or(PoolError::Full(REPLACEMENT))
    }

    fn start(&self, slot: OwnedSemaphorePermit) -> Result<Link, PoolError> {
        let child = self.children.spawn(slot).map_err(|error: io::Error| PoolError::Spawn {
            program: self.children.program().to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Link::start(child, Arc::clone(&self.changes)))
    }

    fn give_back(&self, served: Served) {
        // With a call under way it is not its own any more; it goes when that one does.
        if served.link.is_open() && served.link.under_way() == 0 {
            self.free().push(Free { served, since: Instant::now() });
        }
        self.came_back.notify_one();
    }

    fn free(&self) -> MutexGuard<'_, Vec<Free>> {
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
            let stays = |free: &Free| now - free.since < idle || free.served.is_held();
            free.retain(|free| free.served.link.is_open() && stays(free));
            free.iter()
                .filter(|free| !free.served.is_held())
                .map(|free| idle.saturating_sub(now - free.since))
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
