//! What is wrong with a description, and where.

use std::fmt::{self, Write as _};

use crate::diagnostic::{Diagnostic, Exit};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `mcpo.yaml`.
    File {
        /// The file, as it is shown.
        file: String,
        /// The line, from 1; 0 for the whole file.
        line: usize,
        /// The column in characters, from 1; 0 for the whole line.
        column: usize,
    },
    /// A line of the env file.
    EnvFile {
        /// The file, as it is shown.
        file: String,
        /// The line, from 1; 0 for the whole file.
        line: usize,
    },
    /// The name of the folder.
    Folder,
    /// The default.
    Default,
    /// A variable of the environment.
    Env(String),
    /// A flag of the command line.
    Flag(String),
}

impl Place {
    /// The order in which problems are told: file, env file, environment, flags.
    fn rank(&self) -> (u8, usize, usize) {
        match self {
            Self::File { line, column, .. } => (0, *line, *column),
            Self::EnvFile { line, .. } => (1, *line, 0),
            Self::Folder | Self::Default => (2, 0, 0),
            Self::Env(_) => (3, 0, 0),
            Self::Flag(_) => (4, 0, 0),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line: 0, .. } | Self::EnvFile { file, line: 0 } => f.write_str(file),
            Self::File { file, line, .. } | Self::EnvFile { file, line } => write!(f, "{file}:{line}"),
            Self::Folder => f.write_str("the folder's name"),
            Self::Default => f.write_str("default"),
            Self::Env(variable) => write!(f, "{variable} in the environment"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// One thing that is wrong, or, as a warning, that is worth knowing. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key that it is about; empty where it is about a file as a whole.
    pub key: String,
    /// What is wrong, in words that follow the key and a colon.
    pub message: String,
    /// Where the value came from.
    pub place: Place,
    /// The word that was probably meant.
    pub suggestion: Option<String>,
}

/// What a description says that works and yet is worth knowing.
pub type Warning = Problem;

impl Problem {
    pub(super) fn new(key: impl Into<String>, message: impl Into<String>, place: Place) -> Self {
        Self { key: key.into(), message: message.into(), place, suggestion: None }
    }

    pub(super) fn suggesting(mut self, suggestion: Option<String>) -> Self {
        self.suggestion = suggestion;
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        if let Some(suggestion) = &self.suggestion {
            write!(f, "; did you mean `{suggestion}`?")?;
        }
        write!(f, " ({})", self.place)
    }
}

/// The most problems that are kept; of the others only the number is told.
pub const MAX_PROBLEMS: usize = 100;

/// Everything that is wrong with a description, in the order of the file, then the environment,
/// then the flags.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", listing(.problems, *.more))]
pub struct ConfigError {
    /// What is wrong; never empty.
    pub problems: Vec<Problem>,
    /// How many problems there are beyond [`MAX_PROBLEMS`].
    pub more: usize,
}

fn listing(problems: &[Problem], more: usize) -> String {
    let mut text = match problems.len() + more {
        1 => "the configuration has a problem:".to_owned(),
        count => format!("the configuration has {count} problems:"),
    };
    for problem in problems {
        text.push_str("\n  ");
        text.push_str(&problem.to_string());
    }
    if more > 0 {
        let _ = write!(text, "\n  and {more} more");
    }
    text
}

impl Diagnostic for ConfigError {
    fn exit(&self) -> Exit {
        Exit::BadInput
    }

    fn hint(&self) -> Option<String> {
        Some(
            "nothing was touched; every key and its default is in docs/reference/config.md, \
             and in the file that `mcpo-deploy init` writes"
                .to_owned(),
        )
    }
}

/// Problems as they are found.
#[derive(Default)]
pub(super) struct Problems {
    found: Vec<Problem>,
    more: usize,
}

impl Problems {
    pub(super) fn push(&mut self, problem: Problem) {
        self.push_with(|| problem);
    }

    /// As [`Problems::push`], for a problem that costs something to make.
    pub(super) fn push_with(&mut self, problem: impl FnOnce() -> Problem) {
        if self.found.len() < MAX_PROBLEMS {
            self.found.push(problem());
        } else {
            self.more += 1;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) fn into_error(mut self) -> ConfigError {
        sort(&mut self.found);
        ConfigError { problems: self.found, more: self.more }
    }
}

/// Sorts into the order in which problems are told; what has one place stays as it was found.
pub(super) fn sort(problems: &mut [Problem]) {
    problems.sort_by_key(|problem| problem.place.rank());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_beyond_the_cap_are_only_counted() {
        let mut problems = Problems::default();
        for number in 0..MAX_PROBLEMS + 7 {
            problems.push(Problem::new(format!("k{number}"), "is wrong", Place::Default));
        }
        let error = problems.into_error();
        assert_eq!((error.problems.len(), error.more), (MAX_PROBLEMS, 7));
        assert!(
            error.to_string().starts_with("the configuration has 107 problems:\n  k0: is wrong (default)")
        );
        assert!(error.to_string().ends_with("\n  and 7 more"));
    }
}
