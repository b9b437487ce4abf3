//! What happens while a plan is carried out.

use std::time::Duration;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A step has begun.
    Began {
        /// What is done, such as `build image mcp-bridge:latest`.
        what: String,
        /// Why.
        cause: String,
    },
    /// A line of progress within the step.
    Progress(String),
    /// The step is done.
    Done {
        /// What was done.
        what: String,
        /// How long it took.
        took: Duration,
    },
    /// Something the reader should know.
    Note(String),
}

/// Where events go. Called from the thread that carries out the plan; must not block.
pub trait Events: Send + Sync {
    /// Takes an event.
    fn on(&self, event: Event);
}

impl<F: Fn(Event) + Send + Sync> Events for F {
    fn on(&self, event: Event) {
        self(event);
    }
}
