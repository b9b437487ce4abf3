//! The program around the bridge: listeners, log, signals.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::Path;

use tokio::net::{TcpListener, TcpSocket};
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
use super::telemetry::outlet::{Closing, Outlet};
use crate::diagnostic::Diagnostic;

/// Connections that wait to be accepted, as far as the system allows (net.core.somaxconn). Past that a client
/// tries again only after a second, and after ever longer: when all come back at once, they are many.
const BACKLOG: u32 = 65_535;
/// Before the number of lines of the log that nobody read in time.
const LOST: &str = "stderr is not read as fast as the log is written; lines lost: ";

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
    // Goes last, with the last lines.
    let _log = log_to_stderr(arguments.log, arguments.observe.log_format).map_err(StartError::Runtime)?;
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
        wires.push(listen(address)?);
    }
    let metrics = match arguments.observe.metrics_listen {
        Some(address) => Some(listen(address)?),
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

fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    let open = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Else the address could not be taken again for a while after a restart.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    open().map_err(|error| StartError::Listen(address, error))
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

fn log_to_stderr(level: Level, format: LogFormat) -> io::Result<Closing> {
    let level = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    let notice: fn(u64) -> String = match format {
        LogFormat::Text => |lost| format!("{LOST}{lost}"),
        LogFormat::Json => |lost| format!(r#"{{"level":"WARN","message":"{LOST}{lost}"}}"#),
    };
    let (outlet, closing) = Outlet::start(io::stderr(), notice)?;
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_ansi(false)
        .with_writer(outlet);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(closing)
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
    use std::time::Duration;

    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use tokio::net::TcpStream;
    use tokio::time::timeout;

    #[test]
    fn a_program_is_found_by_its_path_or_through_the_variable() {
        assert!(is_program("/bin/sh", None));
        assert!(is_program("sh", Some("/nowhere:/bin")));
        assert!(!is_program("sh", Some("/nowhere")));
        assert!(!is_program("/bin", None));
    }

    #[tokio::test]
    async fn a_crowd_that_nobody_has_accepted_yet_has_connected_all_the_same() {
        let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").expect("the system's bound");
        let crowd = most.trim().parse::<u64>().expect("a number").min(1500);
        let limit = getrlimit(Resource::Nofile);
        let current = limit.current.map(|current| current.max(crowd + 100));
        setrlimit(Resource::Nofile, Rlimit { current, ..limit }).expect("below the maximum");
        let listener = listen("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut waiting = Vec::new();
        for number in 0..crowd {
            let connected = timeout(Duration::from_secs(10), TcpStream::connect(address)).await;
            let connected = connected.unwrap_or_else(|_| panic!("no room for number {number}"));
            waiting.push(connected.expect("a connection"));
        }
    }
}
