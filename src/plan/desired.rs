//! What should run, as one typed description that every rendering starts from.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::container::{
    Container, EnvFileRef, Inherited, Mount, MountSource, Origins, Port, Restart, Service,
};
use super::limits::Limits;
use super::observed::{ImageFacts, LiveContainer, Machine, Observed, OwnedObject};
use super::op::{Network, Op, Plan, Volume};
use super::problem::{PlanError, PlanProblem};
use crate::config::{self, LogPlace, Seccomp, Stack};
use crate::model::{ImageRef, ProjectName, Secret, User, label};

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

/// The ports that the bridge listens on inside its container.
pub(crate) const WEBSOCKET: u16 = 8765;
pub(crate) const REST: u16 = 5000;

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
        containers.push(context.app(app));
    }
    let stdio = context.stdio();
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

/// What every container of one plan shares.
struct Context<'a> {
    stack: &'a Stack,
    images: Images<'a>,
    limits: Limits,
    user: User,
    private_cgroups: bool,
}

impl<'a> Context<'a> {
    fn new(stack: &'a Stack, machine: &Machine, images: Images<'a>, notes: &mut Vec<String>) -> Self {
        let limits = Limits::of(&stack.hardening, machine, notes);
        // The bridge's image carries the orchestrator's user as a number, so it is asked first.
        let of_image =
            [images.bridge, images.orchestrator].into_iter().flatten().find_map(ImageFacts::nonroot);
        let user = stack.hardening.user.or(of_image).unwrap_or(User::NONROOT);
        Self { stack, images, limits, user, private_cgroups: machine.private_cgroups }
    }

    fn network(&self) -> Option<Network> {
        if let config::Network::Existing(_) = self.stack.hardening.network {
            return None;
        }
        Some(Network { name: self.private(), key: PRIVATE.to_owned(), project: self.stack.project.clone() })
    }

    fn private(&self) -> String {
        format!("{}_{PRIVATE}", self.stack.project)
    }

    fn bridge(&self) -> Container {
        let bridge = &self.stack.bridge;
        let mut environment = self.server_environment();
        let settings = [
            ("MCP_BRIDGE_MAX_CONNECTIONS", bridge.max_connections.to_string()),
            ("MCP_BRIDGE_MAX_MESSAGE", bridge.max_message.to_string()),
            ("MCP_BRIDGE_CALL_TIMEOUT", format!("{}s", bridge.call_timeout.as_secs())),
            ("MCP_BRIDGE_ALLOW_ORIGIN", bridge.allowed_origins.join(",")),
            ("MCP_BRIDGE_ALLOW_HOST", self.bridge_hosts().join(",")),
            // Addresses beyond loopback are refused here, or were asked for by name.
            ("MCP_BRIDGE_PUBLICATION_CHECKED", "true".to_owned()),
        ];
        let mut origins = self.server_origins();
        for (key, value) in settings.into_iter().filter(|(_, value)| !value.is_empty()) {
            environment.insert(key.to_owned(), Secret::new(value));
            origins.settings.insert(key.to_owned());
        }
        if !self.stack.orchestrator.command.is_empty() {
            let mut argv = self.images.orchestrator.map(|image| image.entrypoint.clone()).unwrap_or_default();
            argv.extend(self.stack.orchestrator.command.iter().cloned());
            let json = serde_json::Value::from(argv).to_string();
            environment.insert("MCP_BRIDGE_COMMAND".to_owned(), Secret::new(json));
            origins.settings.insert("MCP_BRIDGE_COMMAND".to_owned());
        }
        let port = |host, container| Port { address: bridge.address, host, container };
        Container {
            image_id: self.images.bridge.map(|image| image.id.clone()),
            inherited: self.images.bridge.map(Inherited::of),
            environment,
            origins,
            mounts: self.log_mount(),
            ports: vec![port(bridge.websocket_port, WEBSOCKET), port(bridge.rest_port, REST)],
            network: match &self.stack.hardening.network {
                config::Network::Existing(name) => name.clone(),
                // Without a network of its own nobody could reach it.
                config::Network::Private | config::Network::None => self.private(),
            },
            ..self.container(Service::Bridge, bridge.image.clone())
        }
    }

    /// The bridge answers to its own name on the private network besides what the user allows.
    fn bridge_hosts(&self) -> Vec<String> {
        let own = Service::Bridge.name().to_owned();
        std::iter::once(own).chain(self.stack.bridge.allowed_hosts.iter().cloned()).collect()
    }

    fn stdio(&self) -> Container {
        let orchestrator = &self.stack.orchestrator;
        let image = self.images.orchestrator;
        let mut container = Container {
            image_id: image.map(|image| image.id.clone()),
            inherited: image.map(Inherited::of),
            command: orchestrator.command.clone(),
            environment: self.server_environment(),
            // Ours handles signals and has no children; of another program nobody knows.
            init: image.is_none_or(|image| !image.labels.contains_key(label::PROGRAM)),
            origins: self.server_origins(),
            mounts: self.log_mount(),
            restart: Restart::Never,
            interactive: true,
            ..self.container(Service::Orchestrator, orchestrator.image.clone())
        };
        container.name = format!("{}-{}-probe", self.stack.project, container.service.name());
        container.labels.insert(label::ROLE.to_owned(), label::ROLE_PROBE.to_owned());
        container.labels.insert(label::COMPOSE_ONEOFF.to_owned(), "True".to_owned());
        container
    }

    fn app(&self, app: &config::App) -> Container {
        let mut environment = app.environment.clone();
        let mut origins = Origins { passed: app.passed.clone(), ..self.origins() };
        if !environment.contains_key(URL) {
            let url = format!("ws://{}:{WEBSOCKET}", Service::Bridge.name());
            environment.insert(URL.to_owned(), Secret::new(url));
            origins.settings.insert(URL.to_owned());
        }
        let address = self.stack.bridge.address;
        let user = self.images.app.and_then(ImageFacts::nonroot);
        Container {
            image_id: self.images.app.map(|image| image.id.clone()),
            inherited: self.images.app.map(Inherited::of),
            command: app.command.clone(),
            environment,
            origins,
            user: self.stack.hardening.user.or(user).unwrap_or(User::NONROOT),
            init: true,
            ports: app.ports.iter().map(|(&host, &container)| Port { address, host, container }).collect(),
            ..self.container(Service::App, app.image.clone())
        }
    }

    /// What all containers have in common: the whole of the hardening.
    fn container(&self, service: Service, image: ImageRef) -> Container {
        let (hardening, limits) = (&self.stack.hardening, &self.limits);
        Container {
            service,
            name: format!("{}-{}-1", self.stack.project, service.name()),
            image,
            image_id: None,
            command: Vec::new(),
            environment: BTreeMap::new(),
            inherited: None,
            user: self.user,
            read_only: hardening.read_only,
            tmpfs: hardening.tmpfs.iter().map(|(path, options)| (path.clone(), confined(options))).collect(),
            cap_add: hardening.cap_add.clone(),
            no_new_privileges: hardening.no_new_privileges,
            seccomp: limits.seccomp.clone(),
            memory: limits.memory,
            no_swap: limits.no_swap,
            cpus: limits.cpus,
            pids: limits.pids,
            init: false,
            mounts: Vec::new(),
            network: match &hardening.network {
                config::Network::Private => self.private(),
                config::Network::None => "none".to_owned(),
                config::Network::Existing(name) => name.clone(),
            },
            ports: Vec::new(),
            private_cgroups: self.private_cgroups,
            restart: Restart::UnlessStopped,
            log_size: self.stack.logs.max_size,
            log_files: self.stack.logs.max_files,
            interactive: false,
            stop_grace: STOP_GRACE,
            labels: self.labels(service),
            origins: self.origins(),
        }
    }

    fn origins(&self) -> Origins {
        let seccomp = match &self.stack.hardening.seccomp {
            Seccomp::Profile { path, .. } => Some(path.clone()),
            Seccomp::Default | Seccomp::Unconfined => None,
        };
        Origins { seccomp, ..Origins::default() }
    }

    /// Where the values of [`Self::server_environment`] come from.
    fn server_origins(&self) -> Origins {
        let orchestrator = &self.stack.orchestrator;
        let file = orchestrator.env_file.as_ref();
        let in_file = file.iter().flat_map(|file| file.variables.keys());
        let set_by_user = |key: &String| {
            orchestrator.environment.contains_key(key)
                || file.is_some_and(|file| file.variables.contains_key(key))
        };
        Origins {
            env_file: file.map(|file| EnvFileRef { path: file.path.clone(), required: file.required }),
            from_file: in_file.filter(|key| !orchestrator.environment.contains_key(*key)).cloned().collect(),
            passed: orchestrator.passed.clone(),
            settings: self.server_settings().into_keys().filter(|key| !set_by_user(key)).collect(),
            ..self.origins()
        }
    }

    /// The stdio server's variables: the env file's, beaten by those that were set by name.
    fn server_environment(&self) -> BTreeMap<String, Secret> {
        let orchestrator = &self.stack.orchestrator;
        let mut environment = self.server_settings();
        let file = orchestrator.env_file.iter().flat_map(|file| &file.variables);
        environment
            .extend(file.chain(&orchestrator.environment).map(|(key, value)| (key.clone(), value.clone())));
        environment
    }

    /// What the stdio server is told by us.
    fn server_settings(&self) -> BTreeMap<String, Secret> {
        let logs = &self.stack.logs;
        let mut settings = BTreeMap::from([
            ("MCPO_LOG_DIR".to_owned(), Secret::new(&*logs.mount)),
            ("MCPO_LOG_MAX_SIZE".to_owned(), Secret::new(logs.max_size.to_string())),
            ("MCPO_LOG_MAX_FILES".to_owned(), Secret::new(logs.max_files.to_string())),
        ]);
        if let Some(age) = logs.max_age {
            settings.insert("MCPO_LOG_MAX_AGE".to_owned(), Secret::new(format!("{}s", age.as_secs())));
        }
        settings
    }

    fn log_mount(&self) -> Vec<Mount> {
        let source = match &self.stack.logs.place {
            LogPlace::Folder(folder) => MountSource::Folder(folder.clone()),
            // A volume belongs to the user who writes into it first, so each user has one.
            LogPlace::Volume(key) if self.user.uid == User::NONROOT.uid => {
                MountSource::Volume(format!("{}_{key}", self.stack.project))
            }
            LogPlace::Volume(key) => {
                MountSource::Volume(format!("{}_{key}-{}", self.stack.project, self.user.uid))
            }
        };
        vec![Mount { source, target: self.stack.logs.mount.clone() }]
    }

    fn labels(&self, service: Service) -> BTreeMap<String, String> {
        let stack = self.stack;
        let file = stack.file.clone().unwrap_or_else(|| stack.folder.join("mcpo.yaml"));
        [
            (label::PROJECT, stack.project.to_string()),
            (label::ROLE, label::ROLE_SERVICE.to_owned()),
            (label::COMPOSE_PROJECT, stack.project.to_string()),
            (label::COMPOSE_SERVICE, service.name().to_owned()),
            (label::COMPOSE_NUMBER, "1".to_owned()),
            (label::COMPOSE_ONEOFF, "False".to_owned()),
            (label::COMPOSE_CONFIG_FILES, file.display().to_string()),
            (label::COMPOSE_WORKING_DIR, stack.folder.display().to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }
}

const PRIVATE: &str = "mcp";
/// Where an application finds the bridge.
const URL: &str = "MCP_ORCHESTRATOR_URL";
/// The bridge ends its children within 5 s; this leaves it time to say goodbye.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// Mount options for an in-memory folder: whatever was asked, nothing on it runs or is a device.
fn confined(options: &str) -> String {
    let asked: Vec<&str> = options.split(',').filter(|option| !option.is_empty()).collect();
    let keeps = |name: &str, opposite: &str| !asked.contains(&name) && !asked.contains(&opposite);
    let added = [("rw", "ro"), ("noexec", "exec"), ("nosuid", "suid"), ("nodev", "dev")]
        .into_iter()
        .filter(|(name, opposite)| keeps(name, opposite))
        .map(|(name, _)| name);
    added.chain(asked.iter().copied()).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_in_memory_folder_runs_nothing_unless_asked_by_name() {
        assert_eq!(confined("size=64m"), "rw,noexec,nosuid,nodev,size=64m");
        assert_eq!(confined("exec,size=1m"), "rw,nosuid,nodev,exec,size=1m");
    }
}
