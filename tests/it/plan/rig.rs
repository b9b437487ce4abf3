//! Descriptions, and what an engine would say of what was created from them.

use std::collections::BTreeSet;
use std::path::PathBuf;

use mcpo_deploy::config::{Input, Override, Stack, resolve};
use mcpo_deploy::env::Env;
use mcpo_deploy::model::{ImageRef, label};
use mcpo_deploy::plan::{
    Container, Desired, ImageFacts, Images, Live, LiveContainer, LiveMount, Machine, MountSource, Observed,
    OwnedObject, Plan, PlanError, Profile, Restart, State, config_hash, desired, steps,
};

pub(super) const ORCHESTRATOR: &str =
    "sha256:0101010101010101010101010101010101010101010101010101010101010101";
pub(super) const BRIDGE: &str = "sha256:0202020202020202020202020202020202020202020202020202020202020202";
pub(super) const APP: &str = "sha256:0303030303030303030303030303030303030303030303030303030303030303";

/// A description of a project `demo` in a folder that no test needs to exist.
pub(super) fn stack(settings: &[(&str, &str)]) -> Stack {
    let env = Env::from_pairs::<&str, &str>([], PathBuf::from("/srv/demo"));
    let overrides = settings.iter().map(|(key, value)| Override {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
        flag: "--set".to_owned(),
    });
    resolve(&Input { overrides: overrides.collect(), ..Input::new(&env) }).expect("a description").stack
}

pub(super) fn machine() -> Machine {
    Machine {
        endpoint: "unix:///var/run/docker.sock".to_owned(),
        engine: "Docker Engine 29.0.0".to_owned(),
        architecture: "amd64".to_owned(),
        cpus: 4,
        ..Machine::default()
    }
}

/// An image of ours.
pub(super) fn facts(id: &str) -> ImageFacts {
    let labels = [(label::INPUT_DIGEST, "sha256:00"), (label::PROGRAM, "ours")];
    ImageFacts {
        id: id.to_owned(),
        user: "65532:65532".to_owned(),
        labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        entrypoint: vec!["/mcp-orchestrator".to_owned()],
        environment: [("LANG".to_owned(), "C".to_owned().into())].into(),
        architecture: "amd64".to_owned(),
        ..ImageFacts::default()
    }
}

pub(super) fn image(name: &str) -> ImageRef {
    name.parse().expect("a reference")
}

/// An engine with every image of `stack` and nothing else.
pub(super) fn observed(stack: &Stack) -> Observed {
    let app = stack.app.iter().map(|app| (app.image.clone(), facts(APP)));
    let ours = [
        (stack.orchestrator.image.clone(), facts(ORCHESTRATOR)),
        (stack.bridge.image.clone(), facts(BRIDGE)),
    ];
    Observed { machine: machine(), images: ours.into_iter().chain(app).collect(), ..Observed::default() }
}

pub(super) fn desired_on(stack: &Stack, profile: Profile, observed: &Observed) -> Result<Desired, PlanError> {
    let facts = |image: &ImageRef| observed.images.get(image);
    let images = Images {
        orchestrator: facts(&stack.orchestrator.image),
        bridge: facts(&stack.bridge.image),
        app: stack.app.as_ref().and_then(|app| facts(&app.image)),
    };
    desired(stack, profile, &observed.machine, images)
}

pub(super) fn plan_on(stack: &Stack, profile: Profile, observed: &Observed) -> Result<Plan, PlanError> {
    steps(&desired_on(stack, profile, observed)?, stack, observed)
}

/// The engine after `plan_on` was carried out.
pub(super) fn brought_up(stack: &Stack, profile: Profile) -> Observed {
    brought_up_on(stack, profile, observed(stack))
}

pub(super) fn brought_up_on(stack: &Stack, profile: Profile, mut observed: Observed) -> Observed {
    let desired = desired_on(stack, profile, &observed).expect("a desired state");
    let owned = |name: &str| OwnedObject { name: name.to_owned(), project: Some("demo".to_owned()) };
    observed.networks.extend(desired.network.iter().map(|network| owned(&network.name)));
    observed.volumes.extend(desired.volumes.iter().map(|volume| owned(&volume.name)));
    observed.containers.extend(desired.containers.iter().map(created));
    observed
}

/// What `inspect` says of a container that was created as described and runs.
pub(super) fn created(container: &Container) -> LiveContainer {
    let mut labels = container.labels.clone();
    labels.insert(label::CONFIG_HASH.to_owned(), config_hash(container).to_string());
    LiveContainer {
        id: format!("id-of-{}", container.name),
        name: container.name.clone(),
        labels,
        state: State { running: true, status: "running".to_owned(), ..State::default() },
        health: None,
        live: live(container),
    }
}

pub(super) fn live(container: &Container) -> Live {
    let memory = container.memory.map_or(0, mcpo_deploy::model::Bytes::as_i64);
    let mount = |mount: &mcpo_deploy::plan::Mount| {
        let (kind, source) = match &mount.source {
            MountSource::Volume(name) => ("volume", name.clone()),
            MountSource::Folder(path) => ("bind", path.display().to_string()),
        };
        LiveMount { kind: kind.to_owned(), source, target: mount.target.clone(), writable: true }
    };
    let mut security_opt = Vec::new();
    if container.no_new_privileges {
        security_opt.push("no-new-privileges:true".to_owned());
    }
    security_opt.extend(container.seccomp.iter().map(|profile| format!("seccomp={profile}")));
    let log = [("max-size", container.log_size.to_string()), ("max-file", container.log_files.to_string())];
    let ports = container.ports.iter();
    let inherited = container.inherited.clone().unwrap_or_default();
    let mut environment = inherited.environment;
    environment.extend(container.environment.clone());
    let system_paths = [
        "/proc/asound",
        "/proc/acpi",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/sys/firmware",
        "/proc/bus",
        "/proc/fs",
        "/proc/irq",
        "/proc/sys",
        "/proc/sysrq-trigger",
    ];
    Live {
        image_id: container.image_id.clone().unwrap_or_default(),
        entrypoint: inherited.entrypoint,
        command: if container.command.is_empty() { inherited.command } else { container.command.clone() },
        working_dir: inherited.working_dir,
        environment,
        system_paths: Some(system_paths.map(str::to_owned).into()),
        user: container.user.to_string(),
        read_only: container.read_only,
        cap_add: container.cap_add.clone(),
        cap_drop: BTreeSet::from(["ALL".to_owned()]),
        security_opt,
        memory,
        memory_swap: if container.no_swap { memory } else { -1 },
        nano_cpus: container.cpus.map_or(0, mcpo_deploy::model::Cpus::as_i64),
        pids: container.pids.map_or(0, i64::from),
        init: container.init,
        tmpfs: container.tmpfs.clone(),
        mounts: container.mounts.iter().map(mount).collect(),
        networks: BTreeSet::from([container.network.clone()]),
        ports: ports.map(|port| (port.address.to_string(), port.host, port.container)).collect(),
        restart: match container.restart {
            Restart::Never => "no".to_owned(),
            Restart::UnlessStopped => "unless-stopped".to_owned(),
        },
        log_driver: "json-file".to_owned(),
        log_options: Some(log.map(|(key, value)| (key.to_owned(), value)).into()),
        ..Live::default()
    }
}

/// A plan's steps, one a line, as a person reads them.
pub(super) fn told(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|step| format!("{} ({})", step.op, step.cause)).collect()
}
