//! Waits until what was started answers, and says why where it does not.

use std::fmt;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::time::{Instant, interval};

use super::bridge::Reach;
use super::diagnose::{Diagnosis, diagnose};
use crate::diagnostic::{Diagnostic, Exit, Failure};
use crate::engine::Docker;
use crate::plan::{Container, Service, State};
use crate::wire::probe;

/// A service that does not come up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceFailure {
    /// The container's name.
    pub name: String,
    /// How it is.
    pub state: State,
    /// The last lines of its log.
    pub log: Vec<String>,
    /// The likely cause.
    pub diagnosis: Option<Diagnosis>,
    /// How long it was waited for.
    pub waited: Duration,
}

impl fmt::Display for ServiceFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let State { running, status, exit_code, restarts, .. } = &self.state;
        if self.state.is_paused() {
            write!(f, "{} does not answer", self.name)?;
        } else if *running && *restarts == 0 {
            write!(f, "{} runs and does not answer within {:.1?}", self.name, self.waited)?;
        } else {
            write!(f, "{} does not stay up: it is {status}, last exit code {exit_code}", self.name)?;
        }
        if let Some(Diagnosis { cause, .. }) = &self.diagnosis {
            write!(f, "; probably {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ServiceFailure {}

impl Diagnostic for ServiceFailure {
    fn exit(&self) -> Exit {
        Exit::Failed
    }

    fn hint(&self) -> Option<String> {
        let mut hint = String::new();
        if !self.log.is_empty() {
            hint = format!("its last lines:\n  {}\n", self.log.join("\n  "));
        }
        match &self.diagnosis {
            Some(Diagnosis { fix, .. }) => hint.push_str(fix),
            None => hint.push_str("see `mcpo-deploy logs`; after mending, `mcpo-deploy up` continues"),
        }
        Some(hint)
    }
}

/// How long a service may take to answer.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often the bridge is asked, which costs it nothing.
const TICK: Duration = Duration::from_millis(5);
/// How long between two looks at the container, which cost the engine something.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const LOG_LINES: usize = 20;
/// How long a service stays up that is more than a crash.
const SETTLED: Duration = Duration::from_millis(500);

/// Waits until `container` runs and, where it is the bridge, answers; then it is ready.
///
/// One that was started `just_now` and answers nobody has to stay up for a while: a program that dies
/// at once runs for a moment too.
pub async fn await_ready(
    docker: &Docker,
    container: &Container,
    reach: Reach,
    just_now: bool,
) -> Result<(), Failure> {
    let begun = Instant::now();
    // The engine counts restarts for as long as the container is there: what it did before does not
    // count against one that runs now.
    let mut restarts_before = just_now.then_some(0);
    let mut ticks = interval(TICK);
    let mut looked: Option<Instant> = None;
    loop {
        ticks.tick().await;
        let look = looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY);
        if look {
            looked = Some(Instant::now());
            let state = docker.container(&container.name).await?.map(|live| live.state).unwrap_or_default();
            let ended = !state.running && !matches!(state.status.as_str(), "created" | "restarting");
            let restarted = state.restarts > *restarts_before.get_or_insert(state.restarts);
            if ended || restarted || state.is_paused() || begun.elapsed() > PATIENCE {
                return Err(failure(docker, container, state, begun.elapsed()).await.into());
            }
            let settled = !just_now || begun.elapsed() >= SETTLED;
            if container.service != Service::Bridge && state.running && settled {
                return Ok(());
            }
        }
        if container.service == Service::Bridge && answers(docker, container, reach, look).await? {
            return Ok(());
        }
    }
}

/// Whether the bridge answers: over its published port, or, where that is another machine's, by its
/// own probe inside the container, which is asked less often.
async fn answers(docker: &Docker, container: &Container, reach: Reach, look: bool) -> Result<bool, Failure> {
    match reach {
        Reach::Published => {
            let Some(port) = container.ports.first() else { return Ok(true) };
            let address = probe::reachable((port.address, port.host).into());
            Ok(probe::alive(address, Duration::from_secs(2)).await.is_ok())
        }
        Reach::Exec if look => {
            Ok(docker.exec(&container.name, &["/mcp-bridge", "probe"]).await.is_ok_and(|out| out.code == 0))
        }
        Reach::Exec => Ok(false),
    }
}

async fn failure(docker: &Docker, container: &Container, state: State, waited: Duration) -> ServiceFailure {
    let name = &container.name;
    let log: Vec<String> = docker
        .logs(name, Some(LOG_LINES), false)
        .filter_map(|line| async { Some(container.redacted(line.ok()?.text.trim_end())) })
        .collect()
        .await;
    // Of one that runs, nothing follows from what it once complained of.
    let last_words = if state.running && state.restarts == 0 { &[] } else { &*log };
    let diagnosis = diagnose(&state, last_words, container.user);
    ServiceFailure { name: name.clone(), state, log, diagnosis, waited }
}
