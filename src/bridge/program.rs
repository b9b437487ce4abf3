//! The program around the bridge: listeners, log, signals.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::filter::LevelFilter;

use super::args::{Level, Serve};
use super::error::StartError;
use super::guardian;
use super::redaction::Redaction;
use super::room;
use super::serve::{Listeners, run};
use super::settings::{Command, Settings};
use super::telemetry::args::LogFormat;
use crate::diagnostic::Diagnostic;

/// The variables that are not a flag's.
#[derive(Debug, Clone, Copy, Default)]
pub struct Variables<'a> {
    /// `PATH`.
    pub path: Option<&'a str>,
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub otlp_endpoint: Option<&'a str>,
}

/// Serves until SIGTERM or SIGINT. `values` are those of all variables,
/// which the server inherits: what it says of them is not shown.
pub fn serve<'a>(
    arguments: &Serve,
    variables: Variables<'_>,
    values: impl Iterator<Item = &'a str>,
) -> Result<(), StartError> {
    let mut settings = arguments.settings(&room::here())?;
    if !is_program(&settings.command.program, variables.path) {
        return Err(StartError::NoProgram(settings.command.program));
    }
    settings.reaps_orphans = takes_orphans();
    settings.secrets = Redaction::of(values);
    log_to_stderr(arguments.log, arguments.observe.log_format);
    settings.doors = arguments.entry.doors()?;
    let unsaid = variables.otlp_endpoint.filter(|_| settings.telemetry.collector.is_none());
    match unsaid.map(|url| arguments.observe.collector(url)) {
        Some(Ok(collector)) => settings.telemetry.collector = Some(collector),
        // It may be meant for the server alone, which inherits it.
        Some(Err(error)) => tracing::warn!("no spans are sent to OTEL_EXPORTER_OTLP_ENDPOINT: {error}"),
        None => {}
    }
    if arguments.shows_tokens() {
        tracing::warn!("tokens cross the network in the clear: give --tls-cert and --tls-key");
    }
    if arguments.is_unchecked() {
        tracing::warn!(
            "whoever reaches a published port can use the server: publish it on loopback, such as \
             -p 127.0.0.1:8765:8765, or put a proxy with TLS and authentication in front"
        );
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(StartError::Runtime)?.block_on(start(arguments, settings))
}

async fn start(arguments: &Serve, settings: Settings) -> Result<(), StartError> {
    let mut terminated = signal(SignalKind::terminate()).map_err(StartError::Runtime)?;
    let mut interrupted = signal(SignalKind::interrupt()).map_err(StartError::Runtime)?;
    let mut wires = Vec::with_capacity(arguments.listen.listen.len());
    for &address in &arguments.listen.listen {
        wires.push(listen(address).await?);
    }
    let metrics = match arguments.observe.metrics_listen {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let s = if settings.doors.tls.is_some() { "s" } else { "" };
    for listener in &wires {
        let address = listener.local_addr().map_err(StartError::Runtime)?;
        tracing::info!(
            "listening on {address}: ws{s}://{address}/ws, POST http{s}://{address}/mcp, /healthz"
        );
    }
    if let Some(listener) = &metrics {
        let address = listener.local_addr().map_err(StartError::Runtime)?;
        tracing::info!("metrics alone on {address}: http{s}://{address}/metrics");
    }
    // The arguments themselves may hold what nobody else is to see.
    let Command { program, args } = &settings.command;
    tracing::info!("each connection runs {program:?} with {} arguments", args.len());
    tracing::info!(
        "at most {} WebSockets (--max-connections) and {} server processes (--max-children)",
        settings.max_connections,
        settings.max_children
    );
    let shutdown = async {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        tracing::info!("stopping");
    };
    let family = settings.family.clone();
    tokio::select! {
        () = run(Listeners { wires, metrics }, settings, shutdown) => Ok(()),
        never = guardian::keep(&family) => match never {},
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| StartError::Listen(address, error))
}

/// Says on stderr what went wrong, why, and what to do. That stderr is gone is nobody's loss.
pub fn tell(error: &dyn Diagnostic) {
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = writeln!(stderr, "  caused by: {cause}");
        source = cause.source();
    }
    if let Some(hint) = error.hint() {
        let _ = writeln!(stderr, "\nhint: {hint}");
    }
}

fn log_to_stderr(level: Level, format: LogFormat) {
    let level = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_ansi(false)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}

/// Whether orphans of our servers fall to us: as the first process of a container they do, and
/// elsewhere we ask for it.
fn takes_orphans() -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // Any process id switches it on.
        let asked = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
        asked.is_ok() || std::process::id() == 1
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        false
    }
}

/// Whether a program is there to be started. Whether it can be is seen when it is.
fn is_program(name: &str, path: Option<&str>) -> bool {
    if name.contains('/') {
        return Path::new(name).is_file();
    }
    // What the system looks through where `PATH` says nothing.
    let path = path.unwrap_or("/bin:/usr/bin");
    path.split(':').any(|folder| Path::new(folder).join(name).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_by_its_path_or_through_the_variable() {
        assert!(is_program("/bin/sh", None));
        assert!(is_program("sh", Some("/nowhere:/bin")));
        assert!(!is_program("sh", Some("/nowhere")));
        assert!(!is_program("/bin", None));
    }
}
