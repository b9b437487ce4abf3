//! The checked description: what a person asked for, every value valid and every default filled in.
//!
//! Nothing downstream of this checks again, and nothing in it was asked of an engine: what depends
//! on an image or on the machine (`User::Auto`, fewer processors than asked) is decided in `plan`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::{Bytes, Cpus, ImageRef, ProjectName, Secret, User};

/// A whole description.
#[derive(Debug, Clone, PartialEq)]
pub struct Stack {
    /// Whose everything is; in every label and name.
    pub project: ProjectName,
    /// The folder that relative paths start from: that of `mcpo.yaml`, else the current one. Absolute.
    pub folder: PathBuf,
    /// The file that was read, where there was one. Absolute.
    pub file: Option<PathBuf>,
    /// Those of its paths that are given from the root or the home folder on; all others lie where they
    /// do as seen from `folder`, wherever that is.
    pub fixed_paths: BTreeSet<PathBuf>,
    /// The stdio server.
    pub orchestrator: Orchestrator,
    /// What holds for every container.
    pub hardening: Hardening,
    /// Where logs go and how much of them is kept.
    pub logs: Logs,
    /// The network bridge.
    pub bridge: Bridge,
    /// The user's application, in the full-stack profile.
    pub app: Option<App>,
}

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Our own program: the static one beside the command line, else built from source.
    Ours,
    /// Somebody else's image, present or to be pulled.
    Image,
    /// Built from a context of the user's.
    Context {
        /// The folder that is sent. Absolute.
        context: PathBuf,
        /// The Dockerfile, relative to the context.
        dockerfile: String,
    },
}

/// The stdio server.
#[derive(Debug, Clone, PartialEq)]
pub struct Orchestrator {
    /// The image that it runs from.
    pub image: ImageRef,
    /// Where that image comes from.
    pub source: Source,
    /// What the container runs; empty means the image's own command.
    pub command: Vec<String>,
    /// The file with its secrets.
    pub env_file: Option<EnvFile>,
    /// Variables from the file, the environment or flags, which beat the env file's.
    pub environment: BTreeMap<String, Secret>,
    /// Those among them whose values were taken from the environment, since none was written.
    pub passed: BTreeSet<String>,
    /// Variables that its work needs; one that is missing is a warning.
    pub required_keys: Vec<String>,
    /// The tool whose answer proves that it works.
    pub status_tool: String,
    /// The most containers that clients have at a time.
    pub max_clients: u32,
}

/// An env file, read.
#[derive(Debug, Clone, PartialEq)]
pub struct EnvFile {
    /// Where it is. Absolute.
    pub path: PathBuf,
    /// Whether it was named, and so must be there.
    pub required: bool,
    /// What it says, by the rules of `docker run --env-file`; empty where the file is not there.
    pub variables: BTreeMap<String, Secret>,
}

/// What holds for every container.
#[derive(Debug, Clone, PartialEq)]
pub struct Hardening {
    /// The root file system is read-only.
    pub read_only: bool,
    /// In-memory folders: path to mount options, such as `/tmp` to `size=64m,mode=1777`.
    pub tmpfs: BTreeMap<String, String>,
    /// Who the processes run as; `None`: the image's own user unless that is root, else 65532.
    pub user: Option<User>,
    /// Capabilities that are kept; all others are dropped. Without the `CAP_` prefix.
    pub cap_add: BTreeSet<String>,
    /// No process gains rights that its parent lacks.
    pub no_new_privileges: bool,
    /// The filter of system calls.
    pub seccomp: Seccomp,
    /// Memory; swap is set equal to it, so that there is none. `None`: no limit, asked for by name.
    pub memory: Option<Bytes>,
    /// Processors. `None`: no limit, asked for by name.
    pub cpus: Option<Cpus>,
    /// Processes and threads. `None`: no limit, asked for by name.
    pub pids: Option<u32>,
    /// What the containers can reach.
    pub network: Network,
    /// Protections that may stay unenforced where the engine cannot enforce them.
    pub accept_unenforced: BTreeSet<Protection>,
}

/// The filter of system calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seccomp {
    /// The engine's own default profile.
    Default,
    /// A profile of the user's: its JSON text.
    Profile {
        /// Where it was read from. Absolute.
        path: PathBuf,
        /// The profile.
        json: String,
    },
    /// None, asked for by name.
    Unconfined,
}

/// What a container can reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// The project's own network.
    Private,
    /// Nothing; the bridge, which must be reachable, stays on the project's own network.
    None,
    /// A network that exists already and is not ours.
    Existing(String),
}

/// What an engine may be unable to enforce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protection {
    /// The limit of memory.
    Memory,
    /// The limit of swap.
    Swap,
    /// The limit of processors.
    Cpus,
    /// The limit of processes.
    Pids,
    /// The filter of system calls.
    Seccomp,
}

impl Protection {
    /// Every one, by its name in `mcpo.yaml` and on the command line.
    pub const ALL: [(&'static str, Self); 5] = [
        ("memory", Self::Memory),
        ("swap", Self::Swap),
        ("cpus", Self::Cpus),
        ("pids", Self::Pids),
        ("seccomp", Self::Seccomp),
    ];

    /// The name in `mcpo.yaml`.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, protection)| *protection == self).map_or("", |(name, _)| name)
    }
}

/// Where logs go and how much of them is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Logs {
    /// The volume or folder.
    pub place: LogPlace,
    /// Where it is mounted. An absolute path in the container.
    pub mount: String,
    /// One log file's size; the engine's log driver and the server's own log files follow it.
    pub max_size: Bytes,
    /// How many files are kept.
    pub max_files: u32,
    /// How long the server's own log files are kept. `None`: for ever.
    pub max_age: Option<Duration>,
}

/// The volume or folder that logs are kept in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogPlace {
    /// A named volume, by its name within the project.
    Volume(String),
    /// A folder of the host. Absolute.
    Folder(PathBuf),
}

/// The network bridge.
#[derive(Debug, Clone, PartialEq)]
pub struct Bridge {
    /// The image that it runs from; built from the orchestrator's.
    pub image: ImageRef,
    /// The published port of the WebSocket.
    pub websocket_port: u16,
    /// The published port of REST.
    pub rest_port: u16,
    /// The address of the host that both ports are published on.
    pub address: IpAddr,
    /// Whether an address beyond loopback is accepted without a token or TLS.
    pub insecure: bool,
    /// The most connections at a time.
    pub max_connections: u32,
    /// The most server processes at a time; without it, the bridge decides by what there is room for.
    pub max_children: Option<u32>,
    /// The longest message.
    pub max_message: Bytes,
    /// How long a call may take.
    pub call_timeout: Duration,
    /// Origins of web pages that may connect, besides none.
    pub allowed_origins: Vec<String>,
    /// Host names that requests may name, besides loopback and the service's own.
    pub allowed_hosts: Vec<String>,
}

/// The user's application.
#[derive(Debug, Clone, PartialEq)]
pub struct App {
    /// The image that it runs from.
    pub image: ImageRef,
    /// Where that image comes from; never [`Source::Ours`].
    pub source: Source,
    /// What the container runs; empty means the image's own command.
    pub command: Vec<String>,
    /// Its variables.
    pub environment: BTreeMap<String, Secret>,
    /// Those among them whose values were taken from the environment, since none was written.
    pub passed: BTreeSet<String>,
    /// Its published ports: host port to container port, on the bridge's address.
    pub ports: BTreeMap<u16, u16>,
    /// Whether it starts containers of the stdio server itself.
    pub spawns: bool,
}

impl App {
    /// One that is built from a folder, where none is described; `ports` are of host and container alike.
    #[must_use]
    pub fn in_folder(project: &ProjectName, context: PathBuf, ports: &[u16]) -> Self {
        let image = format!("{project}-app:latest").parse();
        Self {
            // A project's name may end in what must not stand before a dash.
            image: image.unwrap_or_else(|_| ImageRef::latest("app")),
            source: Source::Context { context, dockerfile: "Dockerfile".to_owned() },
            command: Vec::new(),
            environment: BTreeMap::new(),
            passed: BTreeSet::new(),
            ports: ports.iter().map(|&port| (port, port)).collect(),
            spawns: false,
        }
    }
}
