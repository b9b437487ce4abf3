//! Which server `call` and `tools` speak with: by its URL, through the project's bridge, or in a fresh
//! container; and the end of the talk, however it went.

use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::call_args::ThroughArgs;
use super::deploy::Deployment;
use super::session::{Global, Session, Users};
use super::talk_error::TalkError;
use crate::config::Stack;
use crate::diagnostic::Failure;
use crate::library::{Containers, Speaker};
use crate::mcp::{CallError, Client, ConnectError, Patience};
use crate::plan::Profile;
use crate::wire::door::Door;
use crate::wire::probe::reachable;
use crate::wire::streamable::Refusal;
use crate::wire::url::Url;
use crate::wire::{OpenError, open};

/// The longest file with a token or a certificate, in bytes.
const FILE_BYTES: u64 = 1024 * 1024;
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// A talk with a server.
pub(super) struct Talk {
    pub(super) client: Client<Speaker>,
    /// With whom, in words.
    pub(super) through: String,
    /// When it has to be over.
    pub(super) deadline: Instant,
}

/// Opens a talk, holds it, and ends it: a session is closed and a container removed, whatever came of it.
pub(super) async fn talk<T>(
    global: &Global,
    args: &ThroughArgs,
    hold: impl AsyncFnOnce(&mut Talk) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let deadline = Instant::now() + args.timeout;
    if let Some(url) = &args.url {
        let url: Url = url.parse().map_err(TalkError::Url)?;
        let client = over(global, args, &url, deadline).await?;
        return held(Talk { client, through: url.to_string(), deadline }, hold).await;
    }
    let resolved = global.resolve()?;
    if !args.fresh {
        let url = bridge_of(&resolved.stack)?;
        match over(global, args, &url, deadline).await {
            Ok(client) => {
                global.reporter.note(&format!("through the bridge at {url}"));
                return held(Talk { client, through: url.to_string(), deadline }, hold).await;
            }
            Err(error) if is_nobody(&error) => {
                global.reporter.note(&format!("no bridge runs at {url}; a fresh container answers"));
            }
            Err(error) => return Err(error.into()),
        }
    }
    global.warn(&resolved);
    let session = in_time(global.open_with(resolved.stack), args, deadline).await?;
    in_container(&session, args, deadline, hold).await
}

/// What the engine is asked before anybody can be spoken with.
async fn in_time<T>(
    asked: impl Future<Output = Result<T, Failure>>,
    args: &ThroughArgs,
    deadline: Instant,
) -> Result<T, Failure> {
    let silent = || TalkError::Silent { through: "the engine".to_owned(), within: args.timeout };
    timeout_at(deadline, asked).await.map_err(|_| silent())?
}

async fn held<T>(
    mut talk: Talk,
    hold: impl AsyncFnOnce(&mut Talk) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let outcome = hold(&mut talk).await;
    talk.client.close(GOODBYE).await;
    outcome
}

/// The project's own bridge, as it is described: every port of it has every wire, and over HTTP a call needs
/// no process of its own.
fn bridge_of(stack: &Stack) -> Result<Url, TalkError> {
    let at = reachable((stack.bridge.address, stack.bridge.rest_port).into());
    format!("http://{at}/mcp").parse().map_err(TalkError::Url)
}

/// Whether nobody listens where a bridge would.
fn is_nobody(error: &TalkError) -> bool {
    let TalkError::Open { error: OpenError::Connect { error: ConnectError::Transport(error), .. }, .. } =
        error
    else {
        return false;
    };
    let refusal = error.error.downcast_ref::<Refusal>();
    matches!(refusal, Some(Refusal::Connect(_, error)) if error.kind() == ErrorKind::ConnectionRefused)
}

async fn over(
    global: &Global,
    args: &ThroughArgs,
    url: &Url,
    deadline: Instant,
) -> Result<Client<Speaker>, TalkError> {
    let door = door(global, args)?;
    if door.shows_token() && !url.tls && !url.place.is_here() {
        global.reporter.warning(&format!("the token crosses the network in the clear to {}", url.place));
    }
    let opened = timeout_at(deadline, open(url, &door, patience(args.timeout))).await;
    let through = url.to_string();
    match opened {
        Ok(Ok(client)) => Ok(client.map(Speaker::Wire)),
        Ok(Err(error)) => Err(TalkError::Open { through, error }),
        Err(_) => Err(TalkError::Silent { through, within: args.timeout }),
    }
}

fn patience(timeout: Duration) -> Patience {
    Patience { probe: timeout.min(Patience::default().probe), call: timeout }
}

/// What lets in.
fn door(global: &Global, args: &ThroughArgs) -> Result<Door, TalkError> {
    let mut door = Door::default();
    if let Some(file) = &args.tls_cert {
        let unusable = |why| TalkError::Credentials { what: file.display().to_string(), why };
        door = door.with_certificate(&read(global, file)?).map_err(unusable)?;
    }
    let (what, token) = match (&args.token_file, global.env.get("MCPO_TOKEN")) {
        (Some(file), _) => {
            let text = String::from_utf8(read(global, file)?);
            let what = || file.display().to_string();
            let not_text = |_| TalkError::Credentials { what: what(), why: "it is not UTF-8".to_owned() };
            (what(), text.map_err(not_text)?)
        }
        (None, Some(token)) => ("MCPO_TOKEN".to_owned(), token.to_owned()),
        (None, None) => return Ok(door),
    };
    door.with_bearer(&token).map_err(|why| TalkError::Credentials { what, why })
}

fn read(global: &Global, file: &Path) -> Result<Vec<u8>, TalkError> {
    bounded(&global.env.folder.join(file), FILE_BYTES)
        .map_err(|error| TalkError::Unreadable { file: file.to_owned(), why: error.to_string() })
}

/// A file, if it is no longer than that.
pub(super) fn bounded(file: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(file)?.take(max + 1).read_to_end(&mut bytes)?;
    if read as u64 > max {
        return Err(io::Error::new(ErrorKind::InvalidData, format!("it is longer than {max} bytes")));
    }
    Ok(bytes)
}

/// A talk with the stdio server in a container of its own.
async fn in_container<T>(
    session: &Session<'_>,
    args: &ThroughArgs,
    deadline: Instant,
    hold: impl AsyncFnOnce(&mut Talk) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let prepared = async {
        let deployment = Deployment::look(session, Profile::Bridge, Users::KnownOrLookedUp).await?;
        deployment.stand_on(session).await
    };
    let desired = in_time(prepared, args, deadline).await?;
    let image = &session.stack.orchestrator.image;
    let mut containers = Containers::new(&session.docker, &session.stack, &desired.stdio);
    let through = format!("a fresh container of {image}");
    let connect = Client::connect(&mut containers, patience(args.timeout));
    let connected = timeout_at(deadline, connect).await;
    let outcome = match connected {
        Ok(Ok(client)) => held(Talk { client, through, deadline }, hold).await,
        Ok(Err(error)) => Err(unopened(error, through)),
        Err(_) => Err(TalkError::Silent { through, within: args.timeout }.into()),
    };
    if outcome.is_err()
        && let Some(words) = containers.said().last()
    {
        session.reporter().note(&format!("the server said: {words}"));
    }
    containers.remove().await?;
    outcome
}

fn unopened(error: ConnectError<Failure>, through: String) -> Failure {
    match error {
        ConnectError::Open(error) => error,
        ConnectError::NoDialect(error) => TalkError::OpenFresh { through, error }.into(),
        ConnectError::Transport(error) => {
            TalkError::OpenFresh { through, error: CallError::Transport(error) }.into()
        }
    }
}

impl Talk {
    /// What came of a request, said in the terms of whoever asked.
    pub(super) fn failed(&self, what: String, error: CallError) -> TalkError {
        let goodbye = match self.client.lines() {
            Speaker::Wire(connection) if matches!(error, CallError::Closed) => connection.goodbye(),
            _ => None,
        };
        TalkError::Call { what, error, goodbye }
    }
}
