//! The program `mcpo-deploy`: parse, run a verb, report, end with a documented exit code.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, ValueEnum};
#[cfg(unix)]
use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::sync::watch;
use tokio::time::sleep;

use super::args::{Cli, FormatArg, Verb};
use super::error::CliError;
use super::session::Global;
use super::{
    build, call, completions, config, connect, down, import, init, logs, reap, reference, render,
    run as client, status, tools, up, verify,
};
use crate::diagnostic::{Exit, Failure};
use crate::engine::Docker;
use crate::env::Env;
use crate::report::{Format, Reporter, Style, Verbosity};

/// Runs the program on this process's arguments, environment and streams.
#[must_use]
pub fn main() -> ExitCode {
    let env = Env::of_process();
    let arguments = Env::arguments_of_process();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return usage(&error, &arguments, &env),
    };
    // Of a server that runs, standard output is the server's.
    let is_run = matches!(cli.verb, Verb::Run(_));
    let format = if is_run { Format::Human } else { format(cli.common.format) };
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
            return Exit::Bug.into();
        }
    };
    let global = Global {
        common: cli.common,
        env,
        reporter,
        engine: OnceLock::new(),
        interruption: watch::Sender::new(false),
    };
    if let Verb::Run(args) = cli.verb {
        let code = runtime.block_on(client::run(&global, args));
        runtime.shutdown_background();
        return code.into();
    }
    let exit = runtime.block_on(until_interrupted(&global, cli.verb));
    // Nothing is waited for that a verb left behind, such as a read of a closed log.
    runtime.shutdown_background();
    delivered(&global.reporter, global.reporter.unwritten(), exit).into()
}

/// What could not be said was not done as asked.
fn delivered(reporter: &Reporter, unwritten: Option<std::io::Error>, exit: Exit) -> Exit {
    let Some(source) = unwritten else { return exit };
    reporter.error(&CliError::Output(source));
    if exit == Exit::Done { Exit::Failed } else { exit }
}

fn format(arg: FormatArg) -> Format {
    match arg {
        FormatArg::Human => Format::Human,
        FormatArg::Json => Format::Json,
        FormatArg::Yaml => Format::Yaml,
    }
}

/// `--help` and `--version` are answers; everything else that clap has to say is bad input.
fn usage(error: &clap::Error, arguments: &[OsString], env: &Env) -> ExitCode {
    let printed = error.print();
    let words = error.render().to_string();
    let verbs = Cli::command();
    let verb = arguments.iter().skip(1).find(|word| verbs.find_subcommand(word).is_some());
    let is_run = verb.is_some_and(|verb| verb == "run");
    let format = if is_run { Format::Human } else { asked_format(arguments) };
    let reporter = Reporter::stdio(Style::of_process(format, Verbosity::default(), env));
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // A reader that went away had enough.
        let unwritten = printed.err().filter(|error| error.kind() != std::io::ErrorKind::BrokenPipe);
        return delivered(&reporter, unwritten, Exit::Done).into();
    }
    reporter.error_data(&CliError::usage(&words));
    // Every other code is the server's.
    if is_run {
        return client::OWN_FAILURE.into();
    }
    delivered(&reporter, reporter.unwritten(), Exit::BadInput).into()
}

/// Whom the output is for, of arguments that say something else that is wrong.
fn asked_format(arguments: &[OsString]) -> Format {
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    let spelt = words.iter().enumerate().find_map(|(at, word)| match word.strip_prefix("--format")? {
        "" => words.get(at + 1).copied(),
        value => value.strip_prefix('='),
    });
    spelt.and_then(|value| FormatArg::from_str(value, false).ok()).map_or(Format::Human, format)
}

/// How long a verb may take to end by itself.
const LAST_WORD: Duration = Duration::from_secs(2);

async fn until_interrupted(global: &Global, verb: Verb) -> Exit {
    // From here on, before the first request: a signal must not find its default, which says nothing.
    let interruption = interrupted();
    let words = cut_short(&verb);
    let mut running = Box::pin(run(global, verb));
    let outcome = tokio::select! {
        outcome = &mut running => outcome,
        () = interruption => {
            // A verb that listens has a last word with its server; a second signal ends that too.
            if global.interruption.send(true).is_ok() {
                tokio::select! {
                    _ = &mut running => {}
                    () = sleep(LAST_WORD) => {}
                    () = interrupted() => {}
                }
            }
            drop(running);
            if let Some(words) = words {
                global.reporter.cut_short(&format!("interrupted; {words}"));
            }
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

/// What an interruption of a verb leaves. Whoever ends a log that is followed knows what they do.
fn cut_short(verb: &Verb) -> Option<&'static str> {
    Some(match verb {
        Verb::Logs { .. } => return None,
        Verb::Up { dry_run: false, .. } => {
            "what was created so far is still there: `mcpo-deploy up` continues, `mcpo-deploy down` removes it"
        }
        Verb::Down { dry_run: false, .. } => {
            "what was not removed yet is still there: `mcpo-deploy down` continues"
        }
        Verb::Build { dry_run: false } => "images that are done are kept: `mcpo-deploy build` continues",
        Verb::Verify => "what runs was left as it is: `mcpo-deploy verify` begins anew",
        Verb::Reap { .. } => {
            "containers that were not removed yet are still there: `mcpo-deploy reap` continues"
        }
        Verb::Init { dry_run: false }
        | Verb::Render(_)
        | Verb::Connect(_)
        | Verb::Import { .. }
        | Verb::Man { .. }
        | Verb::Reference { .. } => "files that are done are kept",
        Verb::Call(_) => "the call was given up",
        Verb::Up { .. }
        | Verb::Tools(_)
        | Verb::Down { .. }
        | Verb::Build { .. }
        | Verb::Init { .. }
        | Verb::Status
        | Verb::Run(_)
        | Verb::Config
        | Verb::Completions { .. } => "nothing was changed",
    })
}

async fn run(global: &Global, verb: Verb) -> Result<Exit, Failure> {
    match verb {
        Verb::Up { profile, dry_run } => Box::pin(up::run(global, profile.into(), dry_run)).await,
        Verb::Down { volumes, dry_run } => down::run(global, volumes, dry_run).await,
        Verb::Status => status::run(global).await,
        Verb::Logs { service, follow, tail } => logs::run(global, service.as_deref(), follow, tail).await,
        Verb::Verify => verify::run(global).await,
        Verb::Reap { containers, dry_run } => reap::run(global, &containers, dry_run).await,
        // Its code is the server's, so it is run by itself.
        Verb::Run(args) => Ok(if client::run(global, args).await == 0 { Exit::Done } else { Exit::Failed }),
        Verb::Call(args) => Box::pin(call::run(global, &args)).await,
        Verb::Tools(args) => Box::pin(tools::run(global, &args)).await,
        Verb::Connect(args) => Box::pin(connect::run(global, &args)).await,
        Verb::Build { dry_run } => build::run(global, dry_run).await,
        Verb::Render(args) => render::run(global, &args).await,
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

/// Ctrl-C, SIGTERM or SIGHUP, from this call on and not only once it is waited for.
#[cfg(unix)]
fn interrupted() -> impl Future<Output = ()> {
    let signals = super::signals::listened().into_iter();
    let mut signals: FuturesUnordered<_> = signals.map(async |mut signal| signal.recv().await).collect();
    async move {
        if signals.next().await.is_none() {
            std::future::pending::<()>().await;
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
