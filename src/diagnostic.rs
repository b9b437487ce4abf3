//! What every error of ours can say besides its message: what to do, and how the program ends.
//!
//! Knows no layer. The message says which step failed, `source()` why, the hint what to do.

use std::error::Error;

/// How a program of ours ends. Documented in `docs/reference/exit-codes.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Done as asked.
    Done = 0,
    /// The deployment, or a check of it, failed.
    Failed = 1,
    /// The input was bad: arguments, `mcpo.yaml`, environment. Nothing was touched.
    BadInput = 64,
    /// Docker is not running, not permitted, or too old.
    NoDocker = 69,
    /// A bug of ours.
    Bug = 70,
    /// Stopped by Ctrl-C, SIGTERM or SIGHUP.
    Interrupted = 130,
}

impl Exit {
    /// Every code, in order, for the reference.
    pub const ALL: [Self; 6] =
        [Self::Done, Self::Failed, Self::BadInput, Self::NoDocker, Self::Bug, Self::Interrupted];

    /// The number that the process ends with.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// One line for the reference.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done as asked",
            Self::Failed => "the deployment, or a check of it, failed",
            Self::BadInput => "bad input (arguments, mcpo.yaml, environment); nothing was touched",
            Self::NoDocker => "Docker is not running, not permitted, or too old",
            Self::Bug => "a bug in mcpo-deploy; please report it",
            Self::Interrupted => "interrupted by Ctrl-C, SIGTERM or SIGHUP; a rerun continues",
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// An error that carries its hint and its exit code on the type.
pub trait Diagnostic: Error + Send + Sync + 'static {
    /// How the program ends when this error ends it.
    fn exit(&self) -> Exit;

    /// What the reader can do about it, in one or more lines; `None` where nothing is known.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// A boxed [`Diagnostic`], for functions that several layers' errors pass through.
pub type Failure = Box<dyn Diagnostic>;

impl<D: Diagnostic> From<D> for Failure {
    fn from(error: D) -> Self {
        Box::new(error)
    }
}
