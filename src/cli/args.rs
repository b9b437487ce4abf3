//! The command line's types, and nothing else.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::call_args::{CallArgs, ToolsArgs};
use super::connect::ConnectArgs;
pub use super::run::RunArgs;

/// Builds, provisions and proves hardened containers for MCP servers that speak stdio.
#[derive(Debug, Parser)]
#[command(
    name = "mcpo-deploy",
    version,
    about,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// What holds for every verb.
    #[command(flatten)]
    pub common: Common,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What holds for every verb.
#[derive(Debug, Args)]
pub struct Common {
    /// The file that describes the deployment [default: mcpo.yaml here or in a folder above]
    #[arg(short, long, global = true, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The project's name [default: `project:` in the file, else the folder's name]
    #[arg(short, long, global = true, value_name = "NAME")]
    pub project: Option<String>,
    /// Set a value of the file, such as `--set hardening.memory=1g`; may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Accept that the engine cannot enforce a protection: memory, swap, cpus, pids, seccomp
    #[arg(long, global = true, value_name = "NAME", value_delimiter = ',')]
    pub accept_unenforced: Vec<String>,
    /// Accept that ports are published beyond this machine without a token or TLS
    #[arg(long, global = true)]
    pub insecure: bool,
    /// Whom the output is for
    #[arg(long, global = true, value_name = "FORMAT", default_value = "human")]
    pub format: FormatArg,
    /// Say more: what the engine says as well
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Say less: results, warnings and errors alone
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Where the static programs for the images are [default: beside mcpo-deploy]
    #[arg(long, global = true, value_name = "FOLDER", hide_short_help = true)]
    pub programs: Option<PathBuf>,
}

/// Whom output is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// A person.
    Human,
    /// A program: one JSON document on standard output; with `logs` one for each line (JSON Lines).
    Json,
    /// The same documents as YAML; with `logs` each begins with `---`.
    Yaml,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Build, create and start what is missing or changed, and prove that it works
    Up {
        /// What to bring up
        #[arg(value_name = "PROFILE", default_value = "bridge")]
        profile: ProfileArg,
        /// Say what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Stop and remove what is this project's; volumes are kept
    Down {
        /// Remove the volumes too, and what is in them
        #[arg(long)]
        volumes: bool,
        /// Say what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Show what runs, and what `up` would change
    Status,
    /// Show what the services wrote
    Logs {
        /// Whose log [default: every service's]
        service: Option<String>,
        /// Go on as more is written
        #[arg(long)]
        follow: bool,
        /// How many lines of each
        #[arg(short = 'n', long, value_name = "LINES")]
        tail: Option<usize>,
    },
    /// Speak with what runs, and compare it with what was promised
    Verify,
    /// Be the stdio server: run it in a container of its own, for the client that started this
    Run(RunArgs),
    /// Remove the containers of clients that were killed before they could
    Reap {
        /// Remove these too, whose owners cannot be seen from here: of another machine or PID namespace
        #[arg(value_name = "CONTAINER")]
        containers: Vec<String>,
        /// Say what would be removed, and remove nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Call one tool of the server, and print what it answers
    Call(CallArgs),
    /// List the tools of the server
    Tools(ToolsArgs),
    /// Put the server into the configuration files of MCP clients, check it there, or take it out
    Connect(ConnectArgs),
    /// Build the images that are missing or changed
    Build {
        /// Say what would be done, and do nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Write the deployment as Compose files, or as a `docker run` line
    Render(RenderArgs),
    /// Show every setting and where its value comes from
    Config,
    /// Write a commented mcpo.yaml, a .env and a .gitignore line; never overwrites
    Init {
        /// Say what would be written, and write nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Write the mcpo.yaml that matches a compose file or a `docker run …` line
    Import {
        /// The compose file, or a file with the line; `-` reads standard input
        #[arg(value_name = "FILE")]
        source: PathBuf,
        /// Where mcpo.yaml is written; `-` prints it [default: the current folder]
        #[arg(short, long, value_name = "FOLDER")]
        output: Option<PathBuf>,
        /// Replace an mcpo.yaml that is there, and keep a backup
        #[arg(long)]
        force: bool,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a folder
    Man {
        /// The folder
        folder: PathBuf,
    },
    /// Write the generated reference into a folder
    #[command(hide = true)]
    Reference {
        /// The folder
        folder: PathBuf,
    },
}

/// A profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProfileArg {
    /// The bridge; the orchestrator is spawned on demand
    Bridge,
    /// The bridge and the application of mcpo.yaml
    FullStack,
    /// The images alone
    BuildOnly,
}

/// What is to be rendered, and where it goes.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct RenderArgs {
    /// What to render
    #[arg(value_name = "WHAT", default_value = "all")]
    pub what: WhatArg,
    /// Which container's line, with `run`
    #[arg(value_name = "SERVICE")]
    pub service: Option<LineArg>,
    /// The folder that the files are written to; `-` prints them [default: -, and compose with --check]
    #[arg(short, long, value_name = "FOLDER")]
    pub output: Option<PathBuf>,
    /// Compare what is in the folder with what would be rendered; exits 1 where they differ
    #[arg(long, conflicts_with_all = ["force", "eject"])]
    pub check: bool,
    /// Overwrite a file that a person wrote; it is kept beside
    #[arg(long)]
    pub force: bool,
    /// Pin images by their digests: the names can then only ever mean those that are here now
    #[arg(long)]
    pub pin: bool,
    /// Which Compose is to read the files [default: 2.30]
    #[arg(long = "for", value_name = "VERSION")]
    pub generation: Option<GenerationArg>,
    /// A folder with templates in the place of the embedded ones
    #[arg(long, value_name = "FOLDER")]
    pub templates: Option<PathBuf>,
    /// Write the embedded templates into a folder, to be changed
    #[arg(long)]
    pub eject: bool,
    /// With `run`: each option on a line, with what it is for
    #[arg(long)]
    pub explain: bool,
    /// Accept that a template says less than the description asks for
    #[arg(long)]
    pub allow_weaker: bool,
}

/// What can be rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WhatArg {
    /// A Compose file with the application, the bridge and the orchestrator's image
    FullStack,
    /// A Compose file with the bridge
    Bridge,
    /// A Compose file with the images alone
    BuildOnly,
    /// A `docker run` line
    Run,
    /// All three Compose files
    All,
}

/// Whose `docker run` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LineArg {
    /// The stdio server
    Orchestrator,
    /// The network bridge
    Bridge,
}

/// A generation of Compose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GenerationArg {
    /// Version 2.30 and later
    #[value(name = "2.30")]
    Current,
    /// Version 2.24 and later: env files are read as it reads them, and not as `docker run` does
    #[value(name = "2.24")]
    V2_24,
    /// Version 1.29: what it does not know is left out, and said
    #[value(name = "1.29")]
    V1_29,
}
