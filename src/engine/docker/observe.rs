//! What there is: containers, images, networks, volumes, and the machine.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use bollard::models::{
    ContainerInspectResponse, ContainerSummary, DeviceMapping, DeviceRequest, HealthStatusEnum, HostConfig,
    ImageInspect, Mount, MountPoint, MountType, PortSummary, PortSummaryTypeEnum, SystemInfo,
    SystemInfoCgroupVersionEnum,
};
use bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptionsBuilder, ListNetworksOptions, ListVolumesOptions,
};

use super::Docker;
use crate::config::Protection;
use crate::engine::endpoint::Endpoint;
use crate::engine::error::{self, EngineError};
use crate::model::{ImageRef, ProjectName, Secret, label};
use crate::plan::{
    Health, HeldPort, ImageFacts, Live, LiveContainer, LiveMount, Machine, Observed, OwnedObject, State,
};

impl Docker {
    /// Everything that a plan for `project` looks at; `images` are the references that it names.
    pub async fn observe(
        &self,
        project: &ProjectName,
        images: &[&ImageRef],
    ) -> Result<Observed, EngineError> {
        let found = self.observe_presuming(project, images).await?;
        Ok(Observed { machine: self.machine().await?, ..found })
    }

    /// The same, but for the machine, which is taken for a likely one: an engine runs other programs before it
    /// describes it, and answers everything else sooner.
    pub async fn observe_presuming(
        &self,
        project: &ProjectName,
        images: &[&ImageRef],
    ) -> Result<Observed, EngineError> {
        let (containers, networks, volumes, images) = tokio::try_join!(
            self.containers(project),
            self.networks(),
            self.volumes(),
            self.images(images),
        )?;
        let (containers, foreign_names, held_ports) = containers;
        let machine = likely_machine(&self.endpoint);
        Ok(Observed { machine, images, containers, networks, volumes, foreign_names, held_ports })
    }

    /// A container as it is; `None` where there is none of that name.
    pub async fn container(&self, name: &str) -> Result<Option<LiveContainer>, EngineError> {
        match self.api.inspect_container(name, None::<InspectContainerOptions>).await {
            Ok(found) => Ok(Some(live_container(found))),
            Err(error) if error::is_not_found(&error) => Ok(None),
            Err(error) => Err(EngineError::failed(format!("inspect container {name}"))(error)),
        }
    }

    /// What is looked at in an image; `None` where it is not here.
    pub async fn image(&self, image: &str) -> Result<Option<ImageFacts>, EngineError> {
        match self.api.inspect_image(image).await {
            Ok(found) => Ok(Some(image_facts(found))),
            Err(error) if error::is_not_found(&error) => Ok(None),
            Err(error) => Err(EngineError::failed(format!("inspect image {image}"))(error)),
        }
    }

    async fn images(&self, images: &[&ImageRef]) -> Result<BTreeMap<ImageRef, ImageFacts>, EngineError> {
        let asked = images.iter().map(|image| async move { Ok((*image, self.image(image.as_str()).await?)) });
        let found: Result<Vec<_>, EngineError> =
            futures_util::future::join_all(asked).await.into_iter().collect();
        Ok(found?.into_iter().filter_map(|(image, facts)| Some((image.clone(), facts?))).collect())
    }

    async fn containers(&self, project: &ProjectName) -> Result<OursAndTheirs, EngineError> {
        let options = ListContainersOptionsBuilder::default().all(true).build();
        let all =
            self.api.list_containers(Some(options)).await.map_err(EngineError::failed("list containers"))?;
        let (ours, theirs): (Vec<_>, Vec<_>) = all.into_iter().partition(|container| {
            let labels = container.labels.as_ref();
            labels
                .and_then(|labels| labels.get(label::PROJECT))
                .is_some_and(|owner| owner == project.as_str())
        });
        let ids: Vec<String> = ours.into_iter().filter_map(|container| container.id).collect();
        let inspected: Result<Vec<_>, _> =
            futures_util::future::join_all(ids.iter().map(|id| self.container(id)))
                .await
                .into_iter()
                .collect();
        let mut live: Vec<LiveContainer> = inspected?.into_iter().flatten().collect();
        live.sort_by(|one, other| one.name.cmp(&other.name));
        let foreign = theirs.iter().flat_map(|container| {
            let project = project_of(container.labels.as_ref());
            names(container).map(move |name| (name, project.clone()))
        });
        Ok((live, foreign.collect(), theirs.iter().flat_map(held_ports).collect()))
    }

    async fn networks(&self) -> Result<Vec<OwnedObject>, EngineError> {
        let listed = self.api.list_networks(None::<ListNetworksOptions>).await;
        let listed = listed.map_err(EngineError::failed("list networks"))?;
        let owned = |network: bollard::models::Network| {
            Some(OwnedObject { project: project_of(network.labels.as_ref()), name: network.name? })
        };
        Ok(sorted(listed.into_iter().filter_map(owned).collect()))
    }

    async fn volumes(&self) -> Result<Vec<OwnedObject>, EngineError> {
        let listed = self.api.list_volumes(None::<ListVolumesOptions>).await;
        let listed = listed.map_err(EngineError::failed("list volumes"))?.volumes.unwrap_or_default();
        let owned = |volume: bollard::models::Volume| OwnedObject {
            project: project_of(Some(&volume.labels)),
            name: volume.name,
        };
        Ok(sorted(listed.into_iter().map(owned).collect()))
    }
}

/// The kind of a mount that is memory.
const IN_MEMORY: &str = "tmpfs";

/// The project's containers, the names of all others with their projects, and the ports those hold.
type OursAndTheirs = (Vec<LiveContainer>, BTreeMap<String, Option<String>>, Vec<HeldPort>);

fn sorted(mut objects: Vec<OwnedObject>) -> Vec<OwnedObject> {
    objects.sort_by(|one, other| one.name.cmp(&other.name));
    objects
}

/// Ours by our label; what is Compose's by Compose's, so that a clash names it.
fn project_of(labels: Option<&HashMap<String, String>>) -> Option<String> {
    let labels = labels?;
    match labels.get(label::PROJECT) {
        Some(project) => Some(project.clone()),
        None => labels.get(label::COMPOSE_PROJECT).map(|project| format!("{project} (Compose)")),
    }
}

fn names(container: &ContainerSummary) -> impl Iterator<Item = String> {
    let names = container.names.clone().unwrap_or_default();
    names.into_iter().map(|name| name.trim_start_matches('/').to_owned())
}

fn held_ports(container: &ContainerSummary) -> Vec<HeldPort> {
    let name = names(container).next().unwrap_or_default();
    let project = project_of(container.labels.as_ref());
    // Ours are TCP, and a port of another protocol's is another port.
    let tcp = |port: &&PortSummary| {
        matches!(port.typ, None | Some(PortSummaryTypeEnum::TCP | PortSummaryTypeEnum::EMPTY))
    };
    let held = container.ports.iter().flatten().filter(tcp).filter_map(|port| {
        let address = port.ip.as_deref().and_then(|ip| ip.parse().ok());
        Some(HeldPort {
            port: port.public_port?,
            address: address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            container: name.clone(),
            project: project.clone(),
        })
    });
    held.collect()
}

pub(super) fn machine(endpoint: &Endpoint, product: &str, info: SystemInfo) -> Machine {
    let security = info.security_options.unwrap_or_default();
    // An engine that does not say is an engine that can.
    let lacks = |flag: Option<bool>| flag == Some(false);
    let unenforced = [
        (Protection::Memory, lacks(info.memory_limit)),
        (Protection::Swap, lacks(info.swap_limit)),
        (Protection::Cpus, lacks(info.cpu_cfs_quota)),
        (Protection::Pids, lacks(info.pids_limit)),
        (
            Protection::Seccomp,
            !security.is_empty() && !security.iter().any(|option| option.contains("seccomp")),
        ),
    ];
    Machine {
        endpoint: endpoint.host.clone(),
        remote: endpoint.is_remote(),
        engine: format!("{product} {}", info.server_version.unwrap_or_default()),
        architecture: architecture(&info.architecture.unwrap_or_default()),
        private_cgroups: info.cgroup_version == Some(SystemInfoCgroupVersionEnum::_2),
        cpus: info.ncpu.and_then(|count| u32::try_from(count).ok()).unwrap_or(1),
        unenforced: unenforced
            .into_iter()
            .filter(|(_, lacks)| *lacks)
            .map(|(protection, _)| protection)
            .collect(),
    }
}

/// One that can do whatever is asked, with cgroups as they are here.
fn likely_machine(endpoint: &Endpoint) -> Machine {
    Machine {
        endpoint: endpoint.host.clone(),
        remote: endpoint.is_remote(),
        private_cgroups: Path::new("/sys/fs/cgroup/cgroup.controllers").exists(),
        ..Machine::any()
    }
}

/// The kernel's name of a machine in the words of image configs.
fn architecture(kernel: &str) -> String {
    match kernel {
        "x86_64" => "amd64".to_owned(),
        "aarch64" => "arm64".to_owned(),
        other => other.to_owned(),
    }
}

fn image_facts(image: ImageInspect) -> ImageFacts {
    let config = image.config.unwrap_or_default();
    ImageFacts {
        id: image.id.unwrap_or_default(),
        user: config.user.unwrap_or_default(),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        entrypoint: config.entrypoint.unwrap_or_default(),
        command: config.cmd.unwrap_or_default(),
        environment: variables(config.env),
        working_dir: config.working_dir.unwrap_or_default(),
        architecture: image.architecture.unwrap_or_default(),
        size: image.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
        digests: image.repo_digests.unwrap_or_default(),
    }
}

fn live_container(container: ContainerInspectResponse) -> LiveContainer {
    let config = container.config.unwrap_or_default();
    let host = container.host_config.unwrap_or_default();
    let state = container.state.unwrap_or_default();
    let health = state.health.and_then(|health| match health.status? {
        HealthStatusEnum::STARTING => Some(Health::Starting),
        HealthStatusEnum::HEALTHY => Some(Health::Healthy),
        HealthStatusEnum::UNHEALTHY => Some(Health::Unhealthy),
        _ => None,
    });
    let networks = container.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let (in_memory, mounts): (Vec<_>, Vec<_>) = container
        .mounts
        .unwrap_or_default()
        .into_iter()
        .partition(|mount| mount.typ.as_deref() == Some(IN_MEMORY));
    let mut confined = confinement(host);
    for mount in in_memory {
        confined.tmpfs.entry(mount.destination.unwrap_or_default()).or_default();
    }
    LiveContainer {
        id: container.id.unwrap_or_default(),
        name: container.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        state: State {
            running: state.running.unwrap_or(false),
            status: state.status.map(|status| status.to_string()).unwrap_or_default(),
            exit_code: state.exit_code.unwrap_or(0),
            oom_killed: state.oom_killed.unwrap_or(false),
            restarts: container.restart_count.unwrap_or(0),
        },
        health,
        live: Live {
            image_id: container.image.unwrap_or_default(),
            entrypoint: config.entrypoint.unwrap_or_default(),
            command: config.cmd.unwrap_or_default(),
            working_dir: config.working_dir.unwrap_or_default(),
            hostname: config.hostname.unwrap_or_default(),
            environment: variables(config.env),
            user: config.user.unwrap_or_default(),
            networks: networks.into_keys().collect(),
            mounts: mounts.into_iter().filter_map(live_mount).collect(),
            ..confined
        },
    }
}

fn confinement(host: HostConfig) -> Live {
    let modes = [
        ("network", host.network_mode),
        ("pid", host.pid_mode),
        ("ipc", host.ipc_mode),
        ("uts", host.uts_mode),
        ("userns", host.userns_mode),
        ("cgroup", host.cgroupns_mode.map(|mode| mode.to_string())),
    ];
    let shared = modes.into_iter().filter_map(|(name, mode)| shared_with(name, &mode?));
    let log = host.log_config.unwrap_or_default();
    Live {
        read_only: host.readonly_rootfs.unwrap_or(false),
        privileged: host.privileged.unwrap_or(false),
        cap_add: capabilities(host.cap_add),
        cap_drop: capabilities(host.cap_drop),
        security_opt: host.security_opt.unwrap_or_default(),
        memory: host.memory.unwrap_or(0),
        memory_swap: host.memory_swap.unwrap_or(0),
        nano_cpus: host.nano_cpus.unwrap_or(0),
        pids: host.pids_limit.unwrap_or(0),
        init: host.init.unwrap_or(false),
        groups: host.group_add.unwrap_or_default().into_iter().collect(),
        system_paths: system_paths(host.masked_paths, host.readonly_paths),
        sysctls: host.sysctls.unwrap_or_default().into_iter().collect(),
        tmpfs: tmpfs(host.tmpfs, host.mounts),
        shared_namespaces: shared.collect(),
        ports: host.port_bindings.unwrap_or_default().into_iter().flat_map(bindings).collect(),
        restart: match host.restart_policy.and_then(|policy| policy.name).map(|name| name.to_string()) {
            Some(name) if !name.is_empty() => name,
            _ => "no".to_owned(),
        },
        log_driver: log.typ.unwrap_or_default(),
        log_options: log.config.map(|options| options.into_iter().collect()),
        devices: devices(host.devices, host.device_cgroup_rules, host.device_requests),
        ..Live::default()
    }
}

/// `KEY=value`, as engines keep variables. A name alone, which Compose leaves of a variable that is not
/// set where it runs, is no variable to any program.
fn variables(listed: Option<Vec<String>>) -> BTreeMap<String, Secret> {
    let pair = |line: String| line.split_once('=').map(|(name, value)| (name.to_owned(), Secret::new(value)));
    listed.unwrap_or_default().into_iter().filter_map(pair).collect()
}

/// A namespace that is not the container's own: the host's, another container's, or that of a pod.
fn shared_with(name: &str, mode: &str) -> Option<String> {
    match mode.split_once(':') {
        None if mode == "host" => Some(name.to_owned()),
        Some(("container" | "ns" | "pod", _)) => Some(format!("{name} ({mode})")),
        _ => None,
    }
}

/// An engine that shows neither list does not say; an empty one says that nothing is protected.
fn system_paths(masked: Option<Vec<String>>, read_only: Option<Vec<String>>) -> Option<BTreeSet<String>> {
    if masked.is_none() && read_only.is_none() {
        return None;
    }
    Some(masked.into_iter().chain(read_only).flatten().collect())
}

/// Folders in memory by their options, whichever of the two ways they were asked for in.
fn tmpfs(folders: Option<HashMap<String, String>>, mounts: Option<Vec<Mount>>) -> BTreeMap<String, String> {
    let in_memory = mounts.into_iter().flatten().filter(|mount| mount.typ == Some(MountType::TMPFS));
    let folder = |mount: Mount| {
        let access = if mount.read_only == Some(true) { "ro" } else { "rw" };
        // What the engine adds to each of them.
        let mut options: Vec<String> = ["noexec", "nosuid", "nodev", access].map(str::to_owned).into();
        let asked = mount.tmpfs_options.unwrap_or_default();
        options.extend(asked.size_bytes.map(|size| format!("size={size}")));
        options.extend(asked.mode.map(|mode| format!("mode={mode:o}")));
        options.extend(asked.options.into_iter().flatten().map(|option| option.join("=")));
        (mount.target.unwrap_or_default(), options.join(","))
    };
    folders.unwrap_or_default().into_iter().chain(in_memory.map(folder)).collect()
}

fn devices(
    given: Option<Vec<DeviceMapping>>,
    rules: Option<Vec<String>>,
    requests: Option<Vec<DeviceRequest>>,
) -> BTreeSet<String> {
    let given = given.into_iter().flatten().map(|device| device.path_on_host.unwrap_or_default());
    let rules = rules.into_iter().flatten().map(|rule| format!("rule {rule}"));
    let requests = requests.into_iter().flatten().map(|request| {
        let of = request.driver.filter(|driver| !driver.is_empty());
        format!(
            "request of {}",
            of.unwrap_or_else(|| request
                .capabilities
                .into_iter()
                .flatten()
                .flatten()
                .collect::<Vec<_>>()
                .join(" "))
        )
    });
    given.chain(rules).chain(requests).collect()
}

fn capabilities(listed: Option<Vec<String>>) -> BTreeSet<String> {
    let plain = |name: String| name.strip_prefix("CAP_").map(str::to_owned).unwrap_or(name);
    listed.unwrap_or_default().into_iter().map(plain).collect()
}

fn bindings(
    (container, hosts): (String, Option<Vec<bollard::models::PortBinding>>),
) -> Vec<(String, u16, u16)> {
    let port = container.split('/').next().and_then(|port| port.parse().ok()).unwrap_or(0);
    let binding = |host: bollard::models::PortBinding| {
        let host_port = host.host_port.and_then(|port| port.parse().ok()).unwrap_or(0);
        (host.host_ip.unwrap_or_default(), host_port, port)
    };
    hosts.unwrap_or_default().into_iter().map(binding).collect()
}

fn live_mount(mount: MountPoint) -> Option<LiveMount> {
    let kind = mount.typ?;
    let source = if kind == "volume" { mount.name } else { mount.source };
    Some(LiveMount {
        kind,
        source: source.unwrap_or_default(),
        target: mount.destination.unwrap_or_default(),
        writable: mount.rw.unwrap_or(false),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_of_another_protocol_is_not_held() {
        let port = |public, typ| PortSummary {
            ip: Some("0.0.0.0".to_owned()),
            private_port: 1,
            public_port: Some(public),
            typ,
        };
        let ports = vec![
            port(5000, Some(PortSummaryTypeEnum::UDP)),
            port(5001, Some(PortSummaryTypeEnum::SCTP)),
            port(8765, Some(PortSummaryTypeEnum::TCP)),
            port(8766, None),
        ];
        let container = ContainerSummary { ports: Some(ports), ..ContainerSummary::default() };
        let held: Vec<u16> = held_ports(&container).into_iter().map(|held| held.port).collect();
        assert_eq!(held, [8765, 8766]);
    }
}
