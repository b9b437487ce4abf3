//! What carries a talk: a wire, or the standard streams of a fresh container.

use std::io;
use std::pin::Pin;

use tokio::io::{AsyncWrite, DuplexStream};

use crate::config::Stack;
use crate::diagnostic::Failure;
use crate::engine::{Claim, Docker, EngineError, Leased, StderrTail, create_for_client};
use crate::mcp::{FrameError, Lines, StdioLines};
use crate::plan::{Container, for_client};
use crate::wire::Connection;

/// The longest message, in bytes.
const MAX_LINE: usize = 16 << 20;

/// A container's standard streams.
type ContainerLines = StdioLines<DuplexStream, Pin<Box<dyn AsyncWrite + Send>>>;

/// What carries a talk.
pub enum Speaker {
    /// A wire.
    Wire(Connection),
    /// A container.
    Container(ContainerLines),
}

impl std::fmt::Debug for Speaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Wire(_) => "Wire",
            Self::Container(_) => "Container",
        })
    }
}

impl Lines for Speaker {
    async fn send(&mut self, line: &str) -> io::Result<()> {
        match self {
            Self::Wire(connection) => connection.send(line).await,
            Self::Container(lines) => lines.send(line).await,
        }
    }

    async fn receive(&mut self) -> Result<Option<String>, FrameError> {
        match self {
            Self::Wire(connection) => connection.receive().await,
            Self::Container(lines) => lines.receive().await,
        }
    }

    fn withdraw(&mut self) -> bool {
        match self {
            Self::Wire(connection) => connection.withdraw(),
            Self::Container(lines) => lines.withdraw(),
        }
    }

    async fn close(&mut self) {
        match self {
            Self::Wire(connection) => connection.close().await,
            Self::Container(lines) => lines.close().await,
        }
    }
}

/// The containers that one client has: a server that ends over a dialect that it does not know is started
/// again for the next.
#[derive(Debug)]
pub struct Containers {
    docker: Docker,
    container: Container,
    claim: Claim,
    names: Vec<String>,
    stderr: StderrTail,
}

impl Containers {
    /// None yet, of a stdio server of a project's.
    #[must_use]
    pub fn new(docker: &Docker, stack: &Stack, stdio: &Container) -> Self {
        Self {
            docker: docker.clone(),
            container: for_client(stdio, Vec::new()),
            claim: Claim::of(stack),
            names: Vec::new(),
            stderr: StderrTail::default(),
        }
    }

    /// Starts a fresh one, in one of the project's places for clients.
    pub async fn open(&mut self) -> Result<Speaker, Failure> {
        let leased = Leased::on(&self.docker).await?;
        let name = create_for_client(&self.docker, &self.container, &self.claim, &leased).await?.name;
        let docker = self.docker.clone();
        // Whoever comes next tries again.
        tokio::spawn(async move { leased.remove_left(&docker).await });
        self.docker.remember_probe(&name);
        self.names.push(name.clone());
        let attached = self.docker.attach(&name).await?;
        self.docker.start(&name).await?;
        self.stderr = attached.stderr;
        Ok(Speaker::Container(StdioLines::new(attached.stdout, attached.stdin, MAX_LINE)))
    }

    /// The last lines that the last one wrote to standard error, without what it was given.
    #[must_use]
    pub fn said(&self) -> Vec<String> {
        self.stderr.lines().iter().map(|line| self.container.redacted(line)).collect()
    }

    /// Removes them all.
    pub async fn remove(mut self) -> Result<(), EngineError> {
        let mut removed = Ok(());
        for name in std::mem::take(&mut self.names) {
            let one = self.docker.remove_probe(&name).await;
            removed = removed.and(one);
        }
        removed
    }
}

/// A client that was left without a goodbye leaves no container all the same, as long as the runtime goes on.
impl Drop for Containers {
    fn drop(&mut self) {
        let (docker, names) = (self.docker.clone(), std::mem::take(&mut self.names));
        if let (false, Ok(runtime)) = (names.is_empty(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                for name in names {
                    // There is nobody to be told.
                    let _ = docker.remove_probe(&name).await;
                }
            });
        }
    }
}
