//! The program `mcpo-deploy`: parse, run a verb, report, end with a documented exit code.

use std::sync::OnceLock;

use clap::Parser;
use clap::error::ErrorKind;

use super::args::{Cli, FormatArg, Verb};
use super::session::Global;
use super::{build, completions, config, down, import, init, logs, reference, status, up, verify};
use crate::diagnostic::{Exit, Failure};
use crate::engine::Docker;
use crate::env::Env;
use crate::report::{Format, Reporter, Style, Verbosity};

/// Runs the program on this process's arguments, environment and streams.
#[must_use]
pub fn main() -> Exit {
    let env = Env::of_process();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let format = match cli.common.format {
        FormatArg::Human => Format::Human,
        FormatArg::Json => Format::Json,
        FormatArg::Yaml => Format::Yaml,
    };
    let verbosity = match (cli.common.quiet, cli.common.verbose) {
        (true, _) => Verbosity::Quiet,
        (_, true) => Verbosity::Verbose,
        _ => Verbosity::Normal,
    };
    let reporter = Reporter::stdio(Style::of_process(format, verbosity, &env));
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            reporter.warning(&format!("cannot start: {error}"));
            return Exit::Bug;
        }
    };
    let global = Global { common: cli.common, env, reporter, engine: OnceLock::new() };
    let exit = runtime.block_on(until_interrupted(&global, cli.verb));
    // Nothing is waited for that a verb left behind, such as a read of a closed log.
    runtime.shutdown_background();
    exit
}

/// `--help` and `--version` are answers; everything else that clap has to say is bad input.
fn usage(error: &clap::Error) -> Exit {
    // Nothing is left to be done for a reader that went away.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done,
        _ => Exit::BadInput,
    }
}

async fn until_interrupted(global: &Global, verb: Verb) -> Exit {
    // From here on, before the first request: a signal must not find its default, which says nothing.
    let interruption = interrupted();
    let outcome = tokio::select! {
        outcome = run(global, verb) => outcome,
        () = interruption => {
            global.reporter.cut_short(
                "interrupted; what was created so far is still there: `mcpo-deploy up` continues, `mcpo-deploy down` removes it",
            );
            if let Some(docker) = global.engine.get()
                && let Err(error) = tokio::select! {
                    removed = docker.remove_probes() => removed,
                    () = interrupted() => Ok(()),
                }
            {
                global.reporter.error(&error);
            }
            return Exit::Interrupted;
        }
    };
    match outcome {
        Ok(exit) => exit,
        Err(error) => {
            global.reporter.error(&*error);
            error.exit()
        }
    }
}

async fn run(global: &Global, verb: Verb) -> Result<Exit, Failure> {
    match verb {
        Verb::Up { profile, dry_run } => up::run(global, profile.into(), dry_run).await,
        Verb::Down { volumes, dry_run } => down::run(global, volumes, dry_run).await,
        Verb::Status => status::run(global).await,
        Verb::Logs { service, follow, tail } => logs::run(global, service.as_deref(), follow, tail).await,
        Verb::Verify => verify::run(global).await,
        Verb::Build { dry_run } => build::run(global, dry_run).await,
        Verb::Config => config::run(global),
        Verb::Init { dry_run } => init::run(global, dry_run),
        Verb::Import { source, output, force } => {
            import::run(global, &source, &import::Target { output: output.as_deref(), force })
        }
        Verb::Completions { shell } => Ok(completions::shell(global, shell)),
        Verb::Man { folder } => completions::man(global, &folder),
        Verb::Reference { folder } => reference::run(global, &folder),
    }
}

/// Ctrl-C, or SIGTERM, from this call on and not only once it is waited for.
#[cfg(unix)]
fn interrupted() -> impl Future<Output = ()> {
    use tokio::signal::unix::{Signal, SignalKind, signal};
    async fn received(signal: Option<Signal>) {
        match signal {
            Some(mut signal) => drop(signal.recv().await),
            // It cannot be listened to, and keeps its default.
            None => std::future::pending().await,
        }
    }
    let [interrupt, terminate] =
        [SignalKind::interrupt(), SignalKind::terminate()].map(|kind| signal(kind).ok());
    async {
        tokio::select! {
            () = received(interrupt) => {}
            () = received(terminate) => {}
        }
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
async fn interrupted() {
    let _ = tokio::signal::ctrl_c().await;
}

/// The engine that a verb connected to, kept for cleaning up after an interruption.
pub(super) type Engine = OnceLock<Docker>;
