//! MCP over HTTP with sessions (2025-03-26 to 2025-11-25, "Streamable HTTP"): each has a server process of
//! its own, and belongs to whoever opened it.

mod interpreter;
mod key;
mod open;
mod session;
pub(crate) mod sse;
mod store;
mod streams;
mod wire;

#[cfg(any(test, fuzzing))]
pub(crate) use interpreter::eras;
pub(crate) use store::Sessions;
pub(crate) use wire::{delete, get, post};
