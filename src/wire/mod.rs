//! The client's side of each transport: what a probe, a verification or a person's call speaks
//! through. Knows how to carry messages and never what they mean.

mod asked;
pub mod child;
mod connection;
pub mod door;
mod events;
pub mod http;
mod mirrored;
pub mod place;
pub mod probe;
mod refusal;
pub mod streamable;
pub mod url;
pub mod websocket;

pub use connection::{Connection, OpenError, open};
