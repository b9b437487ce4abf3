//! What stands in the way of a plan.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::config::Protection;
use crate::diagnostic::{Diagnostic, Exit};
use crate::model::{ImageRef, User};

/// One thing that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanProblem {
    /// The full-stack profile without an application.
    NoApp,
    /// The engine cannot enforce a protection that was asked for.
    Unenforced(Protection),
    /// Ports published beyond loopback without a token or TLS.
    OpenToTheNetwork(IpAddr),
    /// A host folder on an engine that is another machine's.
    FolderOnRemote(PathBuf),
    /// A host folder that does not exist, and that whoever asks cannot give to who writes into it.
    NoFolder {
        /// The folder.
        folder: PathBuf,
        /// Who writes into it.
        user: User,
    },
    /// A published port is held by somebody else.
    PortTaken {
        /// The port.
        port: u16,
        /// The setting that chose it.
        setting: &'static str,
        /// The container's port that it leads to.
        container: u16,
        /// Who holds it: a project's container, or a process.
        holder: String,
        /// A port that is free.
        free: Option<u16>,
    },
    /// A container, network or volume of that name is somebody else's.
    NameTaken {
        /// `container`, `network` or `volume`.
        kind: &'static str,
        /// The name.
        name: String,
        /// The project that it is labelled with.
        project: Option<String>,
    },
    /// The image that the bridge would be called is there, and was not built by us.
    ImageTaken(ImageRef),
    /// A network that should exist does not.
    NoSuchNetwork(String),
}

impl PlanProblem {
    fn hint(&self) -> String {
        match self {
            Self::NoApp => "describe it in mcpo.yaml: `app: {build: {context: ./app}}` or `app: {image: NAME}`".into(),
            Self::Unenforced(protection) => {
                format!("run it where that can be enforced, or accept it by name: --accept-unenforced {}", protection.name())
            }
            Self::OpenToTheNetwork(_) => {
                "publish on 127.0.0.1 and put a proxy with TLS and authentication in front, or accept it by name: --insecure".into()
            }
            Self::FolderOnRemote(_) => "use a named volume: remove `logs.folder`".into(),
            Self::NoFolder { folder, user: User { uid, gid } } => {
                format!("make it: sudo install -d -m 750 -o {uid} -g {gid} {}", folder.display())
            }
            Self::PortTaken { setting: setting @ "app.ports", container, free, .. } => {
                let free = free.map_or_else(|| "PORT".to_owned(), |free| free.to_string());
                format!("stop what holds it, or publish another: `{setting}` with `{free}: {container}`")
            }
            Self::PortTaken { setting, free: Some(free), .. } => {
                format!("stop what holds it, or choose a free one: --set {setting}={free}")
            }
            Self::PortTaken { setting, .. } => format!("stop what holds it, or choose another: --set {setting}=PORT"),
            Self::NameTaken { .. } => "rename it, or give this project another name with -p NAME".into(),
            Self::ImageTaken(_) => "call ours something else: --set bridge.image=NAME, or remove that image".into(),
            Self::NoSuchNetwork(name) => format!("create it (docker network create {name}), or set hardening.network to private"),
        }
    }

    const fn exit(&self) -> Exit {
        match self {
            Self::NoApp | Self::OpenToTheNetwork(_) | Self::FolderOnRemote(_) | Self::NoSuchNetwork(_) => {
                Exit::BadInput
            }
            Self::Unenforced(_)
            | Self::NoFolder { .. }
            | Self::PortTaken { .. }
            | Self::NameTaken { .. }
            | Self::ImageTaken(_) => Exit::Failed,
        }
    }
}

impl fmt::Display for PlanProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoApp => {
                f.write_str("the full-stack profile needs an application, and mcpo.yaml describes none")
            }
            Self::Unenforced(protection) => {
                write!(f, "this engine cannot enforce {}", protection_in_words(*protection))
            }
            Self::OpenToTheNetwork(address) => {
                write!(
                    f,
                    "bridge.address {address} would let anybody on the network use the server without a token or TLS"
                )
            }
            Self::FolderOnRemote(folder) => {
                write!(
                    f,
                    "the engine is on another machine, and logs.folder {} is on this one",
                    folder.display()
                )
            }
            Self::NoFolder { folder, user } => {
                write!(
                    f,
                    "logs.folder {} does not exist, and only root can give it to {user}",
                    folder.display()
                )
            }
            Self::PortTaken { port, holder, .. } => write!(f, "port {port} is taken by {holder}"),
            Self::NameTaken { kind, name, project: Some(project) } => {
                write!(f, "the {kind} {name} exists and belongs to project {project}")
            }
            Self::NameTaken { kind, name, project: None } => {
                write!(f, "the {kind} {name} exists and is not mcpo-deploy's; it was left alone")
            }
            Self::ImageTaken(image) => {
                write!(f, "the image {image} exists and was not built by mcpo-deploy; it was left alone")
            }
            Self::NoSuchNetwork(name) => write!(f, "hardening.network names {name}, which does not exist"),
        }
    }
}

const fn protection_in_words(protection: Protection) -> &'static str {
    match protection {
        Protection::Memory => "a limit of memory",
        Protection::Swap => "a limit of swap: a container could use as much swap as memory on top",
        Protection::Cpus => "a limit of processors",
        Protection::Pids => "a limit of processes: a fork bomb would reach the whole machine",
        Protection::Seccomp => "a filter of system calls (seccomp)",
    }
}

/// Everything that stands in the way, at least one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanError {
    /// The problems, in the order of what they are about.
    pub problems: Vec<PlanProblem>,
}

impl PlanError {
    /// An error unless there is no problem.
    pub fn check(problems: Vec<PlanProblem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self { problems }) }
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PlanError {}

impl Diagnostic for PlanError {
    /// Bad input beats a failure: nothing was touched either way, and the input is what to mend first.
    fn exit(&self) -> Exit {
        self.problems.iter().map(PlanProblem::exit).max().unwrap_or(Exit::Failed)
    }

    fn hint(&self) -> Option<String> {
        let mut hints: Vec<String> = Vec::new();
        for hint in self.problems.iter().map(PlanProblem::hint) {
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
        Some(hints.join("\n"))
    }
}
