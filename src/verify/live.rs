//! A whole verification of what runs.

use std::time::Duration;

use super::bridge::{Reach, bridge};
use super::catalog::place;
use super::confinement::confinement;
use super::log_owner::log_owner;
use super::report::{Check, Report};
use super::stdio::{StatusTool, stdio};
use crate::config::{Source, Stack};
use crate::engine::{Docker, EngineError};
use crate::mcp::Patience;
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

/// Does the real thing: speaks with a fresh container, with the bridge over each wire, and compares
/// what runs with what was promised.
pub async fn verify(
    docker: &Docker,
    stack: &Stack,
    desired: &Desired,
    reach: Reach,
) -> Result<Report, EngineError> {
    let tool = StatusTool {
        name: &stack.orchestrator.status_tool,
        required: stack.orchestrator.source == Source::Ours || stack.orchestrator.status_tool != OURS,
    };
    let call = stack.bridge.call_timeout.min(Duration::from_mins(1));
    let patience = Patience { call, ..Patience::default() };
    let seen = stdio(docker, &desired.stdio, tool, patience).await;

    let mut services: Vec<(&Container, Option<LiveContainer>)> = Vec::new();
    for container in &desired.containers {
        services.push((container, docker.container(&container.name).await?));
    }
    let mut checks = vec![seen.check];
    checks.extend(running(&services));
    for (container, live) in &services {
        let runs = live.as_ref().is_some_and(|live| live.state.running);
        if container.service == Service::Bridge && runs {
            checks.extend(bridge(docker, container, reach, seen.tool.as_deref(), call).await);
            checks.extend(log_owner(docker, container).await);
        }
    }
    let mut confined: Vec<(&Container, &crate::plan::Live)> =
        services.iter().filter_map(|(container, live)| Some((*container, &live.as_ref()?.live))).collect();
    confined.extend(seen.live.as_ref().map(|live| (&desired.stdio, live)));
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
