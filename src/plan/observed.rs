//! What an engine says there is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::config::Protection;
use crate::model::{ImageRef, Secret, User, label};

/// Everything that a plan for one project looks at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observed {
    /// The engine and the machine that it runs on.
    pub machine: Machine,
    /// The images that the plan names, those that are there.
    pub images: BTreeMap<ImageRef, ImageFacts>,
    /// The project's containers, one-off ones included.
    pub containers: Vec<LiveContainer>,
    /// Every network whose name the plan may want or that is labelled as the project's.
    pub networks: Vec<OwnedObject>,
    /// Every volume likewise.
    pub volumes: Vec<OwnedObject>,
    /// Names of containers that are not the project's, with whose they are.
    pub foreign_names: BTreeMap<String, Option<String>>,
    /// Published ports of containers that are not the project's.
    pub held_ports: Vec<HeldPort>,
}

/// The engine and its machine.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Machine {
    /// Where the engine was reached, as it is shown to people.
    pub endpoint: String,
    /// Whether published ports and host folders are another machine's.
    pub remote: bool,
    /// The engine's name and version.
    pub engine: String,
    /// The architecture as in image configs, such as `amd64`.
    pub architecture: String,
    /// Processors.
    pub cpus: u32,
    /// Whether containers see cgroups of their own by default: where the machine has version 2.
    pub private_cgroups: bool,
    /// What it cannot enforce.
    pub unenforced: BTreeSet<Protection>,
}

impl Machine {
    /// One that has and can do whatever is asked: for what will run elsewhere.
    #[must_use]
    pub fn any() -> Self {
        Self { cpus: u32::MAX, ..Self::default() }
    }
}

/// What is looked at in an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageFacts {
    /// `sha256:…` of its config.
    pub id: String,
    /// Its user, as written.
    pub user: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its entrypoint.
    pub entrypoint: Vec<String>,
    /// Its command.
    pub command: Vec<String>,
    /// Its variables.
    pub environment: BTreeMap<String, Secret>,
    /// The folder that its programs start in; empty means `/`.
    pub working_dir: String,
    /// Its architecture, such as `amd64`.
    pub architecture: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its references by digest, `name@sha256:…`; a local image has none.
    pub digests: Vec<String>,
}

impl ImageFacts {
    /// What is looked at in the image of our own stdio server, whether or not it is built.
    #[must_use]
    pub fn of_our_server() -> Self {
        const PROGRAM: &str = "mcp-orchestrator";
        Self {
            user: User::NONROOT.to_string(),
            labels: [(label::PROGRAM.to_owned(), PROGRAM.to_owned())].into(),
            entrypoint: vec![format!("/{PROGRAM}")],
            ..Self::default()
        }
    }

    /// Whether it names its user, so that its number has to be found out.
    #[must_use]
    pub fn names_user(&self) -> bool {
        !self.user.is_empty() && self.user.parse::<User>().is_err()
    }

    /// The image's own user where it is a number and not root's.
    #[must_use]
    pub fn nonroot(&self) -> Option<User> {
        self.user.parse().ok().filter(|user: &User| !user.is_root())
    }
}

/// A network or volume, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedObject {
    /// Its name in the engine.
    pub name: String,
    /// The project that it is labelled with, by us or by Compose.
    pub project: Option<String>,
}

/// A published port that somebody holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldPort {
    /// The host's port.
    pub port: u16,
    /// The host's address.
    pub address: IpAddr,
    /// The container's name.
    pub container: String,
    /// The project that the container is labelled with.
    pub project: Option<String>,
}

/// A container as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveContainer {
    /// Its id.
    pub id: String,
    /// Its name, without the leading slash.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether and how it runs.
    pub state: State,
    /// What its health check says; `None` where it has none.
    pub health: Option<Health>,
    /// How it is confined.
    pub live: Live,
}

impl LiveContainer {
    /// The service that it is of.
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        self.labels.get(label::COMPOSE_SERVICE).map(String::as_str)
    }

    /// Whether it keeps running, as opposed to one that answers a verification and goes.
    #[must_use]
    pub fn is_service(&self) -> bool {
        let is = |key, value: &str| self.labels.get(key).is_some_and(|v| v == value);
        !is(label::ROLE, label::ROLE_PROBE) && !is(label::COMPOSE_ONEOFF, "True")
    }
}

/// Whether and how a container runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Whether it runs now.
    pub running: bool,
    /// The engine's word: `created`, `running`, `restarting`, `exited`, ….
    pub status: String,
    /// The code that it last ended with.
    pub exit_code: i64,
    /// Whether the kernel ended it for want of memory.
    pub oom_killed: bool,
    /// How often the engine started it again.
    pub restarts: i64,
}

impl State {
    /// Whether somebody froze its processes; it counts as running all the same.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.status == "paused"
    }
}

/// What a health check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// No check has passed or failed often enough yet.
    Starting,
    /// The last check passed.
    Healthy,
    /// Checks fail.
    Unhealthy,
}

impl Health {
    /// The engine's word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// How a container is confined, as `inspect` says it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Live {
    /// The id of its image.
    pub image_id: String,
    /// `Config.Entrypoint`.
    pub entrypoint: Vec<String>,
    /// `Config.Cmd`.
    pub command: Vec<String>,
    /// `Config.WorkingDir`; empty means `/`.
    pub working_dir: String,
    /// `Config.Hostname`, which Podman adds to the variables.
    pub hostname: String,
    /// `Config.Env`.
    pub environment: BTreeMap<String, Secret>,
    /// `Config.User`.
    pub user: String,
    /// `HostConfig.GroupAdd`.
    pub groups: BTreeSet<String>,
    /// `HostConfig.ReadonlyRootfs`.
    pub read_only: bool,
    /// `HostConfig.Privileged`.
    pub privileged: bool,
    /// `HostConfig.CapAdd`, without `CAP_`.
    pub cap_add: BTreeSet<String>,
    /// `HostConfig.CapDrop`, without `CAP_`.
    pub cap_drop: BTreeSet<String>,
    /// `HostConfig.SecurityOpt`.
    pub security_opt: Vec<String>,
    /// `HostConfig.Memory`, in bytes; 0 is no limit.
    pub memory: i64,
    /// `HostConfig.MemorySwap`, in bytes, memory included; -1 is no limit.
    pub memory_swap: i64,
    /// `HostConfig.NanoCpus`; 0 is no limit.
    pub nano_cpus: i64,
    /// `HostConfig.PidsLimit`; 0 and -1 are no limit.
    pub pids: i64,
    /// `HostConfig.Init`.
    pub init: bool,
    /// `HostConfig.MaskedPaths` and `HostConfig.ReadonlyPaths`; `None` where the engine does not show
    /// them, as Podman.
    pub system_paths: Option<BTreeSet<String>>,
    /// `HostConfig.Sysctls`.
    pub sysctls: BTreeMap<String, String>,
    /// `HostConfig.Tmpfs`, and what of `HostConfig.Mounts` is in memory.
    pub tmpfs: BTreeMap<String, String>,
    /// `Mounts`, all but tmpfs.
    pub mounts: Vec<LiveMount>,
    /// `NetworkSettings.Networks`' names.
    pub networks: BTreeSet<String>,
    /// `HostConfig.PidMode`, `IpcMode`, `UTSMode`, `UsernsMode`, `CgroupnsMode` and network mode, where
    /// one is the host's or another container's.
    pub shared_namespaces: BTreeSet<String>,
    /// `HostConfig.PortBindings`: (address, host port, container port).
    pub ports: BTreeSet<(String, u16, u16)>,
    /// `HostConfig.RestartPolicy.Name`; empty means `no`.
    pub restart: String,
    /// `HostConfig.LogConfig.Type`.
    pub log_driver: String,
    /// `HostConfig.LogConfig.Config`; `None` where the engine does not show it, as Podman.
    pub log_options: Option<BTreeMap<String, String>>,
    /// `HostConfig.Devices`, `DeviceCgroupRules` and `DeviceRequests`, in words.
    pub devices: BTreeSet<String>,
}

/// A mount as `inspect` says it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LiveMount {
    /// `volume` or `bind`.
    pub kind: String,
    /// The volume's name or the folder's path.
    pub source: String,
    /// The path in the container.
    pub target: String,
    /// Whether it can be written.
    pub writable: bool,
}
