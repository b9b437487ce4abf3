//! Builds, provisions and proves hardened containers for MCP servers that speak stdio.
//!
//! Text becomes a checked description, the description a desired state; desired and observed
//! state become a plan; the plan is carried out; what happened is reported. Data flows one way,
//! and everything before the engine is pure.
//!
//! ```text
//! mcpo.yaml + environment + flags ──config──▶ Stack ──plan──▶ Desired ─┬─render──▶ text
//!                                                                      │
//!                                  Docker ──engine──▶ Observed ────────┴─plan──▶ Plan ──engine──▶ report
//! ```
//!
//! Who may import whom is a test (`tests/it/architecture.rs`); the rule and its reasons are in
//! `docs/adr/0001-layers.md`.

pub mod diagnostic;
pub mod env;
pub mod mcp;
pub mod model;

#[cfg(feature = "wire")]
pub mod wire;

#[cfg(feature = "orchestrator")]
pub mod orchestrator;

#[cfg(feature = "bridge")]
pub mod bridge;

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod clients;
#[cfg(feature = "cli")]
pub mod config;
#[cfg(feature = "cli")]
pub mod engine;
#[cfg(feature = "cli")]
pub mod import;
#[cfg(feature = "cli")]
pub mod library;
#[cfg(feature = "cli")]
pub mod plan;
#[cfg(feature = "cli")]
pub mod render;
#[cfg(feature = "cli")]
pub mod report;
#[cfg(feature = "cli")]
pub mod verify;

#[cfg(feature = "cli")]
pub use library::{Client, Deployment};
