//! What a template sees of a deployment: the same values that the engine is given, as Compose spells
//! them.

use std::path::Path;

use serde::Serialize;
use serde_json::{Number, Value};

use super::compose::{Generation, Options};
use super::yaml;
use crate::model::{Cpus, User, label};
use crate::plan::{Container, Desired, MountSource, Port, Profile, Restart, Service};

/// A whole file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct File {
    /// `None` where the generation does not know the key.
    pub(super) project: Option<String>,
    pub(super) services: Vec<ServiceView>,
    pub(super) networks: Vec<NetworkView>,
    pub(super) volumes: Vec<VolumeView>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct NetworkView {
    pub(super) key: String,
    /// The name of a network that exists and is not ours.
    pub(super) external: Option<String>,
    pub(super) labels: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct VolumeView {
    pub(super) key: String,
    pub(super) labels: Vec<String>,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is one switch of Compose's")]
pub(super) struct ServiceView {
    pub(super) name: String,
    pub(super) image: String,
    /// `digest` or `id` where the reference can only ever mean one image.
    pub(super) pinned: Option<&'static str>,
    pub(super) build: Option<BuildView>,
    /// Whether the image must be here already: nobody's registry has it.
    pub(super) never_pulled: bool,
    pub(super) profiles: Vec<String>,
    pub(super) depends_on: Vec<String>,
    pub(super) command: Vec<String>,
    pub(super) env_file: Option<EnvFileView>,
    pub(super) environment: Vec<Variable>,
    /// Whether it is told how to start containers.
    pub(super) spawns: bool,
    pub(super) user: String,
    pub(super) read_only: bool,
    pub(super) tmpfs: Vec<String>,
    pub(super) cap_add: Vec<String>,
    pub(super) security_opt: Vec<String>,
    pub(super) mem_limit: Option<String>,
    pub(super) memswap_limit: Option<Value>,
    pub(super) cpus: Option<Number>,
    pub(super) pids_limit: Option<u32>,
    pub(super) init: bool,
    pub(super) stdin_open: bool,
    pub(super) restart: &'static str,
    pub(super) stop_grace_period: String,
    pub(super) log_size: String,
    pub(super) log_files: String,
    pub(super) network: Option<String>,
    pub(super) ports: Vec<String>,
    pub(super) volumes: Vec<MountView>,
    pub(super) labels: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct BuildView {
    pub(super) context: String,
    pub(super) dockerfile: String,
    pub(super) args: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct EnvFileView {
    pub(super) path: String,
    pub(super) required: bool,
    /// Whether `required` and `format` can be said.
    pub(super) long: bool,
    /// Whether only `format: raw` reads it as `docker run` does.
    pub(super) raw: bool,
}

/// One entry of `environment`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Variable {
    /// `KEY=value`, or `KEY` alone.
    pub(super) text: String,
    /// The whole scalar, where Compose is to replace a variable in it.
    pub(super) scalar: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct MountView {
    pub(super) kind: &'static str,
    pub(super) source: String,
    pub(super) target: String,
}

impl File {
    pub(super) fn new(desired: &Desired, profile: Profile, options: &Options<'_>) -> Self {
        let project = desired.project.to_string();
        let mut services: Vec<ServiceView> = desired
            .containers
            .iter()
            .map(|container| service(container, desired, profile, options))
            .collect();
        if profile == Profile::FullStack || profile == Profile::BuildOnly {
            services.push(service(&desired.stdio, desired, profile, options));
        }
        let ours = format!("{}={project}", label::PROJECT);
        let external = desired.containers.iter().map(|container| container.network.as_str()).find(|name| {
            *name != "none" && desired.network.as_ref().is_none_or(|network| network.name != *name)
        });
        let own = desired.network.iter().map(|network| NetworkView {
            key: network.key.clone(),
            external: None,
            labels: vec![ours.clone()],
        });
        let external = external.map(|name| NetworkView {
            key: EXTERNAL.to_owned(),
            external: Some(name.to_owned()),
            labels: Vec::new(),
        });
        let volumes = desired.volumes.iter();
        Self {
            project: (options.generation != Generation::V1_29).then_some(project),
            services,
            networks: own.chain(external).collect(),
            volumes: volumes
                .map(|volume| VolumeView { key: volume.key.clone(), labels: vec![ours.clone()] })
                .collect(),
        }
    }
}

/// The key of a network that is not ours.
const EXTERNAL: &str = "existing";

fn service(container: &Container, desired: &Desired, profile: Profile, options: &Options<'_>) -> ServiceView {
    let named = options.generation != Generation::V1_29;
    let name = container.service.name();
    let build_only = profile == Profile::BuildOnly || container.service == Service::Orchestrator;
    let path = |path: &Path| options.written(path);
    let pin = options.pins.get(&container.service);
    let image = pin.cloned().unwrap_or_else(|| container.image.to_string());
    let build = build(container, desired, options).filter(|_| pin.is_none());
    ServiceView {
        name: name.to_owned(),
        pinned: match (image.starts_with("sha256:"), image.contains("@sha256:")) {
            (true, _) => Some("id"),
            (_, true) => Some("digest"),
            _ => None,
        },
        never_pulled: named && options.own_images.contains(&container.service) && pin.is_none(),
        image,
        build,
        profiles: build_only.then(|| Profile::BuildOnly.name().to_owned()).into_iter().collect(),
        depends_on: (container.service == Service::App)
            .then(|| Service::Bridge.name().to_owned())
            .into_iter()
            .collect(),
        command: container.command.clone(),
        env_file: container.origins.env_file.as_ref().map(|file| EnvFileView {
            path: path(&file.path),
            required: file.required,
            long: named,
            raw: options.generation == Generation::Current,
        }),
        environment: environment(container),
        spawns: container.spawns(),
        user: container.user.to_string(),
        read_only: container.read_only,
        tmpfs: container.tmpfs.iter().map(|(path, options)| format!("{path}:{options}")).collect(),
        cap_add: container.cap_add.iter().cloned().collect(),
        security_opt: security(container, &path),
        mem_limit: container.memory.map(|memory| memory.to_string()),
        memswap_limit: container
            .memory
            .map(|memory| if container.no_swap { Value::from(memory.to_string()) } else { Value::from(-1) }),
        cpus: container.cpus.and_then(number),
        pids_limit: container.pids,
        init: container.init,
        stdin_open: container.interactive,
        restart: match container.restart {
            Restart::Never => "no",
            Restart::UnlessStopped => "unless-stopped",
        },
        stop_grace_period: format!("{}s", container.stop_grace.as_secs()),
        log_size: container.log_size.to_string(),
        log_files: container.log_files.to_string(),
        network: network(container, desired),
        ports: container.ports.iter().map(port).collect(),
        volumes: container.mounts.iter().map(|mount| mount_view(mount, desired, &path)).collect(),
        labels: labels(container),
    }
}

fn build(container: &Container, desired: &Desired, options: &Options<'_>) -> Option<BuildView> {
    let path = |path: &Path| options.written(path);
    if let Some(build) = desired.builds.get(&container.service) {
        let (context, dockerfile) = (path(&build.context), build.dockerfile.clone());
        return Some(BuildView { context, dockerfile, args: Vec::new() });
    }
    let checkout = options.checkout.filter(|_| options.own_images.contains(&container.service))?;
    let (dockerfile, args) = match container.service {
        Service::Orchestrator => ("Dockerfile", Vec::new()),
        Service::Bridge => ("Dockerfile.bridge", bridge_args(container, desired, options)),
        Service::App => return None,
    };
    Some(BuildView { context: path(checkout), dockerfile: dockerfile.to_owned(), args })
}

/// What `Dockerfile.bridge` has to be told: whose server it is in front of, and what differs from what
/// the file says itself.
fn bridge_args(bridge: &Container, desired: &Desired, options: &Options<'_>) -> Vec<String> {
    const LOG_DIR: &str = "/app/logs";
    let server = &desired.stdio;
    let mut args = Vec::new();
    if !options.own_images.contains(&Service::Orchestrator) {
        let image = server.inherited.as_ref();
        let own = image.map(|image| image.command.as_slice()).unwrap_or_default();
        let command = if server.command.is_empty() { own } else { &server.command };
        let words = image.iter().flat_map(|image| &image.entrypoint).chain(command).cloned();
        args.push(format!("ORCHESTRATOR_IMAGE={}", server.image));
        args.push(format!("MCP_COMMAND={}", words.collect::<Value>()));
    }
    if bridge.user != User::NONROOT {
        args.push(format!("MCP_USER={}", bridge.user));
    }
    let log_dirs = bridge.mounts.iter().map(|mount| &mount.target).filter(|target| *target != LOG_DIR);
    args.extend(log_dirs.map(|target| format!("LOG_DIR={target}")));
    args
}

fn mount_view(mount: &crate::plan::Mount, desired: &Desired, path: &dyn Fn(&Path) -> String) -> MountView {
    let target = mount.target.clone();
    match &mount.source {
        MountSource::Volume(name) => {
            let volume = desired.volumes.iter().find(|volume| volume.name == *name);
            let source = volume.map_or_else(|| name.clone(), |volume| volume.key.clone());
            MountView { kind: "volume", source, target }
        }
        MountSource::Folder(folder) => MountView { kind: "bind", source: path(folder), target },
    }
}

fn network(container: &Container, desired: &Desired) -> Option<String> {
    match &desired.network {
        _ if container.network == "none" => None,
        Some(network) if network.name == container.network => Some(network.key.clone()),
        _ => Some(EXTERNAL.to_owned()),
    }
}

fn port(port: &Port) -> String {
    format!("{}:{}", std::net::SocketAddr::new(port.address, port.host), port.container)
}

fn security(container: &Container, path: &dyn Fn(&Path) -> String) -> Vec<String> {
    let rights = container.no_new_privileges.then(|| "no-new-privileges:true".to_owned());
    let filter = match (&container.origins.seccomp, &container.seccomp) {
        (_, None) => None,
        (Some(file), Some(_)) => Some(format!("seccomp:{}", path(file))),
        (None, Some(word)) => Some(format!("seccomp:{word}")),
    };
    rights.into_iter().chain(filter).collect()
}

/// Labels of ours; Compose adds its own. The stdio server's containers are whoever's started them,
/// not ones of a verification's.
fn labels(container: &Container) -> Vec<String> {
    let role = (container.service != Service::Orchestrator).then_some(label::ROLE);
    let ours = [Some(label::PROJECT), role].into_iter().flatten();
    ours.filter_map(|key| Some(format!("{key}={}", container.labels.get(key)?))).collect()
}

fn number(cpus: Cpus) -> Option<Number> {
    let text = cpus.to_string();
    match text.parse::<u64>() {
        Ok(whole) => Some(whole.into()),
        Err(_) => Number::from_f64(text.parse().ok()?),
    }
}

/// What is set besides the env file. A value is written where it is no secret by its name; else the
/// file asks for it.
fn environment(container: &Container) -> Vec<Variable> {
    let variable = |key: &String| {
        let Some(value) = container.environment.get(key).filter(|_| !container.origins.passed.contains(key))
        else {
            return Variable { text: key.clone(), scalar: None };
        };
        if container.asks_for(key) {
            let text = format!("{key}=${{{key}:?its value is not written into files}}");
            return Variable { scalar: Some(yaml::quoted(&text)), text };
        }
        Variable { text: format!("{key}={}", value.expose()), scalar: None }
    };
    container.set_by_name().into_iter().map(variable).collect()
}
