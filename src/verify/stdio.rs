//! The stdio server in a fresh container, hardened as promised: handshake, tools, status call.

use std::pin::Pin;
use std::time::Instant;

use tokio::io::{AsyncWrite, DuplexStream};

use super::bridge::in_words;
use super::diagnose::{Diagnosis, diagnose};
use super::report::Check;
use crate::engine::{Docker, EngineError, StderrTail};
use crate::mcp::{CallError, Client, ConnectError, Open, Patience, StatusError, StatusTool, StdioLines};
use crate::model::User;
use crate::plan::{Container, Live, LiveContainer, State};

/// What the fresh container showed.
pub(super) struct Seen {
    pub(super) check: Check,
    /// How it was confined while it ran.
    pub(super) live: Option<Live>,
}

const MAX_LINE: usize = 16 << 20;

/// Starts a fresh container, speaks with it, and removes it.
pub(super) async fn stdio(
    docker: &Docker,
    container: &Container,
    tool: StatusTool<'_>,
    patience: Patience,
) -> Seen {
    let begun = Instant::now();
    let mut probes = Probes { docker, container, names: Vec::new(), stderr: None };
    let outcome = talk(&mut probes, tool, patience).await;
    let elapsed = begun.elapsed();
    let hung_up = outcome.as_ref().is_err_and(|fault| fault.hung_up);
    let last = probes.last(hung_up).await;
    let said = probes.stderr.as_ref().map(StderrTail::lines).unwrap_or_default();
    let said: Vec<String> = said.iter().map(|line| container.redacted(line)).collect();
    let removed = probes.remove().await;
    let (state, live) = last.map(|last| (last.state, last.live)).unzip();
    match (outcome, removed) {
        (Ok(evidence), Ok(())) => {
            let evidence = format!("{evidence}, {} ms", elapsed.as_millis());
            Seen { check: Check::pass("stdio", evidence), live }
        }
        (Ok(_), Err(error)) => Seen { check: Check::fail("stdio", error.to_string()), live },
        (Err(Fault { evidence, fix, .. }), _) => {
            let evidence = container.redacted(&evidence);
            let fix = fix.or_else(|| why_it_ended(state, &said, &evidence, container.user));
            let evidence = match said.last() {
                Some(words) => format!("{evidence}; it said: {words}"),
                None => evidence,
            };
            let check = match fix {
                Some(fix) => Check::fail_with("stdio", evidence, fix),
                None => Check::fail("stdio", evidence),
            };
            Seen { check, live }
        }
    }
}

/// What to do about a server that ended, by what it left behind. One that runs may have complained
/// of something else, so that nothing follows from its words.
fn why_it_ended(state: Option<State>, said: &[String], evidence: &str, user: User) -> Option<String> {
    let state = state.filter(|state| !state.running)?;
    let log: Vec<String> = [evidence.to_owned()].into_iter().chain(said.iter().cloned()).collect();
    diagnose(&state, &log, user).map(|Diagnosis { cause, fix }| format!("{cause}: {fix}"))
}

/// The containers that one verification starts: a server that ends over a dialect that it does not
/// know is started again for the next.
struct Probes<'a> {
    docker: &'a Docker,
    container: &'a Container,
    names: Vec<String>,
    stderr: Option<StderrTail>,
}

type ContainerLines = StdioLines<DuplexStream, Pin<Box<dyn AsyncWrite + Send>>>;

impl Open for Probes<'_> {
    type Lines = ContainerLines;
    type Error = EngineError;

    async fn open(&mut self) -> Result<ContainerLines, EngineError> {
        let name = format!("{}-{}-{}", self.container.name, std::process::id(), self.names.len());
        self.docker.create_probe(self.container, &name).await?;
        self.names.push(name.clone());
        let attached = self.docker.attach(&name).await?;
        self.docker.start(&name).await?;
        self.stderr = Some(attached.stderr);
        Ok(StdioLines::new(attached.stdout, attached.stdin, MAX_LINE))
    }
}

impl Probes<'_> {
    /// The last one as it is, or, where it hung up, as it ended.
    async fn last(&self, hung_up: bool) -> Option<LiveContainer> {
        let name = self.names.last()?;
        if hung_up {
            self.docker.until_ended(name).await;
        }
        self.docker.container(name).await.ok().flatten()
    }

    async fn remove(self) -> Result<(), EngineError> {
        for name in &self.names {
            self.docker.remove_probe(name).await?;
        }
        Ok(())
    }
}

/// What is wrong, and what to do where that is not the check's own advice.
struct Fault {
    evidence: String,
    fix: Option<String>,
    /// The server closed its output.
    hung_up: bool,
}

impl Fault {
    fn of(error: &dyn std::error::Error) -> Self {
        let mut evidence = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            evidence = format!("{evidence}: {cause}");
            source = cause.source();
        }
        Self { evidence, fix: None, hung_up: false }
    }
}

/// What the server showed.
async fn talk(probes: &mut Probes<'_>, tool: StatusTool<'_>, patience: Patience) -> Result<String, Fault> {
    let connected = Client::connect(probes, patience).await;
    let mut client = connected.map_err(|error: ConnectError<EngineError>| {
        let hung_up = matches!(error, ConnectError::NoDialect(CallError::Closed));
        Fault { hung_up, ..Fault::of(&error) }
    })?;
    let server = client.server().map(|server| format!(", {server}")).unwrap_or_default();
    let spoken = format!("{}{server}", client.dialect());
    let shown = client.status(tool).await.map_err(|error| {
        let fix = match &error {
            StatusError::NoTool { listed, .. } => {
                Some(format!("set orchestrator.status_tool to one of: {}", listed.join(", ")))
            }
            _ => None,
        };
        let hung_up = matches!(error, StatusError::Call(CallError::Closed));
        Fault { fix, hung_up, ..Fault::of(&error) }
    })?;
    Ok(format!("{spoken}: {}", in_words(&shown, probes.container)))
}
