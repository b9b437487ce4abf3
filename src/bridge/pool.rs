//! The servers that REST calls and stateless requests take turns on.
//!
//! A call has a server to itself for as long as it lasts, so that whatever the server says meanwhile
//! is that call's. One that comes back is kept for a while; one whose call was given up is not, since
//! nobody knows what it still works on.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout_at};

use super::children::Children;
use super::greeting::{Era, GreetingError, greet, learn};
use super::link::Link;

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
struct Free {
    link: Link,
    since: Instant,
}

pub(crate) struct Pool {
    children: Arc<Children>,
    /// Shared with the WebSockets: one for each server process that may run.
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

    /// A server for one call, within `patience`.
    pub(crate) async fn lease(self: &Arc<Self>, patience: Duration) -> Result<Lease, PoolError> {
        let deadline = Instant::now() + patience;
        loop {
            let came_back = self.came_back.notified();
            if let Some(link) = self.take_free() {
                let era = self.era.lock().await.clone();
                // What is free has been greeted, and so is known.
                if let Some(era) = era {
                    return Ok(Lease { link: Some(link), era, pool: Arc::clone(self) });
                }
            }
            let slot = tokio::select! {
                biased;
                slot = Arc::clone(&self.slots).acquire_owned() => slot,
                () = came_back => continue,
                () = tokio::time::sleep_until(deadline) => return Err(PoolError::Full(patience)),
            };
            // Nobody closes the slots.
            let Ok(slot) = slot else { return Err(PoolError::Full(patience)) };
            let opened = timeout_at(deadline, self.open(slot)).await;
            let (link, era) = opened.map_err(|_| GreetingError::Silent(patience))??;
            return Ok(Lease { link: Some(link), era, pool: Arc::clone(self) });
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

    fn take_free(&self) -> Option<Link> {
        loop {
            let Free { link, .. } = self.free().pop()?;
            if link.is_open() {
                return Some(link);
            }
        }
    }

    async fn open(&self, slot: OwnedSemaphorePermit) -> Result<(Link, Arc<Era>), PoolError> {
        let mut known = self.era.lock().await;
        if let Some(era) = known.clone() {
            drop(known);
            let link = self.start(slot)?;
            greet(&link, &era).await?;
            return Ok((link, era));
        }
        let link = self.start(slot)?;
        match learn(&link, true).await {
            Ok(era) => {
                let era = Arc::new(era);
                *known = Some(Arc::clone(&era));
                Ok((link, era))
            }
            Err(GreetingError::EndedOver { asked: "server/discover" }) => {
                // It does not bear the question: another is asked in the older way alone.
                link.over().await;
                drop(link);
                let slot = Arc::clone(&self.slots).acquire_owned().await;
                let slot = slot.map_err(|_| GreetingError::EndedOver { asked: "server/discover" })?;
                let link = self.start(slot)?;
                let era = Arc::new(learn(&link, false).await?);
                *known = Some(Arc::clone(&era));
                Ok((link, era))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn start(&self, slot: OwnedSemaphorePermit) -> Result<Link, PoolError> {
        let child = self.children.spawn(slot).map_err(|error: io::Error| PoolError::Spawn {
            program: self.children.program().to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Link::start(child))
    }

    fn give_back(&self, link: Link) {
        // With a call under way it is not its own any more; it goes when that one does.
        if link.is_open() && link.under_way() == 0 {
            self.free().push(Free { link, since: Instant::now() });
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
pub(crate) struct Lease {
    link: Option<Link>,
    era: Arc<Era>,
    pool: Arc<Pool>,
}

impl Lease {
    /// The server; `None` never comes before the lease is dropped.
    pub(crate) fn link(&self) -> Option<&Link> {
        self.link.as_ref()
    }

    /// How it speaks.
    pub(crate) fn era(&self) -> &Era {
        &self.era
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(link) = self.link.take() {
            self.pool.give_back(link);
        }
    }
}
