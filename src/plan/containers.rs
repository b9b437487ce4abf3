//! Each container as a description wants it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::container::{
    Container, EnvFileRef, Inherited, Mount, MountSource, Origins, Port, Restart, Service,
};
use super::desired::Images;
use super::limits::Limits;
use super::observed::{ImageFacts, Machine};
use super::op::Network;
use super::spawn::{self, spawn_line};
use crate::config::{self, LogPlace, REST, Seccomp, Stack, WEBSOCKET};
use crate::model::{ImageRef, Secret, User, label};

const PRIVATE: &str = "mcp";
/// Where an application finds the bridge.
const URL: &str = "MCP_ORCHESTRATOR_URL";
/// The bridge ends its children within 5 s; this leaves it time to say goodbye.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// What every container of one plan shares.
pub(super) struct Context<'a> {
    stack: &'a Stack,
    images: Images<'a>,
    limits: Limits,
    user: User,
    private_cgroups: bool,
}

impl<'a> Context<'a> {
    pub(super) fn new(
        stack: &'a Stack,
        machine: &Machine,
        images: Images<'a>,
        notes: &mut Vec<String>,
    ) -> Self {
        let limits = Limits::of(&stack.hardening, machine, notes);
        // The bridge's image carries the orchestrator's user as a number, so it is asked first.
        let of_image =
            [images.bridge, images.orchestrator].into_iter().flatten().find_map(ImageFacts::nonroot);
        let user = stack.hardening.user.or(of_image).unwrap_or(User::NONROOT);
        Self { stack, images, limits, user, private_cgroups: machine.private_cgroups }
    }

    pub(super) fn network(&self) -> Option<Network> {
        if let config::Network::Existing(_) = self.stack.hardening.network {
            return None;
        }
        Some(Network { name: self.private(), key: PRIVATE.to_owned(), project: self.stack.project.clone() })
    }

    fn private(&self) -> String {
        format!("{}_{PRIVATE}", self.stack.project)
    }

    pub(super) fn bridge(&self) -> Container {
        let bridge = &self.stack.bridge;
        let mut environment = self.server_environment();
        let settings = [
            ("MCP_BRIDGE_MAX_CONNECTIONS", bridge.max_connections.to_string()),
            ("MCP_BRIDGE_MAX_CHILDREN", bridge.max_children.map(|max| max.to_string()).unwrap_or_default()),
            ("MCP_BRIDGE_MAX_MESSAGE", bridge.max_message.to_string()),
            ("MCP_BRIDGE_CALL_TIMEOUT", format!("{}s", bridge.call_timeout.as_secs())),
            ("MCP_BRIDGE_ALLOW_ORIGIN", bridge.allowed_origins.join(",")),
            ("MCP_BRIDGE_ALLOW_HOST", self.bridge_hosts().join(",")),
            // Addresses beyond loopback are refused here, or were asked for by name.
            ("MCP_BRIDGE_PUBLICATION_CHECKED", "true".to_owned()),
        ];
        let mut origins = self.server_origins();
        let command = (!self.stack.orchestrator.command.is_empty()).then(|| {
            let mut argv = self.images.orchestrator.map(|image| image.entrypoint.clone()).unwrap_or_default();
            argv.extend(self.stack.orchestrator.command.iter().cloned());
            ("MCP_BRIDGE_COMMAND", serde_json::Value::from(argv).to_string())
        });
        for (key, value) in settings.into_iter().filter(|(_, value)| !value.is_empty()).chain(command) {
            environment.insert(key.to_owned(), Secret::new(value));
            origins.from_file.remove(key);
            origins.passed.remove(key);
            origins.settings.insert(key.to_owned());
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

    pub(super) fn stdio(&self) -> Container {
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

    pub(super) fn app(&self, app: &config::App) -> Container {
        let mut environment = app.environment.clone();
        let mut origins = Origins { passed: app.passed.clone(), ..self.origins() };
        if !environment.contains_key(URL) {
            let url = format!("ws://{}:{WEBSOCKET}", Service::Bridge.name());
            environment.insert(URL.to_owned(), Secret::new(url));
            origins.settings.insert(URL.to_owned());
        }
        if app.spawns {
            let line = spawn_line(&self.stdio(), &self.stack.orchestrator.required_keys);
            origins.env_file = line.env_file;
            // What the application was given by name is its own.
            let of_server = |key: &&String| !app.environment.contains_key(*key);
            origins.from_file = line.from_file.iter().filter(of_server).cloned().collect();
            origins.passed.extend(line.passed.iter().filter(of_server).cloned());
            for (key, value) in line.environment {
                environment.entry(key).or_insert(value);
            }
            if !environment.contains_key(spawn::COMMAND) {
                environment.insert(spawn::COMMAND.to_owned(), Secret::new(line.text));
                origins.settings.insert(spawn::COMMAND.to_owned());
            }
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
        let settings: BTreeSet<String> = self.server_settings().into_keys().collect();
        let in_file = file.iter().flat_map(|file| file.variables.keys());
        let of_file =
            in_file.filter(|key| !orchestrator.environment.contains_key(*key) && !settings.contains(*key));
        Origins {
            env_file: file.map(|file| EnvFileRef { path: file.path.clone(), required: file.required }),
            from_file: of_file.cloned().collect(),
            passed: orchestrator.passed.difference(&settings).cloned().collect(),
            settings,
            ..self.origins()
        }
    }

    /// The stdio server's variables: the env file's, beaten by those that were set by name, and these
    /// by what other settings decide.
    fn server_environment(&self) -> BTreeMap<String, Secret> {
        let orchestrator = &self.stack.orchestrator;
        let file = orchestrator.env_file.iter().flat_map(|file| &file.variables);
        let named = file.chain(&orchestrator.environment);
        named.map(|(key, value)| (key.clone(), value.clone())).chain(self.server_settings()).collect()
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
