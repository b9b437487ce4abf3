//! A whole verification of what runs.

use std::time::Duration;

use super::bridge::{Reach, bridge};
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
            let runs = live.as_ref().is_some_and(|live| live.state.running);
            if container.service == Service::Bridge && runs {
                checks.extend(bridge(docker, container, reach, tool, call).await);
                checks.extend(log_owner(docker, container).await);
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

fn running(services: &[(&Container, Option<LiveContainer>)]) -> Option<Check> {
    const ID: &str = "running";
    if services.is_empty() {
        return None;
    }
    let state = |(container, live): &(&Container, Option<LiveContainer>)| match live {
        None => (false, format!("{} does not exist", container.name)),
        Some(live) => {
            let health = live.health.map(|health| format!(", {}", health.name())).unwrap_or_default();
            let well = live.state.running && live.health != Some(Health::Unhealthy);
            (well, format!("{} is {}{health}", container.name, live.state.status))
        }
    };
    let states: Vec<(bool, String)> = services.iter().map(state).collect();
    let words = states.iter().map(|(_, words)| words.as_str()).collect::<Vec<_>>().join(", ");
    Some(if states.iter().all(|(well, _)| *well) { Check::pass(ID, words) } else { Check::fail(ID, words) })
}
