//! What the clients' files say, started as the clients would, and spoken with.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use super::args::ConnectArgs;
use super::error::ConnectError;
use super::list::{State, found};
use super::wanted::address;
use super::{ask, choose};
use crate::cli::session::Global;
use crate::clients::{Client, Found, Launch, is_ours, locate};
use crate::config::Stack;
use crate::diagnostic::{Exit, Failure};
use crate::report::plain_table;

/// What came of one client's entry.
pub(super) enum Seen {
    /// It works.
    Works { dialect: String, server: Option<String> },
    /// It does not.
    Fails { why: String, fix: Option<String> },
    /// What it takes is only known to the client.
    NotChecked(String),
}

impl Seen {
    fn word(&self) -> &'static str {
        match self {
            Self::Works { .. } => "pass",
            Self::Fails { .. } => "fail",
            Self::NotChecked(_) => "not-checked",
        }
    }
}

/// One client, and what came of it.
struct Row {
    client: &'static Client,
    file: Option<PathBuf>,
    ours: bool,
    seen: Seen,
    took: Duration,
}

pub(super) async fn check(
    global: &Global,
    args: &ConnectArgs,
    stack: &Stack,
    name: &str,
) -> Result<Exit, Failure> {
    let homes = choose::homes(&global.env)?;
    let own = address(global, args, stack)?;
    let named = choose::named(args)?;
    let is_named = !named.is_empty();
    let mut rows = Vec::new();
    for client in if is_named { named } else { choose::here(&homes) } {
        let file = locate(&client.paths(&homes, args.scope.into(), &stack.folder));
        let found = file.as_ref().map(|file| found(client, file, name));
        let (ours, seen, took) = match found {
            None | Some(Ok(None)) if !is_named => continue,
            None | Some(Ok(None)) => {
                let fix = Some(format!("`mcpo-deploy connect {}`", client.id()));
                (false, Seen::Fails { why: format!("there is no entry {name}"), fix }, Duration::ZERO)
            }
            Some(Err(State::Foreign)) => {
                let why = "the entry has neither a command nor a URL".to_owned();
                (false, Seen::Fails { why, fix: Some(by_force(client)) }, Duration::ZERO)
            }
            Some(Err(state)) => {
                let fix = Some("mend the file".to_owned());
                (false, Seen::Fails { why: state.in_words(), fix }, Duration::ZERO)
            }
            Some(Ok(Some(Found { launch, peculiarity: Some(why) }))) => {
                (is_ours(&launch, &own), Seen::NotChecked(why), Duration::ZERO)
            }
            Some(Ok(Some(Found { launch, peculiarity: None }))) => {
                global.reporter.note(&format!("{}: speaking with {}", client.title(), in_words(&launch)));
                let begun = Instant::now();
                let ours = is_ours(&launch, &own);
                let seen = ask::ask(global, stack, client, &launch).await;
                (ours, advised(seen, client, &launch, ours), begun.elapsed())
            }
        };
        rows.push(Row { client, file, ours, seen, took });
    }
    if rows.is_empty() {
        return Err(ConnectError::NothingToCheck(name.to_owned()).into());
    }
    Ok(tell(global, name, &rows))
}

fn by_force(client: &Client) -> String {
    format!("mend the entry, or replace it: `mcpo-deploy connect {} --force`", client.id())
}

/// With something to do, where the failure itself has nothing.
fn advised(seen: Seen, client: &Client, launch: &Launch, ours: bool) -> Seen {
    let Seen::Fails { why, fix: None } = seen else { return seen };
    let fix = match (ours, launch) {
        (true, Launch::Url { .. }) => "`mcpo-deploy up` starts the bridge".to_owned(),
        (true, Launch::Stdio { .. }) => format!("`mcpo-deploy connect {}` writes it anew", client.id()),
        (false, _) => by_force(client),
    };
    Seen::Fails { why, fix: Some(fix) }
}

fn in_words(launch: &Launch) -> String {
    match launch {
        Launch::Stdio { command, .. } => format!("what `{command}` starts"),
        // A query may be a secret.
        Launch::Url { url, .. } => url.split('?').next().unwrap_or_default().to_owned(),
    }
}

fn tell(global: &Global, name: &str, rows: &[Row]) -> Exit {
    let (mut lines, mut documents) = (Vec::new(), Vec::new());
    for Row { client, file, ours, seen, took } in rows {
        let (dialect, server, why, fix) = match seen {
            Seen::Works { dialect, server } => (Some(dialect), server.as_ref(), None, None),
            Seen::Fails { why, fix } => (None, None, Some(why), fix.as_ref()),
            Seen::NotChecked(why) => (None, None, Some(why), None),
        };
        let time = format!("{} ms", took.as_millis());
        let mut notes: Vec<String> = Vec::new();
        notes.extend((!ours && (dialect.is_some() || *took > Duration::ZERO)).then(|| "not ours".to_owned()));
        notes.extend(why.map(|why| match seen {
            Seen::NotChecked(_) => format!("not checked: {why}"),
            _ => why.clone(),
        }));
        notes.extend(fix.map(|fix| format!("fix: {fix}")));
        lines.push(vec![
            client.id().to_owned(),
            if matches!(seen, Seen::NotChecked(_)) { "-" } else { seen.word() }.to_owned(),
            dialect.cloned().unwrap_or_default(),
            server.cloned().unwrap_or_default(),
            if dialect.is_some() { time } else { String::new() },
            notes.join("; "),
        ]);
        documents.push(json!({
            "client": client.id(), "file": file, "ours": ours, "outcome": seen.word(), "dialect": dialect,
            "server": server, "milliseconds": dialect.map(|_| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)), "why": why, "fix": fix,
        }));
    }
    let head = ["CLIENT", "RESULT", "DIALECT", "SERVER", "TIME", "NOTES"];
    global.reporter.text(&plain_table(&head, &lines, global.reporter.style()));
    global.reporter.json(&json!({"name": name, "clients": documents}));
    let failed = rows.iter().any(|row| matches!(row.seen, Seen::Fails { .. }));
    if failed { Exit::Failed } else { Exit::Done }
}
