//! What can go wrong with an engine, told apart by what the reader can do about it.

use std::error::Error as _;
use std::io;
use std::path::PathBuf;

use bollard::errors::Error as Bollard;

use super::context::ContextError;
use super::endpoint::Endpoint;
use super::programs::ProgramError;
use super::tls;
use crate::diagnostic::{Diagnostic, Exit};

/// Why an engine did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Nobody listens there.
    #[error("cannot reach Docker at {} ({}): it is not running", .0.host, .0.origin)]
    NotRunning(Box<Endpoint>, #[source] Reason),
    /// The socket is there, and this user may not use it.
    #[error("cannot reach Docker at {} ({}): permission denied", .0.host, .0.origin)]
    NotPermitted(Box<Endpoint>, #[source] Reason),
    /// Something answers, or nothing does in time, and it is not an engine as expected.
    #[error("cannot reach Docker at {} ({})", .0.host, .0.origin)]
    Unreachable(Box<Endpoint>, #[source] Reason),
    /// The engine's API is older than 1.41.
    #[error("Docker at {} is too old: it speaks API {api}, and at least {MINIMUM_API} is needed", endpoint.host)]
    TooOld {
        /// Where.
        endpoint: Box<Endpoint>,
        /// What it speaks.
        api: String,
    },
    /// A context that does not exist.
    #[error("the Docker context {name} does not exist: {} cannot be read", path.display())]
    NoContext {
        /// Its name.
        name: String,
        /// Where it should be described.
        path: PathBuf,
    },
    /// An operation failed.
    #[error("cannot {what}")]
    Failed {
        /// What was tried, such as `create container x`.
        what: String,
        /// Why not.
        #[source]
        reason: Reason,
    },
    /// A build failed.
    #[error("cannot build image {image}: {message}")]
    Build {
        /// The image.
        image: String,
        /// The engine's last word.
        message: String,
        /// The last lines of the build's output.
        tail: Vec<String>,
    },
    /// The engine created a container without a protection that was asked for; it was removed.
    #[error("container {name} would run without a protection, and was removed: {warning}")]
    Unenforced {
        /// The container.
        name: String,
        /// The engine's words.
        warning: String,
    },
    /// An image is nowhere to be had.
    #[error("the image {image} is not here and cannot be pulled")]
    NoImage {
        /// The image.
        image: String,
        /// Why not.
        #[source]
        reason: Reason,
    },
    /// One of our static programs cannot go into an image.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// A build context cannot be read.
    #[error(transparent)]
    Context(#[from] ContextError),
}

/// What the engine, or the way to it, said.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Reason(pub String);

/// Engine 20.10.
pub(super) const MINIMUM_API: &str = "1.41";

impl EngineError {
    pub(super) fn failed(what: impl Into<String>) -> impl FnOnce(Bollard) -> Self {
        let what = what.into();
        move |error| Self::Failed { what, reason: reason(&error) }
    }

    pub(super) fn unreachable(endpoint: &Endpoint, error: &Bollard) -> Self {
        let reason = reason(error);
        let reason = tls::in_words(endpoint, &reason.0).map_or(reason, Reason);
        let endpoint = Box::new(endpoint.clone());
        if matches!(error, Bollard::SocketNotFoundError(_)) {
            return Self::NotRunning(endpoint, reason);
        }
        match io_cause(error).map(io::Error::kind) {
            Some(io::ErrorKind::PermissionDenied) => Self::NotPermitted(endpoint, reason),
            Some(io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) => {
                Self::NotRunning(endpoint, reason)
            }
            Some(_) => Self::Unreachable(endpoint, reason),
            None => Self::Unreachable(endpoint, Reason(not_an_engine(error, reason.0))),
        }
    }

    /// Whether the engine's disk is full.
    fn is_disk_full(&self) -> bool {
        // The engine says it in lower case, and programs of a build in the C library's words.
        let full = |text: &str| text.to_lowercase().contains("no space left on device");
        match self {
            Self::Failed { reason, .. } | Self::NoImage { reason, .. } => full(&reason.0),
            Self::Build { message, tail, .. } => full(message) || tail.iter().any(|line| full(line)),
            _ => false,
        }
    }
}

/// Whether the engine says that there is no such thing.
pub(super) fn is_not_found(error: &Bollard) -> bool {
    matches!(error, Bollard::DockerResponseServerError { status_code: 404, .. })
}

/// Whether the engine says that a name is taken. Podman says so with another status, in the same words.
pub(super) fn is_taken(error: &Bollard) -> bool {
    matches!(error, Bollard::DockerResponseServerError { status_code, message }
        if *status_code == 409 || message.contains("already in use"))
}

/// Whether the engine says that it is so already.
pub(super) fn is_not_modified(error: &Bollard) -> bool {
    matches!(error, Bollard::DockerResponseServerError { status_code: 304, .. })
}

/// The engine's own words, without the library's.
pub(super) fn reason(error: &Bollard) -> Reason {
    if let Some(io) = io_cause(error) {
        return Reason(io.to_string());
    }
    let mut text = match error {
        Bollard::DockerResponseServerError { message, .. } => return Reason(message.trim().to_owned()),
        Bollard::DockerStreamError { error } => return Reason(error.trim().to_owned()),
        Bollard::RequestTimeoutError => return Reason("the engine did not answer in time".to_owned()),
        other => other.to_string(),
    };
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    Reason(text)
}

/// The first cause, where that is the operating system's.
fn io_cause(error: &Bollard) -> Option<&io::Error> {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    // This kind says of itself what its cause says, and leaves that out of what comes after it.
    let mut found = if let Bollard::IOError { err } = error { Some(err) } else { None };
    while let Some(cause) = source {
        found = cause.downcast_ref::<io::Error>().or(found);
        source = cause.source();
    }
    found
}

/// What is said of something that answers to the first question of all, and not as an engine does.
fn not_an_engine(error: &Bollard, words: String) -> String {
    const SHORT: usize = 120;
    let answered = matches!(
        error,
        Bollard::DockerResponseServerError { .. }
            | Bollard::JsonDataError { .. }
            | Bollard::JsonSerdeError { .. }
    );
    if !answered {
        return words;
    }
    let line: String = words.lines().next().unwrap_or_default().chars().take(SHORT).collect();
    format!("what answers there is no Docker engine ({line})")
}

impl Diagnostic for EngineError {
    fn exit(&self) -> Exit {
        match self {
            Self::NotRunning(..) | Self::NotPermitted(..) | Self::Unreachable(..) | Self::TooOld { .. } => {
                Exit::NoDocker
            }
            Self::NoContext { .. } | Self::Context(_) => Exit::BadInput,
            Self::Failed { .. }
            | Self::Build { .. }
            | Self::NoImage { .. }
            | Self::Unenforced { .. }
            | Self::Program(_) => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        if self.is_disk_full() {
            let mut hint =
                "free room where the engine keeps its data: docker system df, then docker system prune"
                    .to_owned();
            if let Self::Build { tail, .. } = self
                && let Some(lines) = build_hint(tail)
            {
                hint = format!("{hint}\n{lines}");
            }
            return Some(hint);
        }
        Some(match self {
            Self::NotRunning(..) => "start Docker (sudo systemctl start docker, or Docker Desktop), or set DOCKER_HOST".into(),
            Self::NotPermitted(..) => {
                "add yourself to the `docker` group (sudo usermod -aG docker $USER, then log in again), or set DOCKER_HOST to a rootless engine's socket".into()
            }
            Self::Unreachable(endpoint, reason) if endpoint.host.starts_with("ssh://") => ssh_hint(&reason.0).into(),
            Self::Unreachable(endpoint, reason) => tls::hint(endpoint, &reason.0).unwrap_or_else(|| {
                "check DOCKER_HOST and the Docker context (docker context ls)".into()
            }),
            Self::TooOld { .. } => "update to Docker Engine 20.10 or newer".into(),
            Self::NoContext { .. } => "see `docker context ls`, or unset DOCKER_CONTEXT".into(),
            Self::Build { tail, .. } => return build_hint(tail),
            Self::NoImage { .. } => {
                "check the name, log in with `docker login`, or describe how to build it: `orchestrator: {build: {context: .}}`".into()
            }
            Self::Unenforced { .. } => "accept it by name (--accept-unenforced NAME), or run it where it can be enforced".into(),
            Self::Failed { .. } => return None,
            Self::Program(error) => return error.hint(),
            Self::Context(error) => return error.hint(),
        })
    }
}

/// By what ssh said, or the shell that it started.
fn ssh_hint(said: &str) -> &'static str {
    const HINTS: [(&str, &str); 4] = [
        (
            "Host key verification failed",
            "look at its key and keep it: `ssh` to that host by hand once; where the key has changed, find out why first",
        ),
        (
            "Permission denied",
            "nobody is asked for a password here: give `ssh` a key that the host takes (ssh-add, or IdentityFile in ~/.ssh/config)",
        ),
        ("not found", "`docker` must be in the PATH of commands that `ssh` runs there"),
        ("Connection refused", "check the host and the port, and that its SSH server runs"),
    ];
    HINTS.iter().find(|(words, _)| said.contains(words)).map_or(
        "check that `ssh` reaches that host without asking for a password, and that Docker is installed there",
        |(_, hint)| hint,
    )
}

fn build_hint(tail: &[String]) -> Option<String> {
    let mut hint = String::new();
    if !tail.is_empty() {
        hint = format!("the build's last lines:\n  {}", tail.join("\n  "));
    }
    if tail.iter().any(|line| line.contains("buildkit") || line.contains("BuildKit")) {
        hint.push_str("\nthis Dockerfile needs BuildKit: build it with `docker build`, and name the image in orchestrator.image");
    }
    (!hint.is_empty()).then_some(hint)
}
