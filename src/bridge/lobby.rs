//! The connections that the bridge holds at a time. When there is no room, the one goes that has
//! owed a request for longest: an idle connection must not keep anybody out.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Who is in, and who of them owes a complete head of a request.
#[derive(Debug)]
pub(crate) struct Lobby {
    sockets: Arc<Semaphore>,
    /// In the order in which they began to wait.
    waiting: Mutex<BTreeMap<u64, Arc<Notify>>>,
    next: AtomicU64,
    entered: Notify,
}

impl Lobby {
    /// Room for `max` connections.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            sockets: Arc::new(Semaphore::new(max)),
            waiting: Mutex::default(),
            next: AtomicU64::new(0),
            entered: Notify::new(),
        }
    }

    /// Room for one more, made if it must be. Waits while every connection is being served. `None`
    /// never comes before the end of the bridge.
    pub(crate) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            if let Ok(slot) = Arc::clone(&self.sockets).try_acquire_owned() {
                return Some(slot);
            }
            // Listening starts before the look, so that nobody enters unseen between the two.
            let mut entered = pin!(self.entered.notified());
            entered.as_mut().enable();
            if let Some((_, oldest)) = self.waiting().pop_first() {
                oldest.notify_one();
            }
            tokio::select! {
                slot = Arc::clone(&self.sockets).acquire_owned() => return slot.ok(),
                () = entered => {}
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Notify>>> {
        // The map is valid after every statement: a panic elsewhere does not spoil it.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's place in the lobby.
#[derive(Debug)]
pub(crate) struct Guest {
    lobby: Arc<Lobby>,
    place: AtomicU64,
    asked: AtomicBool,
    shown_out: Arc<Notify>,
}

impl Guest {
    /// A new connection, which owes its first request.
    pub(crate) fn new(lobby: &Arc<Lobby>) -> Arc<Self> {
        let guest = Self {
            lobby: Arc::clone(lobby),
            place: AtomicU64::new(0),
            asked: AtomicBool::new(false),
            shown_out: Arc::default(),
        };
        guest.waits();
        Arc::new(guest)
    }

    /// It owes a request (again).
    pub(crate) fn waits(&self) {
        let place = self.lobby.next.fetch_add(1, Ordering::Relaxed);
        self.place.store(place, Ordering::Relaxed);
        self.lobby.waiting().insert(place, Arc::clone(&self.shown_out));
        self.lobby.entered.notify_waiters();
    }

    /// The head of a request is complete.
    pub(crate) fn asks(&self) {
        self.asked.store(true, Ordering::Relaxed);
        self.lobby.waiting().remove(&self.place.load(Ordering::Relaxed));
    }

    /// Whether it has ever asked for anything, and so may have an answer on its way.
    pub(crate) fn has_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Waits until its room is needed.
    pub(crate) async fn shown_out(&self) {
        self.shown_out.notified().await;
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.lobby.waiting().remove(&self.place.load(Ordering::Relaxed));
    }
}
