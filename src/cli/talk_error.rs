//! Errors of a talk with a server.

use std::path::PathBuf;

use crate::diagnostic::{Diagnostic, Exit};
use crate::mcp::{CallError, ConnectError, TransportError};
use crate::wire::OpenError;
use crate::wire::streamable::Refusal;
use crate::wire::url::UrlError;
use crate::wire::websocket::WebSocketError;

/// Why a server was not asked, or has not answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum TalkError {
    /// What was given as a tool's arguments.
    #[error("the arguments{} are no JSON object: {why}", from.as_ref().map(|from| format!(" in {from}")).unwrap_or_default())]
    Arguments { from: Option<String>, why: String },
    /// A file that was named on the command line.
    #[error("cannot read {}: {why}", file.display())]
    Unreadable { file: PathBuf, why: String },
    #[error("{what} is not usable: {why}")]
    Credentials { what: String, why: String },
    #[error("--url is not usable")]
    Url(#[source] UrlError),
    /// Nobody to speak with.
    #[error("cannot speak with {through}")]
    Open {
        through: String,
        #[source]
        error: OpenError,
    },
    /// The same of a container; without what its pipes said, which is the engine's.
    #[error("cannot speak with {through}")]
    OpenFresh {
        through: String,
        #[source]
        error: CallError,
    },
    /// A request has no answer.
    #[error("{what} failed{}", closed_with(goodbye.as_deref()))]
    Call {
        what: String,
        #[source]
        error: CallError,
        /// What a WebSocket was closed with.
        goodbye: Option<String>,
    },
    /// It did not even connect in time.
    #[error("{through} did not answer within {within:?}")]
    Silent { through: String, within: std::time::Duration },
    /// A tool that is not listed.
    #[error("the server has no tool {tool:?}; it answered: {answer}")]
    NoTool { tool: String, answer: String, nearest: Option<String>, listed: Vec<String> },
    /// It would have to be asked back.
    #[error("{tool} asks for more before it answers, which this client cannot give")]
    NeedsInput { tool: String },
    /// The bare dialect.
    #[error("{through} speaks bare JSON lines, which have no list of tools")]
    CannotList { through: String },
}

fn closed_with(goodbye: Option<&str>) -> String {
    goodbye.map(|words| format!(" (closed with {words})")).unwrap_or_default()
}

/// What a refusal over HTTP suggests.
fn hint_of(error: &TransportError) -> Option<String> {
    Some(match error.error.downcast_ref::<Refusal>()? {
        Refusal::Status { status: 401 | 403, .. } => TOKEN.into(),
        Refusal::Status { status: 404 | 405, .. } => {
            "is the path of the URL the server's own, such as /mcp?".into()
        }
        Refusal::Redirect(..) => "give that address as --url, if you trust it".into(),
        Refusal::LostSession(..) => "call again: each call begins a session of its own".into(),
        Refusal::Connect(_, error) if error.kind() == std::io::ErrorKind::InvalidData => CERTIFICATE.into(),
        _ => return None,
    })
}

const TOKEN: &str = "give a token with --token-file FILE or in MCPO_TOKEN";
const CERTIFICATE: &str = "`--tls-cert FILE` trusts the certificate in a file";
const LONGER: &str = "`--timeout SECONDS` gives it longer";

impl Diagnostic for TalkError {
    fn exit(&self) -> Exit {
        match self {
            Self::Arguments { .. } | Self::Unreadable { .. } | Self::Credentials { .. } | Self::Url(_) => {
                Exit::BadInput
            }
            _ => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Arguments { from: None, .. } => Some(r#"such as '{"n": 1}', @file.json or -"#.into()),
            Self::Open { error: OpenError::Connect { error, .. }, .. } => match error {
                ConnectError::Transport(error) => hint_of(error),
                ConnectError::Open(WebSocketError::Refused { status: 401 | 403, .. }) => Some(TOKEN.into()),
                ConnectError::Open(WebSocketError::Connect(_, error))
                    if error.kind() == std::io::ErrorKind::InvalidData =>
                {
                    Some(CERTIFICATE.into())
                }
                _ => None,
            },
            Self::Call { error: CallError::Transport(error), .. } => hint_of(error),
            Self::Call { error: CallError::Timeout(_), .. } | Self::Silent { .. } => Some(LONGER.into()),
            Self::NoTool { nearest: Some(nearest), .. } => Some(format!("did you mean {nearest:?}?")),
            Self::NoTool { listed, .. } => Some(format!("it has: {}", listed.join(", "))),
            _ => None,
        }
    }
}
