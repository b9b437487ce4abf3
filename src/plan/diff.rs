//! The steps from what is to what should be.

use std::collections::BTreeSet;

use super::compare::compare;
use super::container::{Container, Service};
use super::desired::Desired;
use super::hash::config_hash;
use super::observed::{ImageFacts, LiveContainer, Observed, OwnedObject};
use super::op::{Op, Plan, Step};
use super::problem::{PlanError, PlanProblem};
use crate::config::{self, Stack};
use crate::model::{ProjectName, label};

/// Everything that is to be done so that `desired` holds. What is right already is left alone;
/// what is not the project's is never touched.
pub fn steps(desired: &Desired, stack: &Stack, observed: &Observed) -> Result<Plan, PlanError> {
    let project = &desired.project;
    let hardening = &stack.hardening;
    let mut problems = Vec::new();
    let bridge = &stack.bridge.image;
    // Compose and `docker build` make it from our Dockerfile too.
    let is_ours = |image: &ImageFacts| {
        [label::INPUT_DIGEST, label::PROGRAM].iter().any(|label| image.labels.contains_key(*label))
    };
    if observed.images.get(bridge).is_some_and(|image| !is_ours(image)) {
        problems.push(PlanProblem::ImageTaken(bridge.clone()));
    }
    let mut steps = Vec::new();
    if let config::Network::Existing(name) = &hardening.network
        && !observed.networks.iter().any(|existing| existing.name == *name)
    {
        problems.push(PlanProblem::NoSuchNetwork(name.clone()));
    }
    if let Some(network) = &desired.network
        && needs("network", &network.name, project, &observed.networks, &mut problems)
    {
        steps.push(Step::new(Op::CreateNetwork(network.clone()), NOT_THERE));
    }
    for volume in &desired.volumes {
        if needs("volume", &volume.name, project, &observed.volumes, &mut problems) {
            steps.push(Step::new(Op::CreateVolume(volume.clone()), NOT_THERE));
        }
    }
    // Ports that cannot be offered instead of one that is taken.
    let mut unusable: BTreeSet<u16> = observed.held_ports.iter().map(|held| held.port).collect();
    unusable.extend(desired.containers.iter().flat_map(|container| &container.ports).map(|port| port.host));
    let mut kept: BTreeSet<&str> = BTreeSet::new();
    for container in &desired.containers {
        if let Some(project) = observed.foreign_names.get(&container.name) {
            problems.push(PlanProblem::NameTaken {
                kind: "container",
                name: container.name.clone(),
                project: project.clone(),
            });
        }
        problems.extend(taken_ports(container, &mut unusable, observed));
        kept.insert(container.service.name());
        let first = needed_first(container, desired);
        container_steps(container, first, observed, &mut steps);
    }
    PlanError::check(problems)?;
    let mut notes = desired.notes.clone();
    let left = observed.containers.iter().filter(|live| live.is_service());
    for other in left.filter(|live| live.service().is_some_and(|service| !kept.contains(service))) {
        notes.push(format!("{} belongs to this project too and was left as it is", other.name));
    }
    Ok(Plan { steps, notes, accept_unenforced: hardening.accept_unenforced.clone() })
}

/// Everything that is to be done so that nothing of the project is left; volumes, and the data in
/// them, only where asked.
#[must_use]
pub fn removal(project: &ProjectName, observed: &Observed, volumes: bool) -> Plan {
    let mut steps = Vec::new();
    for live in &observed.containers {
        steps.extend(removal_of(live, "down was asked for"));
    }
    let mine = |object: &&OwnedObject| object.project.as_deref() == Some(project.as_str());
    for network in observed.networks.iter().filter(mine) {
        steps.push(Step::new(Op::RemoveNetwork(network.name.clone()), "down was asked for"));
    }
    let (gone, kept): (Vec<_>, Vec<_>) = observed.volumes.iter().filter(mine).partition(|_| volumes);
    for volume in gone {
        steps.push(Step::new(Op::RemoveVolume(volume.name.clone()), "--volumes was asked for"));
    }
    let notes = kept.iter().map(|volume| format!("kept volume {} and what is in it", volume.name)).collect();
    Plan { steps, notes, ..Plan::default() }
}

const NOT_THERE: &str = "it does not exist";

/// Whether an object has to be created; one that exists and is somebody else's is a problem.
fn needs(
    kind: &'static str,
    name: &str,
    project: &ProjectName,
    existing: &[OwnedObject],
    problems: &mut Vec<PlanProblem>,
) -> bool {
    let Some(found) = existing.iter().find(|object| object.name == name) else { return true };
    if found.project.as_deref() != Some(project.as_str()) {
        let (name, project) = (name.to_owned(), found.project.clone());
        problems.push(PlanProblem::NameTaken { kind, name, project });
    }
    false
}

fn taken_ports(container: &Container, unusable: &mut BTreeSet<u16>, observed: &Observed) -> Vec<PlanProblem> {
    let mut problems = Vec::new();
    for port in &container.ports {
        let clash = observed.held_ports.iter().find(|held| {
            held.port == port.host
                && (held.address == port.address
                    || held.address.is_unspecified()
                    || port.address.is_unspecified())
        });
        let Some(held) = clash else { continue };
        let holder = match &held.project {
            Some(project) => format!("container {} of project {project}", held.container),
            None => format!("container {}", held.container),
        };
        let setting = setting_of(container, port.container);
        let free = (port.host.saturating_add(1)..=u16::MAX).find(|candidate| !unusable.contains(candidate));
        unusable.extend(free);
        problems.push(PlanProblem::PortTaken {
            port: port.host,
            setting,
            container: port.container,
            holder,
            free,
        });
    }
    problems
}

/// The setting that a published port comes from.
#[must_use]
pub fn setting_of(container: &Container, port: u16) -> &'static str {
    use crate::config::{REST, WEBSOCKET};
    match (container.service, port) {
        (Service::Bridge, WEBSOCKET) => "bridge.websocket_port",
        (Service::Bridge, REST) => "bridge.rest_port",
        _ => "app.ports",
    }
}

/// What has to answer before `container` is started: an application may ask the bridge at once.
fn needed_first<'a>(container: &Container, desired: &'a Desired) -> Option<&'a str> {
    let needs = |other: &&Container| container.service == Service::App && other.service == Service::Bridge;
    desired.containers.iter().find(needs).map(|bridge| bridge.name.as_str())
}

fn container_steps(container: &Container, first: Option<&str>, observed: &Observed, steps: &mut Vec<Step>) {
    let of_service =
        |live: &&LiveContainer| live.is_service() && live.service() == Some(container.service.name());
    let start = |steps: &mut Vec<Step>, name: &str, cause: String| {
        let wait = |first: &str| Step::new(Op::AwaitReady(first.to_owned()), format!("{name} may need it"));
        steps.extend(first.map(wait));
        steps.push(Step::new(Op::Start(name.to_owned()), cause));
    };
    let create = |steps: &mut Vec<Step>, cause: &str| {
        steps.push(Step::new(Op::Create(Box::new(container.clone())), cause));
        start(steps, &container.name, "it was created".to_owned());
    };
    let Some(live) = observed.containers.iter().find(of_service) else {
        return create(steps, NOT_THERE);
    };
    if let Some(cause) = change(container, live) {
        steps.extend(removal_of(live, &cause));
        return create(steps, &cause);
    }
    if !live.state.running {
        start(steps, &live.name, format!("it is {}", live.state.status));
    }
}

/// Why a container has to be replaced, if it has to. What it shows decides, whoever started it: a
/// label with our hash can be copied. The hash decides besides, for what it does not show.
fn change(container: &Container, live: &LiveContainer) -> Option<String> {
    let hash = live.labels.get(label::CONFIG_HASH);
    let same = hash.is_some_and(|hash| hash == config_hash(container).as_str());
    let differing: Vec<String> = compare(container, &live.live)
        .into_iter()
        .filter(|field| field.differs)
        .map(|field| format!("{} is {} and should be {}", field.id, field.found, field.promised))
        .collect();
    if !differing.is_empty() {
        return Some(differing.join("; "));
    }
    (hash.is_some() && !same).then(|| "its configuration has changed".to_owned())
}

fn removal_of(live: &LiveContainer, cause: &str) -> Vec<Step> {
    let stop = live.state.running.then(|| Step::new(Op::Stop(live.name.clone()), cause));
    stop.into_iter().chain([Step::new(Op::Remove(live.name.clone()), cause)]).collect()
}
