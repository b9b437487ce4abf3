//! A container as it should be, and the words for its parts.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::observed::ImageFacts;
use super::redactor::Redactor;
use crate::config::is_variable;
use crate::model::{Bytes, Cpus, ImageRef, Secret, User, is_known_secret, is_secret_name};

/// A service of a deployment. Its name is the host name on the private network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// The stdio server, spawned on demand.
    Orchestrator,
    /// The network bridge.
    Bridge,
    /// The user's application.
    App,
}

impl Service {
    /// Every service, in the order in which they start.
    pub const ALL: [Self; 3] = [Self::Orchestrator, Self::Bridge, Self::App];

    /// The name in Compose files and labels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Orchestrator => "mcp-orchestrator",
            Self::Bridge => "mcp-bridge",
            Self::App => "app",
        }
    }

    /// The service of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }
}

/// A container, down to the last field that decides how it is confined.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is one switch of the engine's")]
pub struct Container {
    /// The service that it is of.
    pub service: Service,
    /// Its name; `<project>-<service>-1` as Compose names it.
    pub name: String,
    /// The image reference, as written.
    pub image: ImageRef,
    /// The id of the image that the reference meant when this was planned.
    pub image_id: Option<String>,
    /// What it runs; empty means the image's own command.
    pub command: Vec<String>,
    /// Its variables.
    pub environment: BTreeMap<String, Secret>,
    /// What it has of its image's besides; `None` where the image is not there yet.
    pub inherited: Option<Inherited>,
    /// Who it runs as.
    pub user: User,
    /// The root file system is read-only.
    pub read_only: bool,
    /// In-memory folders: path to mount options.
    pub tmpfs: BTreeMap<String, String>,
    /// Capabilities kept of all, which are dropped.
    pub cap_add: BTreeSet<String>,
    /// No process gains rights that its parent lacks.
    pub no_new_privileges: bool,
    /// The seccomp profile: `None` is the engine's default, else `unconfined` or the profile's JSON.
    pub seccomp: Option<String>,
    /// Memory.
    pub memory: Option<Bytes>,
    /// There is no swap on top of limited memory; `false` only where the engine cannot limit it.
    pub no_swap: bool,
    /// Processors.
    pub cpus: Option<Cpus>,
    /// Processes and threads.
    pub pids: Option<u32>,
    /// An init process of the engine's reaps, where the program does not.
    pub init: bool,
    /// Volumes and host folders.
    pub mounts: Vec<Mount>,
    /// The network's name in the engine; `none` for no network.
    pub network: String,
    /// Published ports.
    pub ports: Vec<Port>,
    /// It sees cgroups of its own.
    pub private_cgroups: bool,
    /// What happens when it ends.
    pub restart: Restart,
    /// The size of one file of the engine's log.
    pub log_size: Bytes,
    /// How many such files are kept.
    pub log_files: u32,
    /// Standard input stays open for one attached client.
    pub interactive: bool,
    /// How long it has to end before it is killed.
    pub stop_grace: Duration,
    /// Its labels, all but the config hash.
    pub labels: BTreeMap<String, String>,
    /// Where values came from.
    pub origins: Origins,
}

/// Where the values of a container came from. Text that is rendered names the place instead of the
/// value: secrets stay where they are, and so does what only this machine has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins {
    /// The env file.
    pub env_file: Option<EnvFileRef>,
    /// The variables that come from it.
    pub from_file: BTreeSet<String>,
    /// The variables that are taken from the environment of whoever starts the container.
    pub passed: BTreeSet<String>,
    /// The variables whose values we chose: settings, and no secrets.
    pub settings: BTreeSet<String>,
    /// The file of the seccomp profile. Absolute.
    pub seccomp: Option<PathBuf>,
}

/// Nothing: where a value came from is not part of what a container is created from.
impl Hash for Origins {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// What a container has of its image's where nothing else was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inherited {
    /// The image's entrypoint.
    pub entrypoint: Vec<String>,
    /// The image's command.
    pub command: Vec<String>,
    /// The image's variables.
    pub environment: BTreeMap<String, Secret>,
    /// The image's folder; empty means `/`.
    pub working_dir: String,
}

impl Inherited {
    /// Of the image that `facts` are about.
    #[must_use]
    pub fn of(facts: &ImageFacts) -> Self {
        let ImageFacts { entrypoint, command, environment, working_dir, .. } = facts.clone();
        Self { entrypoint, command, environment, working_dir }
    }
}

/// Nothing: the image's id says it all.
impl Hash for Inherited {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// An env file, not what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvFileRef {
    /// Where it is. Absolute.
    pub path: PathBuf,
    /// Whether it must be there.
    pub required: bool,
}

impl Container {
    /// The variables besides the env file's: with a value, or for the environment of whoever starts it,
    /// whether that has one here or not.
    #[must_use]
    pub fn set_by_name(&self) -> BTreeSet<&String> {
        let Origins { from_file, passed, .. } = &self.origins;
        self.environment.keys().chain(passed).filter(|key| !from_file.contains(*key)).collect()
    }

    /// Whether it is told how to start containers of the stdio server itself.
    #[must_use]
    pub fn spawns(&self) -> bool {
        self.origins.settings.contains(super::spawn::COMMAND)
    }

    /// Whether a variable holds a secret, as far as its name and its value tell; settings of ours hold
    /// none. Where its value would stand in a rendered text, it is asked for instead.
    #[must_use]
    pub fn asks_for(&self, variable: &str) -> bool {
        let value = self.environment.get(variable).map(Secret::expose).unwrap_or_default();
        !self.origins.settings.contains(variable) && (is_secret_name(variable) || is_known_secret(value))
    }

    /// What it said, without the values that were given to it: servers print their keys when they
    /// fail. For many lines there is [`Redactor::of`].
    #[must_use]
    pub fn redacted(&self, text: &str) -> String {
        Redactor::of(self).redacted(text)
    }

    /// The values that it was given and that are not settings of ours.
    pub(crate) fn given(&self) -> impl Iterator<Item = &Secret> {
        let theirs = self.environment.iter().filter(|(key, _)| !self.origins.settings.contains(*key));
        theirs.map(|(_, value)| value)
    }

    /// The names of its variables, and how many have something else in their place: a stray line of
    /// an env file may be a secret up to its first `=`, and one in base64 ends with two.
    #[must_use]
    pub fn variable_names(&self) -> (Vec<&str>, usize) {
        let is_named = |(key, value): &(&String, &Secret)| is_variable(key) && value.expose() != "=";
        let names: Vec<&str> =
            self.environment.iter().filter(is_named).map(|(key, _)| key.as_str()).collect();
        let others = self.environment.len() - names.len();
        (names, others)
    }
}

/// Something mounted into a container, writable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mount {
    /// What.
    pub source: MountSource,
    /// Where: an absolute path in the container.
    pub target: String,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MountSource {
    /// A named volume, by its name in the engine.
    Volume(String),
    /// A folder of the host. Absolute.
    Folder(PathBuf),
}

/// A published port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Port {
    /// The host's address.
    pub address: IpAddr,
    /// The host's port.
    pub host: u16,
    /// The container's port.
    pub container: u16,
}

/// What happens when a container ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Restart {
    /// It stays down, and is removed.
    Never,
    /// It is started again until somebody stops it.
    UnlessStopped,
}
