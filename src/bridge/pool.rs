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
            era: tokio::sync::Mutex::default(),
        });
        tokio::spawn(end_idle(Arc::downgrade(&pool), idle));
        pool
    }

    /// A server for one call. Whoever finds all busy waits for `patience`; what starting one takes is the
    /// caller's to bound.
    pub(crate) async fn lease(self: &Arc<Self>, patience: Duration) -> Result<Lease, PoolError> {
        let deadline = Instant::now() + patience;
        let waiting = self.children.metrics().queue.enter();
        loop {
            let came_back = self.came_back.notified();
            if let Some((link, era)) = self.take_free() {
                return Ok(Lease { link, era, pool: Arc::clone(self) });
            }
            let slot = tokio::select! {
                biased;
                slot = Arc::clone(&self.slots).acquire_owned() => slot,
                () = came_back => continue,
                () = tokio::time::sleep_until(deadline) => return Err(PoolError::Full(patience)),
            };
            // Nobody closes the slots.
            let Ok(slot) = slot else { return Err(PoolError::Full(patience)) };
            drop(waiting);
            let (link, era) = self.open(slot).await?;
            return Ok(Lease { link, era, pool: Arc::clone(self) });
        }
    }

    /// Ends one that nobody uses, for somebody who needs its place. Whether there was one.
    pub(crate) fn make_room(&self) -> bool {
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

    async fn open(&self, slot: OwnedSemaphorePermit) -> Result<(Arc<Link>, Arc<Era>), PoolError> {
        let mut known = self.era.lock().await;
        if let Some(era) = known.clone() {
            drop(known);
            let link = self.start(slot)?;
            greet(&link, &era).await?;
            return Ok((Arc::new(link), era));
        }
        let mut slot = Some(slot);
        for discover in [true, false] {
            let link = self.start(self.slot(slot.take()).await?)?;
            match learn(&link, discover).await {
                Ok(era) => {
                    let era = Arc::new(era);
                    *known = Some(Arc::clone(&era));
                    return Ok((Arc::new(link), era));
                }
                // It does not bear the question: another process is asked in another way.
                Err(GreetingError::EndedOver { .. }) => link.over().await,
                Err(error) => return Err(error.into()),
            }
        }
        // What bears neither question speaks the bare dialect, or ends whatever it is told. That is not
        // kept: the next one is asked again.
        let link = self.start(self.slot(None).await?)?;
        greet(&link, &Era::Bare).await?;
        Ok((Arc::new(link), Arc::new(Era::Bare)))
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
        self.children.metrics().servers.replace();
        Ok(Link::start(child))
    }

    fn give_back(&self, link: Arc<Link>, era: Arc<Era>) {
        // With a call under way it is not its own any more; it goes when that one does.
        if link.is_open() && link.under_way() == 0 {
            self.free().push(Free { link, era, since: Instant::now() });
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
            free.retain(|free| free.link.is_open() && now - free.since < idle);
            free.iter().map(|free| idle.saturating_sub(now - free.since)).min().unwrap_or(idle)
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
