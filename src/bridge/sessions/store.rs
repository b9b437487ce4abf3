//! The sessions that there are, by their ids.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::auth::{Identity, Principal};
use super::super::secret::secret;
use super::session::Session;

#[derive(Debug)]
struct Kept {
    session: Arc<Session>,
    owner: Identity,
    version: Arc<str>,
}

/// All sessions of a bridge.
#[derive(Debug)]
pub(crate) struct Sessions {
    /// One permit for each session that there may be.
    seats: Arc<Semaphore>,
    kept: Mutex<HashMap<String, Kept>>,
    /// Whether a server that is stateless knows the handshake as well, once that is known.
    dual: AtomicU8,
}

impl Sessions {
    /// At most so many at a time.
    pub(crate) fn new(most: usize) -> Self {
        Self { seats: Arc::new(Semaphore::new(most)), kept: Mutex::default(), dual: AtomicU8::new(0) }
    }

    /// The place of one more session, until it is dropped; `None` where all are taken.
    pub(super) fn seat(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.seats).try_acquire_owned().ok()
    }

    /// Keeps a session for its owner, and returns its id; `None` where the system has no randomness.
    pub(super) fn keep(&self, session: &Arc<Session>, owner: &Principal, version: &str) -> Option<String> {
        let id = secret()?;
        let (session, owner) = (Arc::clone(session), owner.identity().clone());
        self.kept().insert(id.clone(), Kept { session, owner, version: version.into() });
        Some(id)
    }

    /// Somebody's session, and the revision that was agreed on. Somebody else's is none.
    pub(super) fn find(&self, id: &str, who: &Principal) -> Option<(Arc<Session>, Arc<str>)> {
        let kept = self.kept();
        let found = kept.get(id).filter(|kept| kept.owner == *who.identity())?;
        Some((Arc::clone(&found.session), Arc::clone(&found.version)))
    }

    /// A session has ended.
    pub(super) fn forget(&self, session: &Arc<Session>) {
        self.kept().retain(|_, kept| !Arc::ptr_eq(&kept.session, session));
    }

    /// Whether a stateless server knows the handshake as well; `None` as long as nobody has tried.
    pub(super) fn is_dual(&self) -> Option<bool> {
        match self.dual.load(Ordering::Relaxed) {
            1 => Some(false),
            2 => Some(true),
            _ => None,
        }
    }

    pub(super) fn set_dual(&self, dual: bool) {
        self.dual.store(1 + u8::from(dual), Ordering::Relaxed);
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        // The map is valid after every statement: a panic elsewhere does not spoil it.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
