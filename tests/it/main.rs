//! Everything that is tested from outside and needs no Docker engine.

mod architecture;
#[cfg(feature = "bridge")]
mod bridge;
#[cfg(feature = "cli")]
mod config;
#[cfg(feature = "orchestrator")]
mod orchestrator;
#[cfg(feature = "cli")]
mod plan;
