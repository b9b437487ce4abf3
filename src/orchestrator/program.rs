//! The program: from the environment to an exit code.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::{error, info, warn};

use super::pump::Pump;
use super::requests::OpenRequests;
use super::settings::{InvalidSettings, Settings};
use super::tools::Tools;
use super::{bare, log, outbox, session};
use crate::diagnostic::Exit;
use crate::env::Env;
use crate::mcp::LineReader;

/// The longest line that is read, in bytes. A longer one is answered with an error and passed over.
pub const MAX_LINE: usize = 16 << 20;
/// The most messages between the reader and a dialect.
const QUEUE: usize = 1;
/// How much longer than its requests' own deadlines the end of input is waited for.
const DRAIN_MARGIN: Duration = Duration::from_secs(5);

/// Serves on stdin and stdout until the end of input or a signal.
pub fn serve(env: &Env) -> Result<Exit, InvalidSettings> {
    let settings = Settings::from_env(env)?;
    log::start(&settings.logs);
    if settings.exposes_key() {
        warn!("ORCHESTRATOR_BASE_URL is http: the key travels unencrypted to that host");
    }
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!(%error, "the runtime cannot be started");
            return Ok(Exit::Bug);
        }
    };
    let exit =
        runtime.block_on(async { run(tokio::io::stdin(), tokio::io::stdout(), settings, stop()).await });
    // A read of stdin cannot be interrupted; the process ends without waiting for it.
    runtime.shutdown_background();
    Ok(exit)
}

/// Serves on any pair of streams. `stop` ends it at once, with the exit code that it gives; so does
/// an output that is gone. The end of input ends it once everything in flight is answered.
pub async fn run<R, W>(input: R, output: W, settings: Settings, stop: impl Future<Output = Exit>) -> Exit
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    info!(version = env!("CARGO_PKG_VERSION"), pid = std::process::id(), "started");
    // A request that waited for room when input ended starts when another one ends.
    let drain = settings.timeout * 2 + DRAIN_MARGIN;
    let (outbox, writer) = outbox::open();
    let exit = tokio::select! {
        biased;
        exit = stop => exit,
        written = async { tokio::try_join!(work(input, settings, outbox, drain), writer.write_to(output)) } => {
            match written {
                Ok((exit, ())) => exit,
                // Whoever started us has gone, which is how many hosts end a session.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
                Err(error) => {
                    error!(%error, "stdout failed");
                    Exit::Failed
                }
            }
        }
    };
    info!(code = exit.code(), "ended");
    exit
}

/// Owns every sender to stdout, so that its end is the writer's.
async fn work<R>(input: R, settings: Settings, outbox: outbox::Outbox, drain: Duration) -> io::Result<Exit>
where
    R: AsyncRead + Unpin,
{
    let tools = Arc::new(Tools::new(settings));
    let open = OpenRequests::new();
    let (to_mcp, from_pump) = mpsc::channel(QUEUE);
    let (to_bare, jobs) = mpsc::channel(QUEUE);
    let pump =
        Pump { lines: LineReader::new(input, MAX_LINE), mcp: to_mcp, bare: to_bare, open: open.clone() };
    let mut answering = std::pin::pin!(async {
        tokio::join!(
            session::serve(from_pump, Arc::clone(&tools), outbox.clone(), open.clone()),
            bare::answer_in_order(jobs, Arc::clone(&tools), outbox.clone()),
        )
    });
    let to_mcp = tokio::select! {
        to_mcp = pump.run() => to_mcp,
        // Both end before their input does only when stdout is gone.
        _ = &mut answering => return Err(io::ErrorKind::BrokenPipe.into()),
    };
    let rest = async {
        let end_of_input = async {
            open.drained().await;
            drop(to_mcp);
        };
        tokio::join!(end_of_input, answering)
    };
    if timeout(drain, rest).await.is_err() {
        warn!(seconds = drain.as_secs(), "requests in flight were given up");
        return Ok(Exit::Failed);
    }
    Ok(Exit::Done)
}

/// SIGTERM is how Docker and MCP clients end a server, so it is no failure; SIGINT is.
#[cfg(unix)]
async fn stop() -> Exit {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut terminate, mut interrupt) =
        match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
            (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
            (Err(error), _) | (_, Err(error)) => {
                warn!(%error, "signals cannot be handled");
                return std::future::pending().await;
            }
        };
    tokio::select! {
        _ = terminate.recv() => Exit::Done,
        _ = interrupt.recv() => Exit::Interrupted,
    }
}

#[cfg(not(unix))]
async fn stop() -> Exit {
    if let Err(error) = tokio::signal::ctrl_c().await {
        warn!(%error, "Ctrl-C cannot be handled");
        return std::future::pending().await;
    }
    Exit::Interrupted
}
