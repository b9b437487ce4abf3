//! The client's side of each transport: what a probe, a verification or a person's call speaks
//! through. Knows how to carry messages and never what they mean.

pub mod door;
pub mod http;
pub mod probe;
pub mod websocket;
