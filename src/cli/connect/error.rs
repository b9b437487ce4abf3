//! Errors of `connect`'s own.

use std::path::PathBuf;

use crate::clients::clients;
use crate::diagnostic::{Diagnostic, Exit};
use crate::wire::url::UrlError;

/// Why a client was not connected.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// A client that is not in the table.
    #[error("there is no client {name:?}")]
    Unknown { name: String, nearest: Option<&'static str> },
    #[error("no client was named")]
    Nobody,
    #[error("none of the clients that are known was found on this machine")]
    NoneFound,
    #[error("the home folder is not known")]
    NoHome,
    #[error("{client} reads no file of a project's")]
    NoProjectFile { client: &'static str },
    #[error("{client} reads no file of a user's")]
    NoUserFile { client: &'static str },
    /// Its file would be read instead of one that is there.
    #[error("{client} would no longer read {} if it had the file that was to be made", file.display())]
    WouldHide { client: &'static str, other: &'static str, file: PathBuf },
    /// What the file is to hold can be said by name.
    #[error("{client} takes the name of a token, so that it does not have to stand in its file")]
    TokenByName { client: &'static str },
    /// The entry's name depends on what an engine knows.
    #[error(
        "what the entry is called depends on the image {image}, which no engine could be asked about, and the files do not tell"
    )]
    NameUnknown { image: String, names: [String; 2] },
    #[error("an entry cannot be called {0:?}")]
    Name(String),
    #[error("there is no mcpo.yaml that the entry could name")]
    NoDescription,
    #[error("where this program lies is not known")]
    NoProgram,
    #[error("--url is not usable")]
    Url(#[source] UrlError),
    #[error("--url is a WebSocket's, and clients speak Streamable HTTP")]
    WebSocket,
    /// What was given may be the token itself.
    #[error(
        "--token-variable takes a variable's name, and was given something else, which is not repeated here"
    )]
    Variable,
    #[error("{} is not usable: {why}", file.display())]
    Token { file: PathBuf, why: String },
    #[error("cannot make {}, which `docker run` insists on", path.display())]
    EnvFile { path: PathBuf, source: std::io::Error },
    #[error("no client here has an entry called {0}")]
    NothingToCheck(String),
}

impl Diagnostic for ConnectError {
    fn exit(&self) -> Exit {
        match self {
            Self::NameUnknown { .. } => Exit::NoDocker,
            Self::WouldHide { .. }
            | Self::TokenByName { .. }
            | Self::NoneFound
            | Self::NothingToCheck(_)
            | Self::NoProgram
            | Self::EnvFile { .. } => Exit::Failed,
            _ => Exit::BadInput,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Unknown { nearest: Some(nearest), .. } => format!("did you mean {nearest:?}?"),
            Self::Unknown { .. } => {
                let all: Vec<&str> = clients().iter().map(crate::clients::Client::id).collect();
                format!("they are: {}", all.join(", "))
            }
            Self::Nobody => {
                "name one or more, or give --all; `mcpo-deploy connect --list` shows them".to_owned()
            }
            Self::NoneFound => {
                "`mcpo-deploy connect --list` shows all; name one, and its file is made".to_owned()
            }
            Self::NoHome => "set HOME".to_owned(),
            Self::NoProjectFile { .. } => "leave out `--scope project`".to_owned(),
            Self::NoUserFile { .. } => "give `--scope project`".to_owned(),
            Self::WouldHide { other, .. } => format!("`mcpo-deploy connect {other}` writes into that one"),
            Self::TokenByName { .. } => {
                "give --token-variable NAME, or --force to write the token all the same".to_owned()
            }
            Self::NameUnknown { names: [ours, project], .. } => {
                format!("start Docker, or give `--name {ours}` or `--name {project}`")
            }
            Self::Name(_) => "1 to 64 characters, and none that cannot be seen".to_owned(),
            Self::NoDescription => "`mcpo-deploy init` writes one; `--via docker` needs none".to_owned(),
            Self::WebSocket => {
                "give its http:// or https:// address, such as http://HOST:5000/mcp".to_owned()
            }
            Self::Variable => {
                "letters, digits and `_`, such as MCPO_TOKEN; the token itself stays out of it".to_owned()
            }
            Self::EnvFile { .. } => "make the file yourself; it may be empty".to_owned(),
            Self::NothingToCheck(_) => {
                "`mcpo-deploy connect CLIENT` makes one; --name looks for another".to_owned()
            }
            Self::NoProgram | Self::Url(_) | Self::Token { .. } => return None,
        })
    }
}
