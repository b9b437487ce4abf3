//! `/readyz`: whether the server works, seen by a call to one of the pool's. However many ask, there is
//! one call at a time, and what it showed holds for some seconds.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum_core::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::abilities::Abilities;
use super::crash_loop::Failure;
use super::greeting::Era;
use super::pool::{Lease, PoolError};
use super::problem::Problem;
use super::serve::Bridge;
use super::tool::{self, ToolError};
use crate::mcp::Members;

/// For how long what was seen holds.
const FRESH: Duration = Duration::from_secs(5);
/// For how long it does where the server does not work: it may any moment.
const FRESH_IF_NOT: Duration = Duration::from_secs(1);
/// How long one who asks waits for a look that is under way.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a look may take: a server that starts slowly and knows neither greeting takes long.
const LOOK: Duration = Duration::from_secs(45);
/// How long a look waits for a server while all are busy.
const QUEUE: Duration = Duration::from_secs(2);
/// A server of the bare dialect that was asked nothing is alive if it lives so long.
const ALIVE: Duration = Duration::from_millis(250);

/// What a look showed.
#[derive(Debug)]
struct Seen {
    at: Instant,
    works: Result<Value, Failure>,
}

#[derive(Debug, Default)]
struct Known {
    last: Option<Arc<Seen>>,
    /// While a look is under way, what it will show.
    looking: Option<watch::Receiver<Option<Arc<Seen>>>>,
}

/// What is known of whether the server works.
#[derive(Debug, Default)]
pub(crate) struct Readiness(Mutex<Known>);

impl Readiness {
    fn state(&self) -> MutexGuard<'_, Known> {
        // It is valid after every statement: a panic elsewhere does not spoil it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 200, or 503 with the reason; who is not let in elsewhere is told neither the reason nor what runs.
pub(crate) async fn readyz(bridge: &Arc<Bridge>, let_in: bool) -> Response {
    let seen = if let Err(held_back) = bridge.children.crashes.look() {
        // Nobody could look just now.
        Arc::new(Seen { at: Instant::now(), works: Err((*held_back.failure).clone()) })
    } else {
        let mut look = match fresh_or_looking(bridge, false) {
            Ok(seen) => return answer(&seen, let_in),
            Err(look) => look,
        };
        let seen = timeout(PATIENCE, look.wait_for(Option::is_some)).await;
        match seen {
            Ok(Ok(seen)) => seen.clone(),
            // The bridge is stopping, or the server is slow to start.
            Ok(Err(_)) | Err(_) => None,
        }
        .unwrap_or_else(|| {
            let what = format!("the server has not answered for {PATIENCE:?}");
            Arc::new(Seen { at: Instant::now(), works: Err(Failure { what, stderr: Vec::new() }) })
        })
    };
    answer(&seen, let_in)
}

/// There is reason to think that the server does not work at all: a look shows it. Whether it does is
/// not decided by what a client brought about.
pub(crate) fn suspect(bridge: &Arc<Bridge>) {
    let _ = fresh_or_looking(bridge, true);
}

/// What is known, or where it will be known. Starts a look if there is none under way; `doubted` is what
/// is known of a server that worked.
fn fresh_or_looking(
    bridge: &Arc<Bridge>,
    doubted: bool,
) -> Result<Arc<Seen>, watch::Receiver<Option<Arc<Seen>>>> {
    let mut known = bridge.readiness.state();
    if let Some(seen) = &known.last {
        let holds = if seen.works.is_ok() { FRESH } else { FRESH_IF_NOT };
        if seen.at.elapsed() < holds && !(doubted && seen.works.is_ok()) {
            return Ok(Arc::clone(seen));
        }
    }
    if let Some(looking) = &known.looking {
        return Err(looking.clone());
    }
    let (tell, looking) = watch::channel(None);
    known.looking = Some(looking.clone());
    drop(known);
    let bridge = Arc::clone(bridge);
    // In a task of its own: it goes on when whoever asked has left.
    tokio::spawn(async move {
        let works = tokio::select! {
            works = timeout(LOOK, look(&bridge)) => works.unwrap_or_else(|_| {
                Err(Failure { what: format!("no answer within {LOOK:?}"), stderr: Vec::new() })
            }),
            () = bridge.stopped() => return,
        };
        let seen = Arc::new(Seen { at: Instant::now(), works });
        let mut known = bridge.readiness.state();
        known.last = Some(Arc::clone(&seen));
        known.looking = None;
        // Whoever asked may have left.
        let _ = tell.send(Some(seen));
    });
    Err(looking)
}

/// One call, and what it showed of the server.
async fn look(bridge: &Bridge) -> Result<Value, Failure> {
    let lease = match bridge.pool.lease(&Abilities::default(), QUEUE).await {
        Ok(lease) => lease,
        Err(PoolError::HeldBack(held_back)) => return Err((*held_back.failure).clone()),
        Err(error) => {
            // What the pool has just recorded says more.
            let recorded = bridge.children.crashes.last().filter(|_| !matches!(error, PoolError::Full(_)));
            let bare = || Failure { what: error.to_string(), stderr: Vec::new() };
            return Err(recorded.map_or_else(bare, |failure| (*failure).clone()));
        }
    };
    let failed = |what: String| Failure { what, stderr: Vec::new() };
    let answered = match &bridge.settings.status_tool {
        Some(name) => match tool::call(&lease, None, name, "{}").await {
            Ok(answer) if answer.is_error => {
                return Err(failed(format!("{name} says that it failed: {}", answer.text)));
            }
            Ok(_) => Ok(()),
            Err(ToolError::Link(end)) => Err(end.to_string()),
            Err(error) => return Err(failed(format!("{name}: {error}"))),
        },
        None if *lease.era() == Era::Bare => match timeout(ALIVE, lease.link().over()).await {
            Ok(()) => Err("the server ended before it was asked anything".to_owned()),
            Err(_) => Ok(()),
        },
        None => match tool::ask_for_text(&lease, "tools/list", json!({})).await {
            // A refusal is an answer too: it may have no tools.
            Ok(_) | Err(ToolError::Refused { .. }) => Ok(()),
            Err(ToolError::Link(end)) => Err(end.to_string()),
        },
    };
    match answered {
        Ok(()) => {
            bridge.children.crashes.worked();
            Ok(described(&lease))
        }
        Err(why) => {
            lease.link().over().await;
            bridge.children.was_useless(&why, &lease.link().ending());
            let recorded = bridge.children.crashes.last();
            Err(recorded.map_or_else(|| failed(why), |failure| (*failure).clone()))
        }
    }
}

/// What is known of the server, for whoever is let in.
fn described(lease: &Lease) -> Value {
    let info = |text: &str| {
        let info = Members::read(text)?;
        let of_meta = || {
            let meta = Members::read(info.get("_meta")?)?;
            meta.value::<Value>("io.modelcontextprotocol/serverInfo")
        };
        info.value::<Value>("serverInfo").or_else(of_meta)
    };
    match lease.era() {
        Era::Modern { version, discovered } => {
            json!({"era": "modern", "version": version, "server": info(discovered)})
        }
        Era::Legacy { version, initialized } => {
            json!({"era": "legacy", "version": version, "server": info(initialized)})
        }
        Era::Bare => json!({"era": "bare", "version": null, "server": null}),
    }
}

fn answer(seen: &Seen, let_in: bool) -> Response {
    let age = u64::try_from(seen.at.elapsed().as_millis()).unwrap_or(u64::MAX);
    match &seen.works {
        Ok(described) => {
            let mut body = Map::from_iter([
                ("status".to_owned(), json!("ready")),
                ("checked_ms_ago".to_owned(), json!(age)),
            ]);
            if let Some(described) = described.as_object().filter(|_| let_in) {
                body.extend(described.clone());
            }
            let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
            (headers, Value::Object(body).to_string()).into_response()
        }
        Err(failure) => {
            let problem =
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the server behind this bridge does not work")
                    .with("checked_ms_ago", json!(age))
                    .retry_after(FRESH_IF_NOT.as_secs());
            if let_in {
                let told = problem.with("reason", json!(failure.what));
                return told.with("stderr", json!(failure.stderr)).into_response();
            }
            let hint = "show a token, or a certificate, to be told the reason; it is in the bridge's log too";
            problem.hint(hint).into_response()
        }
    }
}
