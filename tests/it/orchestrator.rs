//! The orchestrator program, spawned as its users spawn it.

mod lifetime;
mod logs;
mod protocols;
pub(crate) mod rig;
mod tasks;
