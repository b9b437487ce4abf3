//! Everything that is tested from outside and needs no Docker engine.

mod architecture;
#[cfg(feature = "bridge")]
mod bridge;
// The stand-in for the engine is a server, and a unix socket.
#[cfg(all(unix, feature = "cli", feature = "bridge"))]
mod cli;
#[cfg(feature = "cli")]
mod clients;
#[cfg(feature = "cli")]
mod config;
#[cfg(feature = "bridge")]
#[path = "../conformance/judgement/mod.rs"]
mod conformance;
#[cfg(feature = "bridge")]
mod everything;
#[cfg(feature = "cli")]
mod import;
#[cfg(feature = "orchestrator")]
mod orchestrator;
#[cfg(feature = "cli")]
mod plan;
#[cfg(feature = "cli")]
mod reference;
#[cfg(feature = "cli")]
mod render;
