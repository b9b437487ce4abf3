//! Servers that are started ahead of need, because they take long to start. A spare is fresh: nobody
//! has said anything to it, so that it can become anybody's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::child::Child;
use super::children::Children;

/// Before the start of a spare, so that their starts take no more than a part of the machine.
const PACE: Duration = Duration::from_millis(50);
/// Between two looks whether there is room, or leave, for a spare.
const LOOK: Duration = Duration::from_secs(1);
/// A spare that ends within this time is of no use.
const SOON: Duration = Duration::from_secs(10);

/// A server that waits for its client, watched by a task of its own.
#[derive(Debug)]
struct Spare {
    /// Used, it calls for the server, which the task then hands over; dropped, it ends it.
    call: oneshot::Sender<()>,
    /// `None` where it has ended.
    watched: JoinHandle<Option<Child>>,
}

/// The spares.
#[derive(Debug)]
pub(crate) struct Warm {
    children: Arc<Children>,
    slots: Arc<Semaphore>,
    wanted: usize,
    spares: Mutex<Vec<Spare>>,
    fewer: Arc<Notify>,
}

impl Warm {
    /// Keeps `wanted` spares, as far as there are `slots` for them.
    pub(crate) fn new(children: Arc<Children>, slots: Arc<Semaphore>, wanted: usize) -> Arc<Self> {
        let spares = Mutex::new(Vec::with_capacity(wanted));
        let warm = Arc::new(Self { children, slots, wanted, spares, fewer: Arc::default() });
        if wanted > 0 {
            tokio::spawn(keep(Arc::downgrade(&warm), Arc::clone(&warm.fewer)));
        }
        warm
    }

    /// The spare that has waited for longest, where there is one that still runs.
    pub(crate) async fn take(&self) -> Option<Child> {
        loop {
            let Spare { call, watched } = {
                let mut spares = self.spares();
                if spares.is_empty() { None } else { Some(spares.remove(0)) }
            }?;
            self.fewer.notify_one();
            // One that has ended hears nothing.
            let _ = call.send(());
            if let Ok(Some(child)) = watched.await {
                return Some(child);
            }
        }
    }

    /// Whether there is one that could be taken.
    pub(crate) fn is_stocked(&self) -> bool {
        self.spares().iter().any(|spare| !spare.watched.is_finished())
    }

    /// Starts one spare if one is missing and there is room and leave. How long until the next look.
    fn fill(self: &Arc<Self>) -> Duration {
        let mut spares = self.spares();
        spares.retain(|spare| !spare.watched.is_finished());
        if spares.len() >= self.wanted {
            return Duration::MAX;
        }
        drop(spares);
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else { return LOOK };
        if let Err(held_back) = self.children.crashes.admit() {
            return held_back.wait.max(PACE);
        }
        let Ok(child) = self.children.spawn(slot) else { return LOOK };
        let (call, called) = oneshot::channel();
        let watched = tokio::spawn(watch(child, called, Arc::downgrade(self)));
        self.spares().push(Spare { call, watched });
        PACE
    }

    fn spares(&self) -> MutexGuard<'_, Vec<Spare>> {
        // The list is valid after every statement: a panic elsewhere does not spoil it.
        self.spares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn watch(mut child: Child, called: oneshot::Receiver<()>, warm: Weak<Warm>) -> Option<Child> {
    let started = Instant::now();
    tokio::select! {
        biased;
        () = child.ended() => {}
        called = called => {
            if called.is_ok() {
                return Some(child);
            }
            child.end().await;
            return None;
        }
    }
    let lived = started.elapsed();
    let ending = child.end().await;
    let warm = warm.upgrade()?;
    // One that tired of waiting is no failure.
    if lived < SOON {
        warm.children.was_useless("the server ended before anybody had asked it anything", &ending);
    }
    warm.fewer.notify_one();
    None
}

/// Fills up for as long as there is somebody to fill up for.
async fn keep(warm: Weak<Warm>, fewer: Arc<Notify>) {
    loop {
        // Not held while waiting: the last owner's end is the spares' end.
        let pause = match warm.upgrade() {
            Some(warm) => warm.fill(),
            None => return,
        };
        if pause == Duration::MAX {
            fewer.notified().await;
            // Whoever has just taken one is served first.
            sleep(PACE).await;
        } else {
            sleep(pause).await;
        }
    }
}

impl Drop for Warm {
    fn drop(&mut self) {
        self.fewer.notify_one();
    }
}
