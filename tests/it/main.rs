//! Everything that is tested from outside and needs no engine.

#[cfg(feature = "cli")]
mod config;
