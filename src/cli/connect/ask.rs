//! A talk with what one entry leads to: handshake and status call.

use std::error::Error;
use std::io::ErrorKind;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::timeout;

use super::check::Seen;
use crate::cli::session::Global;
use crate::clients::{Bearer, Client as Host, Launch, program};
use crate::config::{Source, Stack};
use crate::mcp::{Client, ConnectError, Lines, Patience, StatusError, StatusTool};
use crate::model::Secret;
use crate::plan::Redactor;
use crate::wire::child::Started;
use crate::wire::door::Door;
use crate::wire::open;
use crate::wire::url::Url;

/// Our own server's; another's need not have it.
const OURS: &str = "get_orchestrator_status";
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);
/// How long one client's server may take in all; interpreted servers take seconds to start.
const WHOLE: Duration = Duration::from_secs(90);
/// How long an engine may take to remove what is left.
const REMOVAL: Duration = Duration::from_secs(30);
/// How many of a server's last words are told.
const WORDS: usize = 3;

pub(super) async fn ask(global: &Global, stack: &Stack, host: &Host, launch: &Launch) -> Seen {
    let tool = StatusTool {
        name: &stack.orchestrator.status_tool,
        required: stack.orchestrator.source == Source::Ours || stack.orchestrator.status_tool != OURS,
    };
    match launch {
        Launch::Stdio { command, args, env } => {
            let pairs = || env.iter().map(|(key, value)| (key.as_str(), value.expose()));
            let container = Marked::of(command, args);
            let args = container.as_ref().map_or(args, |container| &container.args);
            let mut started = Started::new(command, args, pairs());
            let talk = async {
                match Client::connect(&mut || started.open(), Patience::default()).await {
                    Ok(client) => status(client, tool).await,
                    Err(ConnectError::Open(error)) => not_started(command, &error),
                    Err(error) => failed(&error),
                }
            };
            let seen = timeout(WHOLE, talk).await.unwrap_or_else(|_| silent());
            started.end().await;
            if let Some(container) = &container {
                let removed = timeout(REMOVAL, container.remove(command, pairs())).await;
                if !removed.is_ok_and(|removed| removed.is_ok()) {
                    let filter = &container.label;
                    global.reporter.warning(&format!("a container with the label {filter} may be left"));
                }
            }
            let own = stack.orchestrator.env_file.iter().flat_map(|file| file.variables.values());
            with_words(seen, &started.said(), &Redactor::hiding(env.values().chain(own)))
        }
        Launch::Url { url, bearer } => match door(global, host, bearer.as_ref()) {
            Ok(door) => timeout(WHOLE, over(url, &door, tool)).await.unwrap_or_else(|_| silent()),
            Err(seen) => seen,
        },
    }
}

/// A line of `docker run` whose container is found again: it may outlive the program that started it.
struct Marked {
    /// The line's, and a label.
    args: Vec<String>,
    /// Those before `run`, which say where the engine is.
    before: Vec<String>,
    label: String,
}

impl Marked {
    fn of(command: &str, args: &[String]) -> Option<Self> {
        let at = args.iter().position(|arg| arg == "run")?;
        let is_docker = matches!(program(command), "docker" | "podman");
        let label =
            format!("io.mcpo-deploy.check={}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let (before, after) = args.split_at(at + 1);
        let args = [before, &["--label".to_owned(), label.clone()], after].concat();
        is_docker.then(|| Self { args, before: before[..at].to_vec(), label })
    }

    /// Removes what it left.
    async fn remove<'e>(
        &self,
        command: &str,
        env: impl Iterator<Item = (&'e str, &'e str)> + Clone,
    ) -> std::io::Result<()> {
        let docker = async |args: &[&str]| {
            let mut docker = tokio::process::Command::new(command);
            docker
                .args(&self.before)
                .args(args)
                .envs(env.clone())
                .stdin(Stdio::null())
                .kill_on_drop(true)
                .output()
                .await
        };
        let listed = docker(&["ps", "-aq", "--filter", &format!("label={}", self.label)]).await?;
        let ids = String::from_utf8_lossy(&listed.stdout);
        let ids: Vec<&str> = ids.split_whitespace().collect();
        // One that is being removed is not there any more, which says the same.
        if !ids.is_empty() {
            docker(&[&["rm", "-f"][..], &ids].concat()).await?;
        }
        Ok(())
    }
}

/// Tells apart what one check starts.
static NUMBER: AtomicUsize = AtomicUsize::new(0);

async fn over(url: &str, door: &Door, tool: StatusTool<'_>) -> Seen {
    let url: Url = match url.parse() {
        Ok(url) => url,
        Err(error) => return failed(&error),
    };
    match open(&url, door, Patience::default()).await {
        Ok(client) => status(client, tool).await,
        Err(error) => failed(&error),
    }
}

/// What lets in, where it can be known.
fn door(global: &Global, host: &Host, bearer: Option<&Bearer>) -> Result<Door, Seen> {
    let token = match bearer {
        None => return Ok(Door::default()),
        Some(Bearer::Literal(token)) => token.clone(),
        Some(Bearer::Variable(name)) if !host.reads_environment() => {
            return Err(Seen::NotChecked(format!("the token {name} is only known to {}", host.title())));
        }
        Some(Bearer::Variable(name)) => match global.env.get(name) {
            Some(token) => Secret::new(token),
            None => return Err(Seen::NotChecked(format!("the variable {name} is not set here"))),
        },
    };
    let unusable = |why| Seen::Fails { why: format!("the token is not usable: {why}"), fix: None };
    Door::default().with_bearer(token.expose()).map_err(unusable)
}

async fn status<L: Lines>(mut client: Client<L>, tool: StatusTool<'_>) -> Seen {
    let shown = client.status(tool).await;
    let seen = match shown {
        Ok(_) => {
            Seen::Works { dialect: client.dialect().to_string(), server: client.server().map(str::to_owned) }
        }
        Err(StatusError::NoTool { tool, listed }) => Seen::Fails {
            why: format!("the server has no tool {tool}"),
            fix: Some(format!("set orchestrator.status_tool to one of: {}", listed.join(", "))),
        },
        Err(error) => failed(&error),
    };
    client.close(GOODBYE).await;
    seen
}

fn silent() -> Seen {
    Seen::Fails { why: format!("it was not done within {WHOLE:?}"), fix: None }
}

fn not_started(command: &str, error: &std::io::Error) -> Seen {
    let fix = (error.kind() == ErrorKind::NotFound)
        .then(|| format!("install {command}, or say where it is in the entry"));
    Seen::Fails { why: format!("cannot start {command}: {error}"), fix }
}

/// With its causes, each once.
fn failed(error: &dyn Error) -> Seen {
    let mut why = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !why.contains(&words) {
            why = format!("{why}: {words}");
        }
        source = cause.source();
    }
    Seen::Fails { why, fix: None }
}

/// With the last words of the program, where it failed.
fn with_words(seen: Seen, said: &[String], redactor: &Redactor) -> Seen {
    match seen {
        Seen::Fails { why, fix } if !said.is_empty() => {
            let mut last: Vec<String> = said.iter().map(|line| redactor.redacted(line.trim())).collect();
            // Whoever is started for each dialect says the same each time.
            last.dedup();
            let last = &last[last.len().saturating_sub(WORDS)..];
            Seen::Fails { why: format!("{}; it said: {}", redactor.redacted(&why), last.join(" | ")), fix }
        }
        seen => seen,
    }
}
