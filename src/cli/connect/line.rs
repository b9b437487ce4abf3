//! The hardened `docker run` line of an entry, and what it stands on.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::error::ConnectError;
use crate::cli::deploy::Deployment;
use crate::cli::error::CliError;
use crate::cli::session::{Global, Session, Users};
use crate::clients::Launch;
use crate::config::{Source, Stack};
use crate::diagnostic::{Exit, Failure};
use crate::engine::Endpoint;
use crate::env::Env;
use crate::model::Secret;
use crate::plan::{Desired, ImageFacts, Images, Machine, Profile, absolute_line, desired};

/// Where the Docker CLI looks when nothing is said.
const USUAL: [&str; 2] = ["unix:///var/run/docker.sock", "npipe:////./pipe/docker_engine"];

/// What a line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Somebody will start it: the image is there.
    Start,
    /// Somebody looks at it. Ours is known without an engine.
    Look,
}

/// A line as an entry has it.
pub(super) struct Line<'a> {
    pub(super) launch: Launch,
    /// The variables that whoever starts it has to have.
    pub(super) by_name: Vec<String>,
    /// What it stands on; `None` where the engine did not say what it takes.
    pub(super) ground: Option<Ground<'a>>,
}

/// What a line stands on, to be made before somebody starts it.
pub(super) struct Ground<'a> {
    session: Session<'a>,
    deployment: Deployment,
    desired: Desired,
}

pub(super) async fn line<'a>(
    global: &'a Global,
    stack: &Stack,
    purpose: Purpose,
) -> Result<Line<'a>, Failure> {
    let (desired, ground) = match observed(global, stack).await {
        Ok(ground) => (ground.desired.clone(), Some(ground)),
        Err(error) => {
            let known = stack.orchestrator.source == Source::Ours && error.exit() != Exit::BadInput;
            if purpose == Purpose::Start || !known {
                return Err(error);
            }
            (unasked(stack)?, None)
        }
    };
    let line = absolute_line(&desired.stdio, &desired);
    let by_name = line.parts.iter().filter_map(|part| match part.words.as_slice() {
        [flag, key] if flag == "--env" && !key.contains('=') => Some(key.clone()),
        _ => None,
    });
    let by_name = by_name.collect();
    let mut argv = line.argv().into_iter();
    let launch = Launch::Stdio {
        command: argv.next().unwrap_or_default(),
        args: argv.collect(),
        env: engine_of(&global.env)?,
    };
    Ok(Line { launch, by_name, ground })
}

async fn observed<'a>(global: &'a Global, stack: &Stack) -> Result<Ground<'a>, Failure> {
    let session = global.open_with(stack.clone()).await?;
    let deployment = Deployment::look(&session, Profile::Bridge, Users::KnownOrLookedUp).await?;
    let image = &stack.orchestrator.image;
    if !deployment.observed.images.contains_key(image) {
        return Err(CliError::NoImage(image.to_string()).into());
    }
    // Nothing that keeps running is wanted, but what all containers stand on.
    let desired = Desired { containers: Vec::new(), ..deployment.desired(&session)? };
    Ok(Ground { session, deployment, desired })
}

/// Ours, on a machine that nothing is known of.
fn unasked(stack: &Stack) -> Result<Desired, Failure> {
    let ours = ImageFacts::of_our_server();
    let images = Images { orchestrator: Some(&ours), ..Images::default() };
    Ok(desired(stack, Profile::Bridge, &Machine::any(), images)?)
}

impl Ground<'_> {
    /// Makes what is not there, as `run` would.
    pub(super) async fn make(&self) -> Result<(), Failure> {
        let Self { session, deployment, desired } = self;
        deployment.make_ground(session, desired).await?;
        let optional = desired.stdio.origins.env_file.as_ref().filter(|file| !file.required);
        let Some(path) = optional.map(|file| &file.path) else { return Ok(()) };
        if make_empty(path).map_err(|source| ConnectError::EnvFile { path: path.clone(), source })? {
            session.reporter().note(&format!(
                "made an empty {}, which `docker run` insists on; the server's keys belong into it",
                session.global.shown(path)
            ));
        }
        Ok(())
    }
}

/// A file that nobody else may read, unless one is there.
fn make_empty(path: &Path) -> io::Result<bool> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// The variables by which a client's program reaches the engine that this one does, unless that is the usual
/// one.
pub(super) fn engine_of(env: &Env) -> Result<BTreeMap<String, Secret>, Failure> {
    let Endpoint { host, tls, origin } = Endpoint::find(env)?;
    let mut pairs = Vec::new();
    if let Some(context) = origin.strip_prefix("context ") {
        pairs.push(("DOCKER_CONTEXT", context.to_owned()));
        pairs.extend(env.get("DOCKER_CONFIG").map(|folder| ("DOCKER_CONFIG", folder.to_owned())));
    } else if !USUAL.contains(&host.as_str()) {
        pairs.push(("DOCKER_HOST", host));
        if let Some(folder) = tls.as_ref().and_then(|files| files.ca.parent()) {
            pairs.push(("DOCKER_TLS_VERIFY", "1".to_owned()));
            pairs.push(("DOCKER_CERT_PATH", folder.display().to_string()));
        }
    }
    Ok(pairs.into_iter().map(|(key, value)| (key.to_owned(), Secret::new(value))).collect())
}
