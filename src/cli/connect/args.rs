//! The types of `connect`, and nothing else.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::clients::Scope;

/// Whose files get which entry.
#[derive(Debug, Args)]
#[command(
    after_help = "Each file is changed in the one entry and nowhere else, a backup is kept beside it, and an entry of that name that is not ours is left alone without --force."
)]
pub struct ConnectArgs {
    /// The clients, such as `claude-desktop`; `--list` names them
    #[arg(value_name = "CLIENT")]
    pub clients: Vec<String>,
    /// Every client that is found on this machine
    #[arg(long, conflicts_with = "clients")]
    pub all: bool,
    /// What is done instead of connecting.
    #[command(flatten)]
    pub mode: ModeArgs,
    /// How the client gets at the server [default: docker for our own image, mcpo for any other]
    #[arg(long, value_name = "WAY")]
    pub via: Option<ViaArg>,
    /// The address of a server that speaks Streamable HTTP [default: the project's bridge]
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// With an address: the variable, or the client's secret, that has the token
    #[arg(long, value_name = "NAME", conflicts_with = "write_token")]
    pub token_variable: Option<String>,
    /// With an address: write the token in this file into the client's file, where it can be read
    #[arg(long, value_name = "FILE", conflicts_with_all = ["print", "diff"])]
    pub write_token: Option<PathBuf>,
    /// What the entry is called [default: mcp-orchestrator for our own image, else the project's name]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Whose file: yours, for every project, or one in the project's folder
    #[arg(long, value_name = "WHOSE", default_value = "user")]
    pub scope: ScopeArg,
    /// Replace, remove or take back an entry of that name that is not ours, or not as we left it; write a token into the file of a client that takes a name
    #[arg(long)]
    pub force: bool,
}

/// What is done instead of connecting.
#[derive(Debug, Args)]
#[group(multiple = false)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct ModeArgs {
    /// Show every client, whether it is found here, and what its file says
    #[arg(long)]
    pub list: bool,
    /// Print what an empty file would become, and look at none
    #[arg(long)]
    pub print: bool,
    /// Show what would change in the files, and write nothing
    #[arg(long)]
    pub diff: bool,
    /// Take the entry out
    #[arg(long)]
    pub remove: bool,
    /// Take the last change of the entry back
    #[arg(long)]
    pub undo: bool,
    /// Start what the files say, as the clients would, and speak with it
    #[arg(long)]
    pub check: bool,
}

/// How a client gets at the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ViaArg {
    /// It starts a hardened container with `docker run`; nothing of mcpo-deploy is needed then
    Docker,
    /// It starts `mcpo-deploy run`, which reads mcpo.yaml each time
    Mcpo,
    /// It speaks Streamable HTTP with the bridge that `mcpo-deploy up` started
    Url,
}

impl ViaArg {
    /// Its name on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Mcpo => "mcpo",
            Self::Url => "url",
        }
    }
}

/// Whose file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ScopeArg {
    /// Yours
    User,
    /// The project's
    Project,
}

impl From<ScopeArg> for Scope {
    fn from(scope: ScopeArg) -> Self {
        match scope {
            ScopeArg::User => Self::User,
            ScopeArg::Project => Self::Project,
        }
    }
}
