//! What should run, as one typed description that every rendering starts from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::container::{Container, MountSource, Service};
use super::containers::Context;
use super::observed::{ImageFacts, LiveContainer, Machine, Observed, OwnedObject};
use super::op::{Network, Op, Plan, Volume};
use super::problem::{PlanError, PlanProblem};
use super::spawn;
use crate::config::{self, LogPlace, Seccomp, Stack};
use crate::model::{ProjectName, secret_argument};

/// Which part of a deployment a verb is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// The bridge; the orchestrator's image is built and spawned on demand.
    Bridge,
    /// The bridge and the user's application.
    FullStack,
    /// The images alone.
    BuildOnly,
}

impl Profile {
    /// Every profile by its name on the command line.
    pub const ALL: [(&'static str, Self); 3] =
        [("bridge", Self::Bridge), ("full-stack", Self::FullStack), ("build-only", Self::BuildOnly)];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, profile)| *profile == self).map_or("", |(name, _)| name)
    }
}

/// Everything that should be.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// Whose it is.
    pub project: ProjectName,
    /// The private network; `None` where the containers join one that exists.
    pub network: Option<Network>,
    /// The named volumes.
    pub volumes: Vec<Volume>,
    /// The containers that keep running, in the order in which they start.
    pub containers: Vec<Container>,
    /// The stdio server as one verification or one client runs it.
    pub stdio: Container,
    /// The images that are built from contexts of the user's.
    pub builds: BTreeMap<Service, BuildContext>,
    /// What was adjusted to the machine, to be said.
    pub notes: Vec<String>,
}

impl Desired {
    /// The same with each container called what it is called: a service is known by its label, and
    /// Compose 1.29 joins names otherwise. What `plan` makes anew is called as planned.
    #[must_use]
    pub fn named_as_found(mut self, observed: &Observed, plan: &Plan) -> Self {
        let is_new = |service: Service| {
            plan.steps.iter().any(|step| matches!(&step.op, Op::Create(new) if new.service == service))
        };
        for container in &mut self.containers {
            let service = container.service;
            let of_service =
                |live: &&LiveContainer| live.is_service() && live.service() == Some(service.name());
            if let Some(live) = observed.containers.iter().find(of_service).filter(|_| !is_new(service)) {
                container.name.clone_from(&live.name);
            }
        }
        self
    }

    /// What the containers stand on and is not there: networks and volumes, by kind and name. An
    /// engine would make a volume that is missing by itself, as nobody's.
    #[must_use]
    pub fn missing(&self, observed: &Observed) -> Vec<String> {
        let among = |name: &str, objects: &[OwnedObject]| objects.iter().any(|object| object.name == name);
        let network = self.network.iter().filter(|network| !among(&network.name, &observed.networks));
        let volumes = self.volumes.iter().filter(|volume| !among(&volume.name, &observed.volumes));
        let network = network.map(|network| format!("network {}", network.name));
        network.chain(volumes.map(|volume| format!("volume {}", volume.name))).collect()
    }
}

/// The containers that a description names, as far as it says without an engine, and whatever stands in
/// the way of a plan: for what they are given, not for what they are.
#[must_use]
pub fn described(stack: &Stack) -> Vec<Container> {
    let context = Context::new(stack, &Machine::any(), Images::default(), &mut Vec::new());
    std::iter::once(context.bridge()).chain(stack.app.as_ref().map(|app| context.app(app))).collect()
}

/// A context that an image is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildContext {
    /// The folder. Absolute.
    pub context: PathBuf,
    /// The Dockerfile, relative to it.
    pub dockerfile: String,
}

/// What of the images the plan depends on; `None` where an image is not there yet.
#[derive(Debug, Clone, Copy, Default)]
pub struct Images<'a> {
    /// The orchestrator's.
    pub orchestrator: Option<&'a ImageFacts>,
    /// The bridge's.
    pub bridge: Option<&'a ImageFacts>,
    /// The application's.
    pub app: Option<&'a ImageFacts>,
}

/// Decides what should be. Everything that stands in the way is reported at once.
pub fn desired(
    stack: &Stack,
    profile: Profile,
    machine: &Machine,
    images: Images<'_>,
) -> Result<Desired, PlanError> {
    let mut problems = refusals(stack, machine);
    if profile == Profile::FullStack && stack.app.is_none() {
        problems.push(PlanProblem::NoApp);
    }
    PlanError::check(problems)?;

    let mut notes = Vec::new();
    let context = Context::new(stack, machine, images, &mut notes);
    if stack.hardening.network == config::Network::None && profile != Profile::BuildOnly {
        notes.push(super::deviation::BRIDGE_KEEPS_A_NETWORK.to_owned());
    }
    let mut containers = Vec::new();
    if profile != Profile::BuildOnly {
        containers.push(context.bridge());
    }
    if let (Profile::FullStack, Some(app)) = (profile, &stack.app) {
        if app.spawns {
            notes.extend(spawn::notes(&context.stdio(), &stack.orchestrator.required_keys));
        }
        containers.push(context.app(app));
    }
    let stdio = context.stdio();
    notes.extend(containers.iter().chain([&stdio]).filter_map(told_secret));
    let builds = builds(stack, profile);
    if profile == Profile::BuildOnly {
        let project = stack.project.clone();
        return Ok(Desired { project, network: None, volumes: Vec::new(), containers, stdio, builds, notes });
    }
    let mut volumes: Vec<Volume> = Vec::new();
    for mount in containers.iter().chain([&stdio]).flat_map(|container| &container.mounts) {
        if let MountSource::Volume(name) = &mount.source
            && volumes.iter().all(|volume| volume.name != *name)
        {
            let key = name.strip_prefix(&format!("{}_", stack.project)).unwrap_or(name).to_owned();
            volumes.push(Volume { name: name.clone(), key, project: stack.project.clone() });
        }
    }
    let network = context.network();
    Ok(Desired { project: stack.project.clone(), network, volumes, containers, stdio, builds, notes })
}

/// What is to be said of a command with a secret in it.
fn told_secret(container: &Container) -> Option<String> {
    let word = secret_argument(&container.command)?;
    let name = container.service.name();
    Some(format!(
        "word {word} of {name}'s command may be a secret: everybody who may ask the engine sees it, and rendered files have it; variables of the env file are for secrets"
    ))
}

fn builds(stack: &Stack, profile: Profile) -> BTreeMap<Service, BuildContext> {
    let app = stack.app.as_ref().filter(|_| profile == Profile::FullStack);
    let sources = [
        (Service::Orchestrator, Some(&stack.orchestrator.source)),
        (Service::App, app.map(|app| &app.source)),
    ];
    let of_context = |(service, source): (Service, Option<&config::Source>)| match source? {
        config::Source::Context { context, dockerfile } => {
            Some((service, BuildContext { context: context.clone(), dockerfile: dockerfile.clone() }))
        }
        config::Source::Ours | config::Source::Image => None,
    };
    sources.into_iter().filter_map(of_context).collect()
}

/// What is refused whatever the images are.
fn refusals(stack: &Stack, machine: &Machine) -> Vec<PlanProblem> {
    let mut problems = Vec::new();
    for protection in &machine.unenforced {
        if !stack.hardening.accept_unenforced.contains(protection) && asked_for(&stack.hardening, *protection)
        {
            problems.push(PlanProblem::Unenforced(*protection));
        }
    }
    if !stack.bridge.address.is_loopback() && !stack.bridge.insecure {
        problems.push(PlanProblem::OpenToTheNetwork(stack.bridge.address));
    }
    if let (LogPlace::Folder(folder), true) = (&stack.logs.place, machine.remote) {
        problems.push(PlanProblem::FolderOnRemote(folder.clone()));
    }
    problems
}

/// Whether a description asks for a protection.
pub(super) fn asked_for(hardening: &config::Hardening, protection: config::Protection) -> bool {
    use config::Protection::{Cpus, Memory, Pids, Seccomp as Filter, Swap};
    match protection {
        Memory | Swap => hardening.memory.is_some(),
        Cpus => hardening.cpus.is_some(),
        Pids => hardening.pids.is_some(),
        Filter => hardening.seccomp != Seccomp::Unconfined,
    }
}
