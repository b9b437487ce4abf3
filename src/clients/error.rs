//! Why a client's file was left alone. Nothing of the file's text but names is in a message: it may
//! hold secrets.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::diagnostic::{Diagnostic, Exit};

/// A place in a text, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Why a text was not changed, or not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The bytes are no UTF-8.
    #[error("it is not UTF-8 text")]
    NotText,
    /// The text does not parse.
    #[error("it is not {language} at {spot}: {what}")]
    Broken {
        /// `JSON`, `YAML` or `TOML`.
        language: &'static str,
        /// Where.
        spot: Spot,
        /// What the parser says.
        what: String,
    },
    /// A key of ours, or a name in a list, is there twice.
    #[error("{place} is there twice, at {spot} again")]
    Duplicate {
        /// The path.
        place: String,
        /// Where the second one is.
        spot: Spot,
    },
    /// Something else stands where the entries belong.
    #[error("{place} is not {expected}, at {spot}")]
    WrongKind {
        /// The path.
        place: String,
        /// What it would have to be.
        expected: &'static str,
        /// Where it is.
        spot: Spot,
    },
    /// It is written in a way that is valid, rare, and not edited.
    #[error("{place} is written with {how}, which is not edited, at {spot}")]
    Unusual {
        /// The path.
        place: String,
        /// With what.
        how: &'static str,
        /// Where.
        spot: Spot,
    },
    /// An entry of that name is somebody else's.
    #[error("there is another entry called {name}{}, at {spot}; it was left alone", of(other.as_deref()))]
    NotOurs {
        /// The name.
        name: String,
        /// The deployment that it names, where it is ours by its making.
        other: Option<String>,
        /// Where it is.
        spot: Spot,
    },
    /// An entry is not as our change left it.
    #[error("the entry {name} is not what connect left there, at {spot}; it was left alone")]
    ChangedSince {
        /// The name.
        name: String,
        /// Where it is, or would be.
        spot: Spot,
    },
    /// An entry of that name starts nothing that is known.
    #[error("the entry {name} at {spot} has neither a command nor a URL where this client looks for them")]
    NotUnderstood {
        /// The name.
        name: String,
        /// Where it is.
        spot: Spot,
    },
    /// The client's file has no form for a URL.
    #[error("{client} takes no URL from its file")]
    NoUrl {
        /// The client's title.
        client: &'static str,
    },
    /// The client's file has no form for a secret that is elsewhere.
    #[error("{client} does not replace variables in a header")]
    NoVariable {
        /// The client's title.
        client: &'static str,
    },
    /// What was written is not what was meant: a bug of ours.
    #[error("the edit would have changed more than the entry {name} ({what}); nothing was written")]
    Bug {
        /// The name.
        name: String,
        /// What is not as it should be.
        what: &'static str,
    },
}

fn of(other: Option<&str>) -> String {
    other.map(|other| format!(", which belongs to {other}")).unwrap_or_default()
}

impl Diagnostic for EditError {
    fn exit(&self) -> Exit {
        match self {
            Self::Bug { .. } => Exit::Bug,
            Self::NotOurs { .. } | Self::ChangedSince { .. } => Exit::Failed,
            _ => Exit::BadInput,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NotText => "save it as UTF-8, then run this again".to_owned(),
            Self::Broken { .. } => "mend it there, then run this again; the file was not touched".to_owned(),
            Self::Duplicate { .. } => "remove one of the two, then run this again".to_owned(),
            Self::WrongKind { .. } => {
                "the client cannot read it either: mend it, or move the file away".to_owned()
            }
            Self::Unusual { .. } => {
                "write it out in full, or add the entry by hand: --print shows it".to_owned()
            }
            Self::NotOurs { .. } => "choose another name with --name, or replace it with --force".to_owned(),
            Self::ChangedSince { .. } => {
                "--force takes the change back all the same, and keeps a copy of what is there now".to_owned()
            }
            Self::NotUnderstood { .. } => "replace it with --force".to_owned(),
            Self::NoUrl { .. } => {
                "connect it over stdio, or add the URL in the client's own settings, under connectors"
                    .to_owned()
            }
            Self::NoVariable { .. } => "give the token itself, in a file that only you can read".to_owned(),
            Self::Bug { .. } => return None,
        })
    }
}

/// Why a file was not changed. Where nothing else is said, it is as it was.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A step on the file failed.
    #[error("cannot {step} {}", path.display())]
    Io {
        /// What was being done.
        step: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Its text was not changed.
    #[error("{} was left alone", path.display())]
    Edit {
        /// The file.
        path: PathBuf,
        /// Why.
        source: EditError,
    },
    /// It is no file.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// What is not.
        path: PathBuf,
    },
    /// It has more bytes than any client's file.
    #[error("{} is longer than {limit} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// How many are read.
        limit: u64,
    },
    /// Another run of ours does not come to an end.
    #[error("another mcpo-deploy is changing files in {}", folder.display())]
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// Nobody may write it.
    #[error("{} is read-only; somebody meant that", path.display())]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },
    /// It has other names, which would keep the old text.
    #[error("{} has {links} names (hard links); replacing one would part it from the others", path.display())]
    HardLinked {
        /// The file.
        path: PathBuf,
        /// How many.
        links: u64,
    },
    /// Links lead to links without end.
    #[error("{} leads through too many symbolic links", path.display())]
    TooManyLinks {
        /// Where they start.
        path: PathBuf,
    },
    /// Somebody else keeps writing it.
    #[error("{} was changed by somebody else {times} times while it was being edited", path.display())]
    Contended {
        /// The file.
        path: PathBuf,
        /// How often it was tried.
        times: usize,
    },
    /// It was removed by hand since.
    #[error("{} is not there any more", path.display())]
    Deleted {
        /// The file.
        path: PathBuf,
        /// The line for a shell that brings the newest copy back.
        copy: String,
    },
    /// It was broken by hand since.
    #[error("{} was left alone", path.display())]
    NotTakenBack {
        /// The file.
        path: PathBuf,
        /// The line for a shell that brings the newest copy back.
        copy: String,
        /// Why.
        source: EditError,
    },
    /// There is no change left to take back.
    #[error("there is no backup of {} to go back to", path.display())]
    NoBackup {
        /// The file.
        path: PathBuf,
    },
}

impl Diagnostic for FileError {
    fn exit(&self) -> Exit {
        match self {
            Self::Edit { source, .. } | Self::NotTakenBack { source, .. } => source.exit(),
            Self::NoBackup { .. } => Exit::BadInput,
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Edit { source, .. } => source.hint(),
            Self::ReadOnly { .. } => Some("make it writable (chmod u+w), then run this again".to_owned()),
            Self::HardLinked { .. } => {
                Some("make it a file of its own: cp it, then mv the copy over it".to_owned())
            }
            Self::Deleted { copy, .. } => Some(format!("the newest copy comes back with: {copy}")),
            Self::NotTakenBack { copy, .. } => {
                Some(format!("mend it there, or go back to the newest copy: {copy}"))
            }
            Self::NoBackup { .. } => {
                Some("changes to entries of another name are not looked at; --name says which".to_owned())
            }
            Self::Locked { .. } => Some("let it end, or end it, then run this again".to_owned()),
            Self::Contended { .. } => Some("quit the client, then run this again".to_owned()),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("run this as the user whose client it is".to_owned())
            }
            _ => None,
        }
    }
}
