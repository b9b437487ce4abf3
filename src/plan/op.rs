//! Operations: each one effect on the engine, with exactly its data and a cause.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use super::container::Container;
use super::hash::Digest;
use crate::config::Protection;
use crate::model::{ImageRef, ProjectName, User};

/// The private network of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Its name in the engine.
    pub name: String,
    /// Its name within the project.
    pub key: String,
    /// Whose it is.
    pub project: ProjectName,
}

/// A named volume of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its name in the engine.
    pub name: String,
    /// Its name within the project.
    pub key: String,
    /// Whose it is.
    pub project: ProjectName,
}

/// A folder of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// Where. Absolute.
    pub path: PathBuf,
    /// Whom it is given to, where that is not who makes it.
    pub owner: Option<User>,
}

/// An image to be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageBuild {
    /// What it will be called.
    pub image: ImageRef,
    /// What from.
    pub from: BuildFrom,
    /// The digest of everything that goes in; becomes a label.
    pub input: Digest,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// Labels of its own.
    pub labels: BTreeMap<String, String>,
}

/// What an image is built from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildFrom {
    /// The static program beside the command line, and a Dockerfile of one stage.
    Program(&'static str),
    /// A context and its Dockerfile: the user's, or a checkout of ours.
    Context {
        /// The folder. Absolute.
        context: PathBuf,
        /// The Dockerfile, relative to the folder.
        dockerfile: String,
    },
}

/// One effect on the engine, or a wait for what such an effect has begun.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// Fetch an image from its registry.
    Pull(ImageRef),
    /// Build an image.
    Build(ImageBuild),
    /// Make a folder on this machine, for its owner and their group.
    CreateFolder(Folder),
    /// Create a network.
    CreateNetwork(Network),
    /// Create a volume.
    CreateVolume(Volume),
    /// Create a container.
    Create(Box<Container>),
    /// Start a container.
    Start(String),
    /// Wait until what runs in a container answers.
    AwaitReady(String),
    /// Stop a container, within its grace.
    Stop(String),
    /// Remove a container that is stopped.
    Remove(String),
    /// Remove a network.
    RemoveNetwork(String),
    /// Remove a volume, and what is in it.
    RemoveVolume(String),
}

impl Op {
    /// Whether it ends something or throws something away.
    #[must_use]
    pub const fn is_destructive(&self) -> bool {
        matches!(self, Self::Stop(_) | Self::Remove(_) | Self::RemoveNetwork(_) | Self::RemoveVolume(_))
    }

    /// The operation as one word, for machines.
    #[must_use]
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::Pull(_) => "pull-image",
            Self::Build(_) => "build-image",
            Self::CreateFolder(_) => "create-folder",
            Self::CreateNetwork(_) => "create-network",
            Self::CreateVolume(_) => "create-volume",
            Self::Create(_) => "create-container",
            Self::Start(_) => "start-container",
            Self::AwaitReady(_) => "await-container",
            Self::Stop(_) => "stop-container",
            Self::Remove(_) => "remove-container",
            Self::RemoveNetwork(_) => "remove-network",
            Self::RemoveVolume(_) => "remove-volume",
        }
    }

    /// The name of what it is done to.
    #[must_use]
    pub fn object(&self) -> &str {
        match self {
            Self::Pull(image) => image.as_str(),
            Self::Build(build) => build.image.as_str(),
            // Text, as it comes from a description.
            Self::CreateFolder(folder) => folder.path.to_str().unwrap_or("for logs"),
            Self::CreateNetwork(network) => &network.name,
            Self::CreateVolume(volume) => &volume.name,
            Self::Create(container) => &container.name,
            Self::Start(name)
            | Self::AwaitReady(name)
            | Self::Stop(name)
            | Self::Remove(name)
            | Self::RemoveNetwork(name)
            | Self::RemoveVolume(name) => name,
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.verb().replace('-', " ");
        write!(f, "{words} {}", self.object())
    }
}

/// An operation and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What is done.
    pub op: Op,
    /// Why, as a clause: `it does not exist`.
    pub cause: String,
}

impl Step {
    pub(crate) fn new(op: Op, cause: impl Into<String>) -> Self {
        Self { op, cause: cause.into() }
    }
}

/// Steps in the order in which they are carried out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// The steps; none where nothing is to be done.
    pub steps: Vec<Step>,
    /// What the reader should know before they are carried out.
    pub notes: Vec<String>,
    /// Protections that the engine may say it cannot enforce.
    pub accept_unenforced: BTreeSet<Protection>,
}

impl Plan {
    /// Whether there is nothing to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// The plan as a person reads it; names of variables, never their values.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for note in &self.notes {
            writeln!(f, "note: {note}")?;
        }
        if self.steps.is_empty() {
            return f.write_str("nothing to do\n");
        }
        for Step { op, cause } in &self.steps {
            let mark = if op.is_destructive() { '-' } else { '+' };
            writeln!(f, "{mark} {op} ({cause})")?;
            if let Op::Create(container) = op {
                write_container(f, container)?;
            }
        }
        Ok(())
    }
}

fn write_container(f: &mut fmt::Formatter<'_>, container: &Container) -> fmt::Result {
    let ports: Vec<String> = container
        .ports
        .iter()
        .map(|port| format!("{}:{} → {}", port.address, port.host, port.container))
        .collect();
    let limit = |value: Option<String>| value.unwrap_or_else(|| "unlimited".to_owned());
    writeln!(f, "    image {}, user {}", container.image, container.user)?;
    writeln!(
        f,
        "    memory {}, cpus {}, pids {}",
        limit(container.memory.map(|memory| memory.to_string())),
        limit(container.cpus.map(|cpus| cpus.to_string())),
        limit(container.pids.map(|pids| pids.to_string())),
    )?;
    if !ports.is_empty() {
        writeln!(f, "    ports {}", ports.join(", "))?;
    }
    let (names, others) = container.variable_names();
    write!(f, "    variables {}", names.join(", "))?;
    match others {
        0 => writeln!(f),
        1 => writeln!(f, ", and 1 that is no name"),
        more => writeln!(f, ", and {more} that are no names"),
    }
}
