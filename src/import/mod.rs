//! Somebody's compose file, or their `docker run …` line → the `mcpo.yaml` that means the same, and
//! every gap in the hardening that it closes.
//!
//! Pure: text in, text out. What was read becomes one typed [`Service`] whatever it was written in;
//! what decides over roles, values and gaps knows neither YAML nor shells. No value of a variable
//! that may be a secret is written or told.

mod bridge_settings;
mod compose;
mod compose_service;
mod description;
mod error;
mod gaps;
mod hardening;
mod interpolation;
mod ledger;
mod paths;
mod reader;
mod roles;
mod run_line;
mod run_options;
mod service;
mod short;
mod words;
mod writer;

pub use error::ImportError;
pub use gaps::Gap;
pub use ledger::{Kept, Note};
pub use service::{
    Build, Limits, LogLimits, Mount, MountKind, Namespaces, Port, Privileges, Project, Service, Variable,
};

use std::path::Path;

use crate::env::Env;

/// Where a text comes from and where its `mcpo.yaml` will lie.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The file, as messages name it.
    pub file: &'a str,
    /// The folder that the text's relative paths start from. Absolute.
    pub from: &'a Path,
    /// The folder that the `mcpo.yaml` will lie in. Absolute.
    pub to: &'a Path,
    /// For the home folder.
    pub env: &'a Env,
}

/// What came of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The text of the `mcpo.yaml`.
    pub text: String,
    /// What the deployment does better than what was read, and what it leaves open.
    pub gaps: Vec<Gap>,
    /// What was asked for by name and is weaker than the defaults.
    pub kept_weaker: Vec<Kept>,
    /// What the `mcpo.yaml` does not say, and why.
    pub not_taken_over: Vec<Note>,
}

/// Reads a compose file or a `docker run …` line, whichever it is.
pub fn import(text: &str, origin: &Origin<'_>) -> Result<Import, ImportError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut ledger = ledger::Ledger::default();
    let project = if compose::is_compose(text) {
        compose::project(text, origin.file, &mut ledger)?
    } else {
        run_line::project(text, origin.file, &mut ledger)?
    };
    let roles = roles::Roles::of(&project, origin.file, &mut ledger)?;
    let entries = description::entries(&project, &roles, origin, &mut ledger);
    let gaps = gaps::gaps(&project, &roles, &entries);
    let text = writer::text(&entries, origin.file);
    let (kept_weaker, not_taken_over) = ledger.told();
    Ok(Import { text, gaps, kept_weaker, not_taken_over })
}
