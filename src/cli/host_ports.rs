//! Ports of this machine that something other than a container holds.

use crate::engine::{free_port, holder_of};
use crate::plan::{Desired, Observed, PlanError, PlanProblem, Service, setting_of};

/// Adds to what stands in the way what only this machine knows: who holds a port, and which one is
/// free. On an engine of another machine's nothing can be said, and the engine will.
pub(super) fn check(
    planned: Result<crate::plan::Plan, PlanError>,
    desired: &Desired,
    observed: &Observed,
) -> Result<crate::plan::Plan, PlanError> {
    if observed.machine.remote {
        return planned;
    }
    let (plan, mut problems) = match planned {
        Ok(plan) => (Some(plan), Vec::new()),
        Err(error) => (None, error.problems),
    };
    for container in &desired.containers {
        for port in &container.ports {
            let known = problems.iter().any(|problem| matches!(problem, PlanProblem::PortTaken { port: taken, .. } if *taken == port.host));
            if known || is_ours(observed, container.service, port.host) {
                continue;
            }
            if let Some(holder) = holder_of(port.address, port.host) {
                let setting = setting_of(container, port.container);
                problems.push(PlanProblem::PortTaken {
                    port: port.host,
                    setting,
                    container: port.container,
                    holder,
                    free: None,
                });
            }
        }
    }
    let mut given: Vec<u16> = Vec::new();
    let ports = desired.containers.iter().flat_map(|container| &container.ports);
    let wanted: Vec<(std::net::IpAddr, u16)> = ports.map(|port| (port.address, port.host)).collect();
    for problem in &mut problems {
        if let PlanProblem::PortTaken { port, free, .. } = problem
            && let Some((address, _)) = wanted.iter().find(|(_, wanted)| wanted == port)
        {
            let mut candidate = free_port(*address, *port);
            while candidate
                .is_some_and(|port| given.contains(&port) || wanted.iter().any(|(_, other)| *other == port))
            {
                candidate = candidate.and_then(|port| free_port(*address, port));
            }
            given.extend(candidate);
            *free = candidate;
        }
    }
    PlanError::check(problems)?;
    Ok(plan.unwrap_or_default())
}

/// Whether the port is held by the container that this plan is about.
fn is_ours(observed: &Observed, service: Service, port: u16) -> bool {
    observed.containers.iter().any(|container| {
        container.service() == Some(service.name())
            && container.state.running
            && container.live.ports.iter().any(|(_, host, _)| *host == port)
    })
}
