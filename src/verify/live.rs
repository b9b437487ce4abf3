//! A whole verification of what runs.

use std::time::Duration;

use super::bridge::{Reach, bridge, unasked};
use super::catalog::place;
use super::confinement::confinement;
use super::log_owner::log_owner;
use super::report::{Check, Report};
use super::stdio::{Seen, stdio};
use crate::config::{Source, Stack};
use crate::engine::{Docker, EngineError};
use crate::mcp::{Patience, StatusTool};
use crate::plan::{Container, Desired, Health, LiveContainer, Machine, Service, deviations};

/// The status tool that a server has unless somebody says otherwise.
const OURS: &str = "get_orchestrator_status";

impl Reach {
    /// From where this machine can reach published ports.
    #[must_use]
    pub fn of(machine: &Machine) -> Self {
        if machine.remote { Self::Exec } else { Self::Published }
    }
}

/// How far a verification goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// What runs, and a fresh container beside it.
    Whole,
    /// What runs alone: enough where nothing was changed, and ten times as fast.
    Running,
}

/// Does the real thing: speaks with a fresh container, with the bridge over each wire, and compares
/// what runs with what was promised.
pub async fn verify(
    docker: &Docker,
    stack: &Stack,
    desired: &Desired,
    reach: Reach,
    scope: Scope,
) -> Result<Report, EngineError> {
    let tool = StatusTool {
        name: &stack.orchestrator.status_tool,
        required: stack.orchestrator.source == Source::Ours || stack.orchestrator.status_tool != OURS,
    };
    let call = stack.bridge.call_timeout.min(Duration::from_mins(1));
    let fresh = async {
        if scope == Scope::Running {
            let check =
                Check::skip("stdio", "no fresh container was started; `mcpo-deploy verify` starts one");
            return Seen { check, live: None };
        }
        stdio(docker, &desired.stdio, tool, Patience { call, ..Patience::default() }).await
    };
    let services = async {
        let (mut services, mut checks) = (Vec::new(), Vec::new());
        for container in &desired.containers {
            let live = docker.container(&container.name).await?;
            if container.service == Service::Bridge {
                checks.extend(match in_the_way(container, live.as_ref()) {
                    None => bridge(docker, container, reach, tool, call).await,
                    Some(why) => unasked(&why),
                });
                checks.extend(log_owner(docker, container, live.is_some()).await);
            }
            services.push((container, live));
        }
        Ok::<_, EngineError>((services, checks))
    };
    // The fresh container is removed before an error of the other's ends both.
    let (fresh, services) = tokio::join!(fresh, services);
    let (services, mut checks) = services?;

    checks.push(fresh.check);
    checks.extend(running(&services));
    let mut confined: Vec<(&Container, &crate::plan::Live)> =
        services.iter().filter_map(|(container, live)| Some((*container, &live.as_ref()?.live))).collect();
    confined.extend(fresh.live.as_ref().map(|live| (&desired.stdio, live)));
    checks.extend(confinement(&confined));
    checks.sort_by_key(|check| place(check.id));
    Ok(Report { checks, deviations: deviations(stack) })
}

/// Why a container cannot answer, where it cannot.
fn in_the_way(container: &Container, live: Option<&LiveContainer>) -> Option<String> {
    let name = &container.name;
    match live {
        None => Some(format!("{name} does not exist")),
        Some(live) if !live.state.running || live.state.is_paused() => {
            Some(format!("{name} is {}", live.state.status))
        }
        Some(_) => None,
    }
}

fn running(services: &[(&Container, Option<LiveContainer>)]) -> Option<Check> {
    const ID: &str = "running";
    if services.is_empty() {
        return None;
    }
    let state = |(container, live): &(&Container, Option<LiveContainer>)| {
        let health = live.as_ref().and_then(|live| live.health);
        let in_the_way = in_the_way(container, live.as_ref());
        let well = in_the_way.is_none() && health != Some(Health::Unhealthy);
        let health = health.map(|health| format!(", {}", health.name())).unwrap_or_default();
        (well, in_the_way.unwrap_or_else(|| format!("{} is running", container.name)) + &health)
    };
    let states: Vec<(bool, String)> = services.iter().map(state).collect();
    let words = states.iter().map(|(_, words)| words.as_str()).collect::<Vec<_>>().join(", ");
    let is_paused = |live: &LiveContainer| live.state.is_paused();
    let paused = services.iter().find(|(_, live)| live.as_ref().is_some_and(is_paused));
    Some(match paused {
        _ if states.iter().all(|(well, _)| *well) => Check::pass(ID, words),
        Some((container, _)) => {
            Check::fail_with(ID, words, format!("let it go on with `docker unpause {}`", container.name))
        }
        None => Check::fail(ID, words),
    })
}
