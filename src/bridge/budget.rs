//! How much of its clients' and servers' messages the bridge holds at once.
//!
//! Only messages of more than [`SMALL_BYTES`] count, so that no flood of large ones holds up a small
//! one. How large a message gets is not known before its end, so each counts as the largest that is
//! allowed: whoever has begun can finish, and no two wait for each other. Each direction has a
//! budget of its own, because a server may read no further until its output is taken.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{self, AsyncRead, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The largest message that is held without asking, in bytes.
pub(crate) const SMALL_BYTES: usize = 64 * 1024;

/// The large messages that may be held at once in one direction.
#[derive(Debug, Clone)]
pub(crate) struct Budget(Arc<Semaphore>);

impl Budget {
    /// `bytes` in messages of at most `max_message`; at least one of them.
    pub(crate) fn new(bytes: usize, max_message: usize) -> Self {
        let messages = bytes / max_message.max(1);
        Self(Arc::new(Semaphore::new(messages.clamp(1, Semaphore::MAX_PERMITS))))
    }

    /// Waits for room for one large message, in the order of asking. `None` never comes: nobody
    /// closes a budget.
    pub(crate) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0).acquire_owned().await.ok()
    }

    /// For one stream of messages.
    pub(crate) fn share(&self) -> Arc<Share> {
        Arc::new(Share { budget: self.clone(), held: Mutex::default() })
    }
}

type Room = Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>;

#[derive(Default)]
struct Held {
    bytes: usize,
    permit: Option<OwnedSemaphorePermit>,
    /// Since when.
    since: Option<Instant>,
    waiting: Option<Room>,
}

/// What the one message of a stream that is under way holds.
pub(crate) struct Share {
    budget: Budget,
    held: Mutex<Held>,
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share").field("bytes", &self.held().bytes).finish_non_exhaustive()
    }
}

impl Share {
    /// The message under way is larger by so much.
    pub(crate) fn grow(&self, bytes: usize) {
        let mut held = self.held();
        held.bytes = held.bytes.saturating_add(bytes);
    }

    /// Ready once the message under way may be held.
    pub(crate) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut held = self.held();
        if held.bytes <= SMALL_BYTES || held.permit.is_some() {
            return Poll::Ready(());
        }
        let budget = &self.budget;
        let waiting = held.waiting.get_or_insert_with(|| {
            let budget = budget.clone();
            Box::pin(async move { budget.room().await })
        });
        let permit = ready!(waiting.as_mut().poll(cx));
        held.permit = permit;
        held.since = Some(Instant::now());
        held.waiting = None;
        Poll::Ready(())
    }

    /// Whether the stream is held back for now.
    pub(crate) fn is_waiting(&self) -> bool {
        self.held().waiting.is_some()
    }

    /// Whether it has held room for so long that others may need it: there is none left.
    pub(crate) fn is_hoarding(&self, patience: Duration) -> bool {
        let since = self.held().since;
        self.budget.0.available_permits() == 0 && since.is_some_and(|since| since.elapsed() > patience)
    }

    /// The message under way has been passed on; the next one begins.
    pub(crate) fn release(&self) {
        *self.held() = Held::default();
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // What is held is valid after every statement: a panic elsewhere does not spoil it.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A byte stream of which no more is read than there is room for.
#[derive(Debug)]
pub(crate) struct Metered<R> {
    inner: R,
    share: Arc<Share>,
}

impl<R> Metered<R> {
    pub(crate) fn new(inner: R, share: Arc<Share>) -> Self {
        Self { inner, share }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Metered<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.share.poll_room(cx));
        let before = into.filled().len();
        let done = ready!(Pin::new(&mut self.inner).poll_read(cx, into));
        self.share.grow(into.filled().len() - before);
        Poll::Ready(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Waker;

    fn has_room(share: &Share) -> bool {
        share.poll_room(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn large_messages_wait_for_room_in_their_order_and_small_ones_never() {
        let budget = Budget::new(5 << 20, 2 << 20);
        let shares = [budget.share(), budget.share(), budget.share(), budget.share()];
        for share in &shares {
            share.grow(SMALL_BYTES);
            assert!(has_room(share));
            share.grow(1);
        }
        assert_eq!([0, 1, 2, 3].map(|n| has_room(&shares[n])), [true, true, false, false]);
        assert!(shares[2].is_waiting() && !shares[1].is_waiting());
        shares[0].release();
        assert_eq!([0, 3, 2].map(|n| has_room(&shares[n])), [true, false, true]);
        shares[2].release();
        assert!(has_room(&shares[3]) && has_room(&shares[0]));
    }

    #[test]
    fn the_largest_message_has_room_whatever_the_budget() {
        let share = Budget::new(0, 1 << 30).share();
        share.grow(1 << 30);
        assert!(has_room(&share));
    }
}
