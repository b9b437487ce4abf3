//! `run`: the stdio server in a container of its own, as a stdio server for whoever started this. Standard
//! output is the server's alone.

use std::io::{IsTerminal, Write, stderr, stdin};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::carry::{Heard, carry_in, carry_out, watch_client};
use super::deploy::Deployment;
use super::session::{Global, Session, Users};
use crate::diagnostic::{Diagnostic, Exit, Failure};
use crate::engine::{Claim, Docker, Ending, EngineError, Input, Leased, Placed, Streams, create_for_client};
use crate::plan::{Profile, for_client};
use crate::report::error_text;

/// The code that this ends with where it is not the server that ended, as `docker run`.
pub(super) const OWN_FAILURE: u8 = 125;

/// What is said and taken after the end, and the engine's last answers, take no longer.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// How long an engine that was lost is given between two attempts.
const AGAIN: Duration = Duration::from_millis(250);
/// How long a container may run on whose streams have ended.
const STREAMLESS: Duration = Duration::from_secs(2);
/// How long an engine may take to stop a container, for which it gives its program ten seconds.
const STOPPED: Duration = Duration::from_secs(30);

/// How a server is run.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Standard input, output and error are the server's, and so is the exit code; a failure of its own ends it with 125. However it ends, the container does not outlive it; what SIGKILL leaves, the next run or `mcpo-deploy reap` removes."
)]
pub struct RunArgs {
    /// How long the server may go on after the end of its input, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    grace: u64,
    /// What the container runs instead of `orchestrator.command`
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Why there is no code of a server's.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("standard input is a terminal, and a stdio server speaks with a program")]
    Terminal,
    #[error("interrupted before the server had started")]
    Interrupted,
    #[error("the engine was lost while the server ran")]
    Lost(#[source] EngineError),
    #[error("the streams of container {0} broke off while it ran, and it was ended")]
    Broken(String),
}

impl Diagnostic for RunError {
    fn exit(&self) -> Exit {
        Exit::Failed
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Terminal => Some(
                "start it from a client (`mcpo-deploy connect` sets one up), pipe JSON lines into it, or ask one thing with `mcpo-deploy call`".into(),
            ),
            Self::Lost(_) => Some("once the engine is back, `mcpo-deploy reap` removes what it has kept".into()),
            Self::Interrupted | Self::Broken(_) => None,
        }
    }
}

/// Runs the server and returns the code to end with.
pub(super) async fn run(global: &Global, args: RunArgs) -> u8 {
    let mut signals = Signals::listen();
    match ran(global, args, &mut signals).await {
        Ok(code) => code,
        Err(error) => {
            let said = say_aside(error_text(&*error));
            // Where nobody reads it, there is nobody to wait for.
            let _ = timeout(LAST_WORDS, said).await;
            OWN_FAILURE
        }
    }
}

async fn ran(global: &Global, args: RunArgs, signals: &mut Signals) -> Result<u8, Failure> {
    if stdin().is_terminal() {
        return Err(RunError::Terminal.into());
    }
    let session = global.open_aloud().await?;
    let docker = &session.docker;
    let mut opening = Box::pin(open(&session, args.command));
    let opened = tokio::select! {
        opened = &mut opening => opened?,
        () = signals.next() => {
            // What the engine was asked for goes on there, so its answer is waited for.
            if let Ok(Ok(opened)) = timeout(LAST_WORDS, opening).await {
                give_up(docker, &opened.name).await;
            }
            return Err(RunError::Interrupted.into());
        }
    };
    let (engine, leased) = (docker.clone(), opened.leased);
    // What cannot be removed now is tried again by whoever comes next.
    let reaping = tokio::spawn(async move { leased.remove_left(&engine).await });
    let served = serve(docker, opened.server, &opened.name, Duration::from_secs(args.grace), signals);
    let code = served.await;
    let last = async {
        let _ = reaping.await;
        // What a killed one had asked the engine for may have been done since.
        if let Ok(leased) = Leased::on(docker).await {
            let _ = leased.remove_left(docker).await;
        }
    };
    let _ = timeout(LAST_WORDS, last).await;
    code
}

/// A server that has started.
struct Opened {
    name: String,
    server: Server,
    leased: Leased,
}

struct Server {
    input: Arc<dyn Input>,
    heard: UnboundedReceiver<Heard>,
    starting: JoinHandle<Result<(), EngineError>>,
    ending: Ending,
}

/// Creates the container, what it stands on, and starts it.
async fn open(session: &Session<'_>, command: Vec<String>) -> Result<Opened, Failure> {
    let docker = &session.docker;
    let (observed, leased) =
        tokio::join!(session.observe_presuming(Users::KnownOrLookedUp), Leased::on(docker));
    let leased = leased?;
    let found = Deployment::of(session, Profile::Bridge, observed?);
    let placed = create(session, found, command, &leased).await?;
    match start(docker, &placed).await {
        Ok(server) => Ok(Opened { name: placed.name, server, leased }),
        Err(error) => {
            give_up(docker, &placed.name).await;
            Err(error.into())
        }
    }
}

/// Creates the container. Where it needs nothing but itself, the answer about the engine's machine is not waited
/// for until it is there; where the machine is not as presumed, it is created anew as it should be.
async fn create(
    session: &Session<'_>,
    mut found: Deployment,
    command: Vec<String>,
    leased: &Leased,
) -> Result<Placed, Failure> {
    let (docker, claim) = (&session.docker, Claim::of(&session.stack));
    let presumed = found.stands(session).map(|stdio| for_client(&stdio, command.clone()));
    let early = match &presumed {
        Some(container) => Some(create_for_client(docker, container, &claim, leased).await),
        None => None,
    };
    let wanted = async {
        // Asked for when the engine was connected to.
        found.observed.machine = docker.machine().await?;
        let stdio = found.stand_on(session).await?.stdio;
        Ok::<_, Failure>(for_client(&stdio, command))
    };
    let wanted = wanted.await;
    match early {
        Some(created) if wanted.as_ref().ok() == presumed.as_ref() => return Ok(created?),
        Some(Ok(placed)) => docker.remove(&placed.name, true).await?,
        Some(Err(_)) | None => {}
    }
    Ok(create_for_client(docker, &wanted?, &claim, leased).await?)
}

async fn start(docker: &Docker, placed: &Placed) -> Result<Server, EngineError> {
    let ending = docker.ending(placed);
    let Streams { input, output } = docker.streams(&placed.name).await?;
    // The server may have answered before the engine says that it has started.
    let (docker, name) = (docker.clone(), placed.name.clone());
    let starting = tokio::spawn(async move { docker.start(&name).await });
    let (tell, heard) = unbounded_channel();
    let (way_in, told, watching) = (Arc::clone(&input), tell.clone(), tell.clone());
    std::thread::spawn(move || carry_in(&*way_in, &told));
    std::thread::spawn(move || watch_client(&watching));
    std::thread::spawn(move || carry_out(output, &tell));
    Ok(Server { input, heard, starting, ending })
}

/// Carries bytes until the server has ended, which it does whatever happens.
async fn serve(
    docker: &Docker,
    server: Server,
    name: &str,
    grace: Duration,
    signals: &mut Signals,
) -> Result<u8, Failure> {
    let Server { input, mut heard, mut starting, mut ending } = server;
    let lost = |error| Failure::from(RunError::Lost(error));
    let mut deadline: Option<(Instant, Why)> = None;
    let (mut started, mut told, mut asked, mut broken) = (false, false, false, false);
    let (mut stop, mut stopping) = (None, false);
    let mut ended = loop {
        let due = deadline.map_or_else(Instant::now, |(due, _)| due);
        tokio::select! {
            begun = &mut starting, if !started => {
                started = true;
                if let Ok(Err(error)) = begun {
                    break Err(error.into());
                }
            }
            ended = &mut ending => break ended.unwrap_or(Ok(-1)).map_err(lost),
            Some(heard) = heard.recv(), if !told => match heard {
                Heard::InputEnded => deadline = deadline.or(Some((Instant::now() + grace, Why::Grace))),
                Heard::Deserted => close(&input),
                Heard::ClientGone => deadline = Some((Instant::now(), Why::Asked)),
                Heard::OutputEnded => {
                    told = true;
                    deadline = Some((Instant::now() + STREAMLESS, Why::Broken));
                }
            },
            // What has not started cannot be stopped: the engine would say that it is done already.
            () = sleep_until(due), if deadline.is_some() && started => {
                let why = deadline.take().map(|(_, why)| why);
                if why == Some(Why::Broken) {
                    // One that has ended is being removed, which may take its time.
                    let runs = docker.container(name).await.is_ok_and(|live| live.is_some_and(|live| live.state.running));
                    if !runs {
                        continue;
                    }
                    broken = !stopping;
                }
                if !stopping {
                    stopping = true;
                    stop = Some(tokio::spawn(stopped(docker.clone(), name.to_owned())));
                }
                if why == Some(Why::Grace) {
                    let words = format!(
                        "warning: the server did not end within {grace:?} of the end of its input, and is stopped\n"
                    );
                    say_aside(words);
                }
            }
            done = result_of(&mut stop), if stop.is_some() => {
                stop = None;
                if let Err(error) = done {
                    break Err(lost(error));
                }
            }
            () = signals.next() => {
                close(&input);
                if std::mem::replace(&mut asked, true) || stopping {
                    // Whoever asks twice does not want to wait.
                    if let Err(error) = docker.remove(name, true).await {
                        break Err(lost(error));
                    }
                } else {
                    deadline = Some((Instant::now(), Why::Asked));
                }
            }
        }
    };
    // A container that could not start has ended too.
    if !started && let Ok(Err(error)) = starting.await {
        ended = Err(error.into());
    }
    match ended {
        Ok(_) if broken => Err(RunError::Broken(name.to_owned()).into()),
        Ok(code) => {
            if !told {
                // A client may take its time; that it went away ends this too.
                tokio::select! {
                    () = until_told(&mut heard) => {}
                    () = signals.next() => {}
                }
            }
            Ok(u8::try_from(code).unwrap_or(OWN_FAILURE))
        }
        Err(error) => {
            give_up(docker, name).await;
            Err(error)
        }
    }
}

/// Removes a container of which nothing came. An engine that was lost may come back, and have it still; what
/// cannot be removed has a lease, and its removal is not what the user has to be told of.
async fn give_up(docker: &Docker, name: &str) {
    let removed = async {
        while docker.remove(name, true).await.is_err() {
            sleep(AGAIN).await;
        }
    };
    let _ = timeout(LAST_WORDS, removed).await;
}

/// Ends the server's input; a write that waits for the server would hold this up.
fn close(input: &Arc<dyn Input>) {
    let input = Arc::clone(input);
    std::thread::spawn(move || input.close());
}

/// Says something on standard error, which may take for ever where nobody reads it.
fn say_aside(words: String) -> oneshot::Receiver<()> {
    let (tell, said) = oneshot::channel();
    std::thread::spawn(move || {
        // Who cannot be told is not told.
        let _ = stderr().write_all(words.as_bytes());
        let _ = tell.send(());
    });
    said
}

/// Why a server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// It went on for too long after its input had ended.
    Grace,
    /// Somebody asked, or nobody listens.
    Asked,
    /// Its streams have ended without it.
    Broken,
}

/// Stops the server, which the engine goes on with even if nobody waits for it. One that cannot be stopped is
/// removed as it is.
async fn stopped(docker: Docker, name: String) -> Result<(), EngineError> {
    match timeout(STOPPED, docker.stop(&name)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => docker.remove(&name, true).await,
    }
}

async fn result_of(task: &mut Option<JoinHandle<Result<(), EngineError>>>) -> Result<(), EngineError> {
    match task {
        // One that was cut short has nothing to say.
        Some(task) => task.await.unwrap_or(Ok(())),
        None => std::future::pending().await,
    }
}

async fn until_told(heard: &mut UnboundedReceiver<Heard>) {
    while heard.recv().await.is_some_and(|heard| heard != Heard::OutputEnded) {}
}

/// What asks this program to end: Ctrl-C, SIGTERM, and the end of the terminal or session.
struct Signals(UnboundedReceiver<()>);

impl Signals {
    /// Listens from this call on.
    #[cfg(unix)]
    fn listen() -> Self {
        let (tell, heard) = unbounded_channel();
        for mut signal in super::signals::listened() {
            let tell = tell.clone();
            tokio::spawn(async move { while signal.recv().await.is_some() && tell.send(()).is_ok() {} });
        }
        Self(heard)
    }

    /// Listens from this call on.
    #[cfg(not(unix))]
    fn listen() -> Self {
        let (tell, heard) = unbounded_channel();
        tokio::spawn(async move { while tokio::signal::ctrl_c().await.is_ok() && tell.send(()).is_ok() {} });
        Self(heard)
    }

    async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}
