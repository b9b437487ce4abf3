//! What a server says to one call: whatever it says besides, in its order, and at the end the answer.
//!
//! One of these lives for each call, so it takes next to nothing until the server does say something
//! besides; a channel would make room for that beforehand.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::link::{Answer, Aside, LinkEnd};

/// What is in a mailbox.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Something besides.
    Aside(Aside),
    /// The answer, which is the last, or why there is none.
    Answer(Result<Answer, LinkEnd>),
}

/// A mailbox with one reader.
#[derive(Debug)]
pub(crate) struct Mailbox {
    inside: Mutex<Inside>,
    came: Notify,
    /// How much besides the answer is kept until it is taken.
    most: usize,
}

#[derive(Debug, Default)]
struct Inside {
    asides: VecDeque<Aside>,
    answer: Option<Result<Answer, LinkEnd>>,
}

impl Mailbox {
    /// One that keeps so much besides the answer.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { inside: Mutex::default(), came: Notify::new(), most })
    }

    /// Whether there was room for it.
    pub(crate) fn put(&self, aside: Aside) -> bool {
        let mut inside = self.inside();
        let has_room = inside.asides.len() < self.most;
        if has_room {
            inside.asides.push_back(aside);
            drop(inside);
            self.came.notify_one();
        }
        has_room
    }

    /// The answer has come; only the first counts.
    pub(crate) fn answer(&self, answer: Result<Answer, LinkEnd>) {
        self.inside().answer.get_or_insert(answer);
        self.came.notify_one();
    }

    /// What there is, without waiting.
    pub(crate) fn take(&self) -> Option<Said> {
        let mut inside = self.inside();
        let aside = inside.asides.pop_front().map(Said::Aside);
        aside.or_else(|| inside.answer.take().map(Said::Answer))
    }

    /// Waits for what comes next. Dropped, it loses nothing.
    pub(crate) async fn next(&self) -> Said {
        loop {
            match self.take() {
                Some(said) => return said,
                // What comes between the look and the wait leaves a permit.
                None => self.came.notified().await,
            }
        }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // It is valid after every statement: a panic elsewhere does not spoil it.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
