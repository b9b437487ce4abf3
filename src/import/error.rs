//! Why a text cannot be imported.

use crate::diagnostic::{Diagnostic, Exit};

/// Why a text cannot be imported, and where. Holds nothing of the text but names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It is neither of the two.
    #[error("{file}:1: this is neither a compose file (there is no `services:`) nor a `docker run` line")]
    Neither {
        /// The file.
        file: String,
    },
    /// It looks like one of the two and is broken.
    #[error("{file}:{line}: {message}")]
    Broken {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// No service of it could be a server or a bridge.
    #[error("{file}:{line}: none of the services looks like an MCP server or a bridge: {}", names.join(", "))]
    NoServer {
        /// The file.
        file: String,
        /// The line of the first service, from 1.
        line: usize,
        /// The services.
        names: Vec<String>,
    },
}

impl Diagnostic for ImportError {
    fn exit(&self) -> Exit {
        Exit::BadInput
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Neither { .. } => Some(
                "give it a compose file, or a file with the line that starts the container; `-` reads standard input"
                    .to_owned(),
            ),
            Self::Broken { .. } => None,
            Self::NoServer { .. } => Some(
                "a server is known by `mcp` in its name or image, by the profile build-only, or by being \
                 the only service; take the others out of the file"
                    .to_owned(),
            ),
        }
    }
}
