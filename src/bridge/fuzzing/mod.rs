//! What is true of the bridge's pure parts for whatever bytes they are given: each target makes something
//! of some bytes, and panics where it does not hold.
//!
//! Built for tests and fuzzers alone. The ordinary tests run every target over `tests/fuzz/corpus` and over
//! some inputs of their own; `scripts/fuzz` runs the same functions under libFuzzer.

mod bodies;
mod chunks;
mod frames;
mod headers;
pub(crate) mod json;
mod lines;
pub(crate) mod source;
mod targets;

pub use targets::{TARGETS, run};
