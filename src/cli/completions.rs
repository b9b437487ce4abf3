//! Completion scripts and manual pages, generated from the arguments' types.

use std::path::Path;

use clap::{Command, CommandFactory};
use serde_json::json;

use super::args::Cli;
use super::error::CliError;
use super::session::Global;
use crate::diagnostic::{Exit, Failure};

pub(super) fn shell(global: &Global, shell: clap_complete::Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut shown(), "mcpo-deploy", &mut script);
    global.reporter.raw(&String::from_utf8_lossy(&script));
    Exit::Done
}

/// The command line without its hidden verbs, which the generator for Bash completes like any other.
fn shown() -> Command {
    let whole = Cli::command();
    let verbs = whole.get_subcommands().filter(|verb| !verb.is_hide_set());
    Command::new("mcpo-deploy")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .args(whole.get_arguments())
        .subcommands(verbs)
}

pub(super) fn man(global: &Global, folder: &Path) -> Result<Exit, Failure> {
    let failed = |source| CliError::Write { path: folder.to_path_buf(), source };
    std::fs::create_dir_all(folder).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(failed)?;
    global.reporter.text(&format!("wrote the manual pages to {}\n", folder.display()));
    global.reporter.json(&json!({"folder": folder}));
    Ok(Exit::Done)
}
