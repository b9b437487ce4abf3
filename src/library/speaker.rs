//! What carries a talk: a wire, or the standard streams of a fresh container.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncWrite, DuplexStream};
use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;

use crate::config::Stack;
use crate::diagnostic::Failure;
use crate::engine::{Claim, ClientError, Docker, EngineError, Leased, Reason, StderrTail, create_for_client};
use crate::mcp::{FrameError, Lines, Open, StdioLines};
use crate::plan::{Container, for_client};
use crate::wire::Connection;

/// The longest message, in bytes.
const MAX_LINE: usize = 16 << 20;
/// How long the engine's answer is waited for where nobody needs it any more, but for what it made.
const GIVEN_UP: Duration = Duration::from_secs(10);

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
    /// What the engine was asked for, and makes even if nobody waits for it.
    creating: Option<JoinHandle<Result<Kept, ClientError>>>,
    kept: Vec<Kept>,
    stderr: StderrTail,
}

/// A container that goes with this, as long as the runtime that it was made in goes on.
#[derive(Debug)]
struct Kept {
    docker: Docker,
    runtime: Handle,
    /// Empty once it is removed.
    name: String,
}

impl Kept {
    async fn create(
        docker: Docker,
        container: Container,
        claim: Claim,
        leased: Leased,
    ) -> Result<Self, ClientError> {
        let name = create_for_client(&docker, &container, &claim, &leased).await?.name;
        docker.remember_probe(&name);
        let kept = Self { docker: docker.clone(), runtime: Handle::current(), name };
        // Whoever comes next tries again.
        tokio::spawn(async move { leased.remove_left(&docker).await });
        Ok(kept)
    }

    async fn remove(mut self) -> Result<(), EngineError> {
        let removed = self.docker.remove_probe(&self.name).await;
        if removed.is_ok() {
            self.name.clear();
        }
        removed
    }
}

/// A client that was left without a goodbye leaves no container all the same, wherever it is dropped.
impl Drop for Kept {
    fn drop(&mut self) {
        let (docker, name) = (self.docker.clone(), std::mem::take(&mut self.name));
        if !name.is_empty() {
            // There is nobody to be told.
            self.runtime.spawn(async move { docker.remove_probe(&name).await });
        }
    }
}

impl Open for Containers {
    type Lines = Speaker;
    type Error = Failure;

    async fn open(&mut self) -> Result<Speaker, Failure> {
        self.start().await
    }
}

impl Containers {
    /// None yet, of a stdio server of a project's.
    #[must_use]
    pub fn new(docker: &Docker, stack: &Stack, stdio: &Container) -> Self {
        Self {
            docker: docker.clone(),
            container: for_client(stdio, Vec::new()),
            claim: Claim::of(stack),
            creating: None,
            kept: Vec::new(),
            stderr: StderrTail::default(),
        }
    }

    /// Starts a fresh one, in one of the project's places for clients.
    async fn start(&mut self) -> Result<Speaker, Failure> {
        let leased = Leased::on(&self.docker).await?;
        let (docker, container) = (self.docker.clone(), self.container.clone());
        let creating = tokio::spawn(Kept::create(docker, container, self.claim.clone(), leased));
        let created = self.creating.insert(creating).await;
        self.creating = None;
        let broken_off = |error: JoinError| EngineError::Failed {
            what: "create a container".to_owned(),
            reason: Reason(error.to_string()),
        };
        let kept = created.map_err(broken_off)??;
        let name = kept.name.clone();
        self.kept.push(kept);
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
        if let Some(creating) = self.creating.take()
            && let Ok(Ok(Ok(kept))) = timeout(GIVEN_UP, creating).await
        {
            self.kept.push(kept);
        }
        let mut removed = Ok(());
        for kept in self.kept {
            let one = kept.remove().await;
            removed = removed.and(one);
        }
        removed
    }
}
