//! What runs against what was promised: every check leaves evidence, and a failed one its fix.

mod bridge;
mod catalog;
mod confinement;
mod diagnose;
mod live;
mod log_owner;
mod readiness;
mod report;
mod stdio;

pub use bridge::Reach;
pub use catalog::{CATALOG, CheckInfo, Severity, reference};
pub use diagnose::{Diagnosis, diagnose};
pub use live::{Scope, verify};
pub use readiness::{ServiceFailure, await_ready};
pub use report::{Check, Outcome, Report};
