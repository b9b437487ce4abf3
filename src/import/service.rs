//! One service as somebody wrote it, whatever they wrote it in.

use std::collections::BTreeMap;

use crate::model::Secret;

/// What a text describes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Project {
    /// Its name, where one is written.
    pub name: Option<String>,
    /// The line of a `version:`, which Compose no longer reads.
    pub version: Option<usize>,
    /// Its services, in the order of the text.
    pub services: Vec<Service>,
    /// Networks that exist already: the name in the text to the network's own.
    pub external_networks: BTreeMap<String, String>,
}

/// One service.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Service {
    /// Its name in the text; of a run line the container's, else that of the image.
    pub name: String,
    /// Where it stands: what notes about it start with.
    pub path: String,
    /// The line that it starts in, from 1.
    pub line: usize,
    /// The image that it runs from.
    pub image: Option<String>,
    /// What that image is built from.
    pub build: Option<Build>,
    /// What is run, or handed to the image's entry point.
    pub command: Option<Vec<String>>,
    /// The entry point, where the image's own is replaced.
    pub entrypoint: Option<Vec<String>>,
    /// Files with variables, in order.
    pub env_files: Vec<String>,
    /// Its variables.
    pub environment: BTreeMap<String, Variable>,
    /// Who it runs as, as it is written.
    pub user: Option<String>,
    /// Whether the root file system is read-only, where that is said.
    pub read_only: Option<bool>,
    /// In-memory folders: path to mount options.
    pub tmpfs: BTreeMap<String, String>,
    /// What it may do.
    pub privileges: Privileges,
    /// How much it may use.
    pub limits: Limits,
    /// Its published ports.
    pub ports: Vec<Port>,
    /// What is mounted into it.
    pub mounts: Vec<Mount>,
    /// The networks that it joins, by their names in the text.
    pub networks: Vec<String>,
    /// `none`, `host`, `bridge`, or another container's.
    pub network_mode: Option<String>,
    /// The restart policy.
    pub restart: Option<String>,
    /// How much of its output is kept.
    pub logs: LogLimits,
    /// What it shares with the host.
    pub namespaces: Namespaces,
    /// Devices of the host.
    pub devices: Vec<String>,
    /// Whether its standard input stays open.
    pub interactive: bool,
    /// The profiles that start it.
    pub profiles: Vec<String>,
    /// The services that it waits for.
    pub depends_on: Vec<String>,
    /// Whether a rendering of ours wrote it, so that whatever it says was decided.
    pub ours: bool,
}

impl Service {
    /// A rendering of ours leaves out what was weakened by name: what others forgot was decided there.
    pub(super) fn say_what_is_not_there(&mut self) {
        for limit in [&mut self.limits.memory, &mut self.limits.cpus, &mut self.limits.pids] {
            limit.get_or_insert_with(|| "0".to_owned());
        }
        if self.privileges.no_new_privileges().is_none() {
            self.privileges.security_opt.push("no-new-privileges=false".to_owned());
        }
    }

    /// Whether a mount is for logs: by its folder's name, and in a rendering of ours always.
    #[must_use]
    pub(super) fn is_log(&self, mount: &Mount) -> bool {
        self.ours || matches!(mount.target.rsplit('/').next(), Some("logs" | "log"))
    }

    /// Whether it is a line rather than a part of a compose file.
    #[must_use]
    pub fn is_run_line(&self) -> bool {
        self.path.starts_with("docker run")
    }

    /// What a note about one of its keys starts with.
    #[must_use]
    pub fn at(&self, key: &str) -> String {
        format!("{}{}{key}", self.path, if self.is_run_line() { ' ' } else { '.' })
    }
}

/// What an image is built from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Build {
    /// The folder, or an address.
    pub context: String,
    /// The Dockerfile, by its path within the folder.
    pub dockerfile: Option<String>,
    /// The image that `Dockerfile.bridge` is told to start from.
    pub orchestrator_image: Option<String>,
}

/// The value of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    /// The environment's variable of the same name.
    Passed,
    /// What is written.
    Written(Secret),
    /// A text with variables in it that cannot be known here; their names.
    Unresolved(Vec<String>),
}

/// What the processes of a service may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Privileges {
    /// Everything, on the host as well.
    pub privileged: bool,
    /// Capabilities added.
    pub cap_add: Vec<String>,
    /// Capabilities dropped.
    pub cap_drop: Vec<String>,
    /// Security options, in order, with `=` between name and value.
    pub security_opt: Vec<String>,
}

impl Privileges {
    /// The value of a security option; `""` where it has none.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        self.security_opt.iter().rev().find_map(|option| match option.split_once('=') {
            Some((key, value)) if key == name => Some(value),
            None if option == name => Some(""),
            _ => None,
        })
    }

    /// Whether no process may gain rights, where that is said.
    #[must_use]
    pub fn no_new_privileges(&self) -> Option<bool> {
        self.option("no-new-privileges").map(|value| value != "false")
    }

    /// Whether every capability is dropped.
    #[must_use]
    pub fn drops_all(&self) -> bool {
        self.cap_drop.iter().any(|name| name.eq_ignore_ascii_case("all"))
    }
}

/// How much a service may use, as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Memory.
    pub memory: Option<String>,
    /// Memory and swap together.
    pub swap: Option<String>,
    /// Processors.
    pub cpus: Option<String>,
    /// Processes.
    pub pids: Option<String>,
}

/// How much of a service's output the engine keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogLimits {
    /// The driver.
    pub driver: Option<String>,
    /// The size of one file.
    pub max_size: Option<String>,
    /// How many files.
    pub max_files: Option<String>,
}

/// A published port, or several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Port {
    /// The address of the host; `None` for all of them.
    pub address: Option<String>,
    /// The port of the host; `None` for any that is free.
    pub host: Option<u16>,
    /// The port of the container.
    pub container: u16,
    /// Whether it is UDP or SCTP.
    pub not_tcp: bool,
}

/// Something that is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// What it is.
    pub kind: MountKind,
    /// Where it is in the container.
    pub target: String,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountKind {
    /// A path of the host.
    Host(String),
    /// A named volume.
    Volume(String),
    /// A volume without a name.
    Anonymous,
    /// Something else: its type.
    Other(String),
}

/// What a service shares with the host, by the name of the namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Namespaces {
    /// `pid`, `ipc`, `uts`, `userns` or `cgroup`.
    pub of_host: Vec<String>,
}
