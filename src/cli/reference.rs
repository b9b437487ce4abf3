//! `docs/reference`, generated from the code.

use std::fmt::Write;
use std::path::Path;

use clap::CommandFactory;
use serde_json::json;

use super::args::Cli;
use super::error::CliError;
use super::session::Global;
use crate::config;
use crate::diagnostic::{Exit, Failure};
use crate::verify;

pub(super) fn run(global: &Global, folder: &Path) -> Result<Exit, Failure> {
    write(folder).map_err(|source| CliError::Write { path: folder.to_path_buf(), source })?;
    global.reporter.text(&format!("wrote the reference to {}\n", folder.display()));
    global.reporter.json(&json!({"folder": folder}));
    Ok(Exit::Done)
}

/// Writes every file of the reference into `folder`.
pub fn write(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for (name, text) in files() {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}

fn files() -> [(&'static str, String); 5] {
    [
        ("cli.md", cli()),
        ("checks.md", verify::reference()),
        ("config.md", config::reference()),
        ("exit-codes.md", exit_codes()),
        ("mcpo.schema.json", format!("{:#}\n", config::schema())),
    ]
}

fn exit_codes() -> String {
    let mut text = "# Exit codes\n\nHow `mcpo-deploy` ends. Generated from the code.\n\n| code | meaning |\n| --- | --- |\n".to_owned();
    for exit in Exit::ALL {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "| {} | {} |", exit.code(), exit.meaning());
    }
    let own = super::run::OWN_FAILURE;
    let _ = writeln!(
        text,
        "\n`mcpo-deploy run` ends with the code of its server, as `docker run` does, and with {own} where it fails by itself."
    );
    text
}

/// The help of every verb, as it is printed.
fn cli() -> String {
    let mut text = "# Command line\n\nGenerated from the code.\n".to_owned();
    let mut root = Cli::command().term_width(100);
    root.build();
    let mut section = |name: String, help: String| {
        let _ = write!(text, "\n## `{name}`\n\n```text\n{}\n```\n", help.trim_end());
    };
    section("mcpo-deploy".to_owned(), root.render_long_help().to_string());
    for verb in root.get_subcommands_mut().filter(|verb| !verb.is_hide_set()) {
        section(format!("mcpo-deploy {}", verb.get_name()), verb.render_long_help().to_string());
    }
    text
}
