//! Errors of the command line's own.

use std::io;
use std::path::PathBuf;

use crate::diagnostic::{Diagnostic, Exit};

/// What a verb could not do by itself.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// Nothing has been created that could be asked about.
    #[error("nothing of project {0} is there")]
    Nothing(String),
    /// What the containers stand on does not exist, and a verification creates nothing that stays.
    #[error("project {project} cannot be verified: {} not there", in_words(missing))]
    NotUp { project: String, missing: Vec<String> },
    /// A service that does not exist.
    #[error("there is no service {name} in project {project}")]
    NoService { name: String, project: String, known: Vec<String> },
    /// A file could not be written.
    #[error("cannot write {}", path.display())]
    Write { path: PathBuf, source: io::Error },
    /// A file that was named on the command line cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// A description is there already.
    #[error("{} is there already; nothing was written", .0.display())]
    Exists(PathBuf),
    /// What was to be written is no description.
    #[error("what was read became a file that is not valid, which is a bug in mcpo-deploy: {0}")]
    Unresolved(String),
    /// Reading inputs ended without a result.
    #[error("reading the build inputs was cut short")]
    Cut,
}

impl Diagnostic for CliError {
    fn exit(&self) -> Exit {
        match self {
            Self::Nothing(_) | Self::NoService { .. } | Self::Unreadable(_) | Self::Exists(_) => {
                Exit::BadInput
            }
            Self::NotUp { .. } | Self::Write { .. } => Exit::Failed,
            Self::Cut | Self::Unresolved(_) => Exit::Bug,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Nothing(_) | Self::NotUp { .. } => Some("`mcpo-deploy up` brings it up".into()),
            Self::NoService { known, .. } => Some(format!("it has: {}", known.join(", "))),
            Self::Write { .. } => Some("choose a folder that you may write to".into()),
            Self::Exists(_) => Some(
                "`--force` replaces it and keeps a backup; `-o FOLDER` writes elsewhere, `-o -` prints"
                    .into(),
            ),
            Self::Cut | Self::Unreadable(_) | Self::Unresolved(_) => None,
        }
    }
}

fn in_words(missing: &[String]) -> String {
    let verb = if missing.len() == 1 { "is" } else { "are" };
    format!("{} {verb}", missing.join(" and "))
}
