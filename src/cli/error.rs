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
    /// An answer could not be given.
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    /// An image that is not here has no digest.
    #[error("the image {0} is not here, so it cannot be pinned")]
    CannotPin(String),
    /// An image that containers are made from is not here.
    #[error("the image {0} is not here")]
    NoImage(String),
    /// A folder of templates could not be read.
    #[error("cannot read the templates in {}", folder.display())]
    Templates { folder: PathBuf, source: io::Error },
    /// A folder of templates that holds none.
    #[error("there is no template in {}", .0.display())]
    NoTemplates(PathBuf),
    /// The arguments make no sense.
    #[error("{message}")]
    Usage { message: String, hint: Option<String> },
    /// A `--set` without a value. It may be a secret that was put in the wrong place.
    #[error("--set takes KEY=VALUE, and was given something without `=`, which is not repeated here")]
    NoPair,
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

impl CliError {
    /// From clap's words: a paragraph that says what is wrong, and others with a tip and the usage.
    pub(super) fn usage(words: &str) -> Self {
        let words = words.trim().trim_start_matches("error: ");
        let (message, hint) = match words.split_once("\n\n") {
            Some((message, hint)) => (message, Some(hint.trim().to_owned())),
            None => (words, None),
        };
        Self::Usage { message: message.to_owned(), hint }
    }
}

impl Diagnostic for CliError {
    fn exit(&self) -> Exit {
        match self {
            Self::Nothing(_)
            | Self::NoService { .. }
            | Self::Templates { .. }
            | Self::NoTemplates(_)
            | Self::NoPair
            | Self::Unreadable(_)
            | Self::Exists(_)
            | Self::Usage { .. } => Exit::BadInput,
            Self::NotUp { .. }
            | Self::Write { .. }
            | Self::Output(_)
            | Self::CannotPin(_)
            | Self::NoImage(_) => Exit::Failed,
            Self::Cut | Self::Unresolved(_) => Exit::Bug,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Nothing(_) | Self::NotUp { .. } => Some("`mcpo-deploy up` brings it up".into()),
            Self::NoService { known, .. } => Some(format!("it has: {}", known.join(", "))),
            Self::NoImage(_) | Self::CannotPin(_) => Some("`mcpo-deploy build` makes or pulls it".into()),
            Self::Templates { .. } | Self::NoTemplates(_) => {
                Some("`mcpo-deploy render --eject -o FOLDER` writes the templates that are embedded".into())
            }
            Self::Write { .. } => Some("choose a folder that you may write to".into()),
            Self::Output(_) => Some("make room where it goes, or send it elsewhere".into()),
            Self::Usage { hint, .. } => hint.clone(),
            Self::NoPair => Some("such as --set hardening.memory=1g".into()),
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
