//! Why a bridge does not start.

use std::net::SocketAddr;

use crate::diagnostic::{Diagnostic, Exit};

/// Why a bridge does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener beyond loopback, where nothing keeps strangers out.
    #[error("refusing to listen on {0}: anyone who can reach it could run the server behind it")]
    BeyondLoopback(SocketAddr),
    /// A listener for metrics beyond loopback.
    #[error("refusing to serve metrics on {0}: anyone who can reach it could read them")]
    MetricsBeyondLoopback(SocketAddr),
    /// Where spans are to be sent nobody can tell.
    #[error("spans cannot be sent to what --otlp-endpoint names: {0}")]
    Collector(String),
    /// The address is taken, not this machine's, or not permitted.
    #[error("cannot listen on {0}")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// No server to run.
    #[error("there is no server to run")]
    NoCommand,
    /// The server's program is not there.
    #[error("there is no program {0:?}")]
    NoProgram(String),
    /// There would be no room for the longest message in each direction.
    #[error("{max_buffered} bytes of messages are too few to hold: two of the longest take {least}")]
    SmallBuffer {
        /// What was asked for, in bytes.
        max_buffered: usize,
        /// Twice the longest message, in bytes.
        least: usize,
    },
    /// More connections than files may be open.
    #[error("there are not files for {asked} connections: {fit} fit")]
    FewFiles {
        /// What was asked for.
        asked: usize,
        /// How many there are files for.
        fit: usize,
    },
    /// More servers ahead of need than there may be in all.
    #[error("{warm} servers cannot be kept ready: there may be {children} in all")]
    ManySpares {
        /// What was asked for.
        warm: usize,
        /// The ceiling.
        children: usize,
    },
    /// What the files of tokens and certificates have wrong: a line for each thing.
    #[error("who may come in cannot be read:\n  {}", .0.join("\n  "))]
    Doors(Vec<String>),
    /// The runtime or its signal handlers cannot be set up.
    #[error("cannot start")]
    Runtime(#[source] std::io::Error),
}

impl Diagnostic for StartError {
    fn exit(&self) -> Exit {
        match self {
            Self::BeyondLoopback(_)
            | Self::MetricsBeyondLoopback(_)
            | Self::Collector(_)
            | Self::NoCommand
            | Self::NoProgram(_)
            | Self::SmallBuffer { .. }
            | Self::FewFiles { .. }
            | Self::ManySpares { .. }
            | Self::Doors(_) => Exit::BadInput,
            Self::Listen(..) | Self::Runtime(_) => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::BeyondLoopback(_) => Some(
                "listen on 127.0.0.1; or let in only whom you know, with --token-file or --tls-client-ca; or, in a container whose published address keeps strangers out, \
                 give --behind-publication; or accept the risk with --insecure"
                    .to_owned(),
            ),
            Self::MetricsBeyondLoopback(_) => Some(
                "listen on 127.0.0.1; or read /metrics with a token on the bridge's own ports; or accept the risk with --insecure"
                    .to_owned(),
            ),
            Self::Collector(_) => Some(
                "give --otlp-endpoint the base URL of an OTLP receiver over HTTP, such as \
                 http://127.0.0.1:4318"
                    .to_owned(),
            ),
            Self::Listen(..) => Some("name another address with --listen, such as 127.0.0.1:8766".to_owned()),
            Self::NoCommand => Some(
                "write it after two dashes, such as `mcp-bridge -- my-server --stdio`, or set \
                 MCP_BRIDGE_COMMAND to a JSON array such as [\"my-server\", \"--stdio\"]"
                    .to_owned(),
            ),
            Self::NoProgram(_) => {
                Some("give a path, or a name that is in PATH; in an image, the path inside it".to_owned())
            }
            Self::SmallBuffer { .. } => {
                Some("give a higher --max-buffered, or a lower --max-message".to_owned())
            }
            Self::FewFiles { .. } => Some(
                "raise the limit on open files (ulimit -n; in a container --ulimit nofile=65536), or give \
                 a lower --max-connections or --max-children"
                    .to_owned(),
            ),
            Self::ManySpares { .. } => {
                Some("give a lower --warm, or a higher --max-children".to_owned())
            }
            Self::Doors(_) => Some(
                "a token file has a line for each client, such as `alice <token>`, with a token such as \
                 `openssl rand -hex 32` makes; certificates and keys are PEM files"
                    .to_owned(),
            ),
            Self::Runtime(_) => None,
        }
    }
}
