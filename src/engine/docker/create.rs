//! A container, network or volume as the engine's API takes it.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig,
    NetworkCreateRequest, NetworkingConfig, PortBinding, PortMap, RestartPolicy, RestartPolicyNameEnum,
    VolumeCreateRequest,
};
use bollard::query_parameters::{CreateContainerOptionsBuilder, ListNetworksOptionsBuilder};

use super::Docker;
use crate::engine::error::{self, EngineError};
use crate::model::{Bytes, Cpus, ProjectName, label};
use crate::plan::{Container, MountSource, Network, Restart, Volume, config_hash};

impl Docker {
    /// Creates a container. The warnings are what the engine did not do of what was asked.
    pub async fn create(&self, container: &Container, name: &str) -> Result<Vec<String>, EngineError> {
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        let image = self.image_reference(container).await?;
        let created = self.api.create_container(Some(options), body(container, image)).await;
        if created.as_ref().is_err_and(error::is_taken) && self.is_made_from(container, name).await? {
            return Ok(Vec::new());
        }
        Ok(created.map_err(EngineError::failed(format!("create container {name}")))?.warnings)
    }

    /// Whether the container of that name is just what was to be created: a request that an
    /// interruption cut short goes on in the engine, and may be done later than the next plan is made.
    async fn is_made_from(&self, container: &Container, name: &str) -> Result<bool, EngineError> {
        let Some(found) = self.container(name).await? else { return Ok(false) };
        let same = |label: &str, value: &str| found.labels.get(label).is_some_and(|found| found == value);
        let project = container.labels.get(label::PROJECT).map(String::as_str).unwrap_or_default();
        Ok(same(label::PROJECT, project) && same(label::CONFIG_HASH, config_hash(container).as_str()))
    }

    /// An image's name, which people read, as long as it means the image that was planned; its id
    /// where a build beside this one has moved the name since.
    pub(super) async fn image_reference(&self, container: &Container) -> Result<String, EngineError> {
        let name = container.image.to_string();
        match (&container.image_id, self.image(&name).await?) {
            (Some(planned), Some(facts)) if facts.id != *planned => Ok(planned.clone()),
            (Some(planned), None) => Ok(planned.clone()),
            _ => Ok(name),
        }
    }

    /// Creates a network of its own for a project.
    pub async fn create_network(&self, network: &Network) -> Result<(), EngineError> {
        let request = NetworkCreateRequest {
            name: network.name.clone(),
            driver: Some("bridge".to_owned()),
            labels: Some(owned(&network.project, label::COMPOSE_NETWORK, &network.key)),
            ..NetworkCreateRequest::default()
        };
        let failed = || EngineError::failed(format!("create network {}", network.name));
        let made = self.api.create_network(request).await.map_err(failed())?.id;
        // Before API 1.44 the engine makes a second one of the same name, and then refuses to start
        // a container on either: of those that were made at the same time the first one stays.
        let first = self.networks_named(&network.name).await?.into_iter().next();
        if first.is_some_and(|first| first != made) {
            self.remove_network(&made).await?;
        }
        Ok(())
    }

    /// The ids of the networks of that very name, the oldest first.
    pub(super) async fn networks_named(&self, name: &str) -> Result<Vec<String>, EngineError> {
        // The engine takes a part of a name for a match too.
        let filters = HashMap::from([("name", vec![name])]);
        let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
        let listed = self.api.list_networks(Some(options)).await;
        let listed = listed.map_err(EngineError::failed("list networks"))?;
        let same = listed.into_iter().filter(|network| network.name.as_deref() == Some(name));
        let mut found: Vec<_> = same.filter_map(|network| Some((network.created, network.id?))).collect();
        found.sort();
        Ok(found.into_iter().map(|(_, id)| id).collect())
    }

    /// Creates a named volume for a project.
    pub async fn create_volume(&self, volume: &Volume) -> Result<(), EngineError> {
        let request = VolumeCreateRequest {
            name: Some(volume.name.clone()),
            labels: Some(owned(&volume.project, label::COMPOSE_VOLUME, &volume.key)),
            ..VolumeCreateRequest::default()
        };
        let created = self.api.create_volume(request).await;
        created.map(drop).map_err(EngineError::failed(format!("create volume {}", volume.name)))
    }
}

fn owned(project: &ProjectName, compose_key: &str, key: &str) -> HashMap<String, String> {
    let labels =
        [(label::PROJECT, project.as_str()), (label::COMPOSE_PROJECT, project.as_str()), (compose_key, key)];
    labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

pub(super) fn body(container: &Container, image: String) -> ContainerCreateBody {
    let hash = config_hash(container).to_string();
    let mut labels: HashMap<String, String> = container.labels.clone().into_iter().collect();
    labels.insert(label::CONFIG_HASH.to_owned(), hash.clone());
    labels.insert(label::COMPOSE_CONFIG_HASH.to_owned(), hash.trim_start_matches("sha256:").to_owned());
    let environment = container.environment.iter().map(|(key, value)| format!("{key}={}", value.expose()));
    // As Compose does: the service's name resolves on the private network. Of one client's container it is
    // nobody's business.
    let aliases =
        (!container.interactive).then(|| vec![container.name.clone(), container.service.name().to_owned()]);
    let endpoint = EndpointSettings { aliases, ..EndpointSettings::default() };
    let on_network = container.network != "none";
    ContainerCreateBody {
        image: Some(image),
        cmd: (!container.command.is_empty()).then(|| container.command.clone()),
        env: Some(environment.collect()),
        user: Some(container.user.to_string()),
        labels: Some(labels),
        open_stdin: Some(container.interactive),
        // Without it the half-close of an attached client's input does not reach the container.
        stdin_once: Some(container.interactive),
        attach_stdin: Some(container.interactive),
        attach_stdout: Some(container.interactive),
        attach_stderr: Some(container.interactive),
        exposed_ports: Some(container.ports.iter().map(|port| format!("{}/tcp", port.container)).collect()),
        stop_timeout: i64::try_from(container.stop_grace.as_secs()).ok(),
        host_config: Some(host_config(container)),
        networking_config: on_network.then(|| NetworkingConfig {
            endpoints_config: Some(HashMap::from([(container.network.clone(), endpoint)])),
        }),
        ..ContainerCreateBody::default()
    }
}

fn host_config(container: &Container) -> HostConfig {
    let mut security = Vec::new();
    if container.no_new_privileges {
        security.push("no-new-privileges:true".to_owned());
    }
    security.extend(container.seccomp.iter().map(|profile| format!("seccomp={profile}")));
    let log_limits =
        [("max-size", container.log_size.to_string()), ("max-file", container.log_files.to_string())];
    let restart = match container.restart {
        Restart::Never => RestartPolicyNameEnum::NO,
        Restart::UnlessStopped => RestartPolicyNameEnum::UNLESS_STOPPED,
    };
    HostConfig {
        readonly_rootfs: Some(container.read_only),
        cap_drop: Some(vec!["ALL".to_owned()]),
        cap_add: Some(container.cap_add.iter().cloned().collect()),
        security_opt: Some(security),
        memory: container.memory.map(Bytes::as_i64),
        // Memory and swap together: equal to memory means no swap, and -1 as much as there is.
        memory_swap: container.memory.map(|memory| if container.no_swap { memory.as_i64() } else { -1 }),
        nano_cpus: container.cpus.map(Cpus::as_i64),
        pids_limit: container.pids.map(i64::from),
        init: Some(container.init),
        // Else the engine's own default, which on cgroup v1 is the host's.
        cgroupns_mode: container.private_cgroups.then_some(HostConfigCgroupnsModeEnum::PRIVATE),
        tmpfs: Some(container.tmpfs.clone().into_iter().collect()),
        binds: Some(container.mounts.iter().map(bind).collect()),
        network_mode: Some(container.network.clone()),
        port_bindings: Some(port_map(container)),
        restart_policy: Some(RestartPolicy { name: Some(restart), maximum_retry_count: None }),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(log_limits.map(|(key, value)| (key.to_owned(), value)).into()),
        }),
        auto_remove: Some(container.restart == Restart::Never),
        ..HostConfig::default()
    }
}

fn bind(mount: &crate::plan::Mount) -> String {
    match &mount.source {
        MountSource::Volume(name) => format!("{name}:{}:rw", mount.target),
        MountSource::Folder(path) => format!("{}:{}:rw", path.display(), mount.target),
    }
}

fn port_map(container: &Container) -> PortMap {
    let mut map = PortMap::new();
    for port in &container.ports {
        let binding =
            PortBinding { host_ip: Some(port.address.to_string()), host_port: Some(port.host.to_string()) };
        map.entry(format!("{}/tcp", port.container)).or_default().get_or_insert_default().push(binding);
    }
    map
}
