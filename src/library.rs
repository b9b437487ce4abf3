//! For Rust programs: a deployment, and a client of its server, in a few lines.
//!
//! ```no_run
//! use mcpo_deploy::{Client, Deployment};
//! use serde_json::json;
//!
//! # async fn example() -> Result<(), mcpo_deploy::diagnostic::Failure> {
//! // In a hardened container of its own, as `mcpo.yaml` in this folder describes it.
//! let deployment = Deployment::in_folder(".").await?;
//! let mut server = Client::stdio_container(&deployment).await?;
//! let status = server.call("get_orchestrator_status", json!({})).await?;
//! assert_eq!(status.value["status"], "active");
//! server.close().await?;
//!
//! // Or through a bridge, over WebSocket or MCP's Streamable HTTP.
//! let mut bridge = Client::connect("ws://127.0.0.1:8765").await?;
//! for tool in bridge.tools().await? {
//!     println!("{}", tool.name);
//! }
//! bridge.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Errors say what failed, `source()` why, and [`Diagnostic::hint`] what to do.

mod speaker;

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

pub use speaker::{Containers, Speaker};

use crate::config::{Input, Stack, resolve};
use crate::diagnostic::{Diagnostic, Exit, Failure};
use crate::engine::{Docker, Endpoint, EngineError, Programs, execute, with_log_folder};
use crate::env::Env;
use crate::mcp::{self, CallError, ConnectError, Patience, Tool, ToolAnswer};
use crate::plan::{
    Container, Desired, Event, Events, Images, Observed, Plan, PlanError, Profile, desired, known_user, steps,
};
use crate::wire::door::Door;
use crate::wire::url::UrlError;
use crate::wire::{OpenError, open};

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// A deployment: what `mcpo.yaml` describes, on the engine that the environment names.
#[derive(Debug, Clone)]
pub struct Deployment {
    stack: Stack,
    docker: Docker,
}

impl Deployment {
    /// The one that is described in a folder, or in one above it, with the environment of this process; what
    /// holds where nothing is described is in the reference.
    pub async fn in_folder(folder: impl AsRef<Path>) -> Result<Self, Failure> {
        let mut env = Env::of_process();
        env.folder = env.folder.join(folder);
        Self::of(&env).await
    }

    /// The one of an environment.
    pub async fn of(env: &Env) -> Result<Self, Failure> {
        let stack = resolve(&Input::new(env))?.stack;
        Ok(Self { stack, docker: Docker::connect(Endpoint::find(env)?).await? })
    }

    /// What is described.
    #[must_use]
    pub fn stack(&self) -> &Stack {
        &self.stack
    }

    /// The engine.
    #[must_use]
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// The stdio server's container as it should be, and everything there that it stands on.
    async fn stdio(&self) -> Result<Container, Failure> {
        let Self { stack, docker } = self;
        let (server, bridge) = (&stack.orchestrator.image, &stack.bridge.image);
        let mut observed = docker.observe(&stack.project, &[server, bridge]).await?;
        let facts = observed.images.get(server).cloned();
        let mut facts = facts.ok_or_else(|| ClientError::NoImage(server.to_string()))?;
        if facts.names_user() {
            match known_user(stack, &facts, &observed) {
                Some(user) => facts.user = user.to_string(),
                None => docker.resolve_user(&mut facts).await?,
            }
            observed.images.insert(server.clone(), facts);
        }
        let facts = |image| observed.images.get(image);
        let images = Images { orchestrator: facts(server), bridge: facts(bridge), app: None };
        let whole = desired(stack, Profile::Bridge, &observed.machine, images)?;
        let wanted = Desired { containers: Vec::new(), ..whole };
        // Nobody is told: a program has its own words for what it does.
        let silence = |_: Event| {};
        make_ground(&wanted, stack, &observed, docker, &Programs::beside_this(), &silence).await?;
        Ok(wanted.stdio)
    }
}

/// Makes what the stdio server's container stands on and is not there: a network, a volume, a folder for logs.
/// `wanted` has nothing that keeps running.
pub(crate) async fn make_ground(
    wanted: &Desired,
    stack: &Stack,
    observed: &Observed,
    docker: &Docker,
    programs: &Programs,
    events: &dyn Events,
) -> Result<(), Failure> {
    let plan = ground(wanted, stack, observed)?;
    execute(&plan, docker, programs, &observed.machine.architecture, events, async |_| Ok(())).await
}

/// The steps to it.
pub(crate) fn ground(wanted: &Desired, stack: &Stack, observed: &Observed) -> Result<Plan, PlanError> {
    let planned = steps(wanted, stack, observed);
    with_log_folder(planned, std::slice::from_ref(&wanted.stdio), observed)
}

/// A client of one server, which it found out how to speak with: with a handshake, stateless or bare. One
/// request at a time.
#[derive(Debug)]
pub struct Client {
    client: mcp::Client<Speaker>,
    containers: Option<Containers>,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The image is not here.
    #[error("the image {0} is not here")]
    NoImage(String),
    /// It is no URL of a server's.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The server was not reached, or not understood.
    #[error("cannot speak with {url}")]
    Open {
        /// Which one.
        url: String,
        /// Why.
        #[source]
        source: Box<OpenError>,
    },
    /// What runs in the container was not understood.
    #[error("cannot speak with what runs in the container{}", last_words(said))]
    Container {
        /// The last lines that it wrote to standard error.
        said: Vec<String>,
        /// Why.
        #[source]
        source: CallError,
    },
}

fn last_words(said: &[String]) -> String {
    said.last().map(|words| format!("; it said: {words}")).unwrap_or_default()
}

impl Diagnostic for ClientError {
    fn exit(&self) -> Exit {
        if matches!(self, Self::Url(_)) { Exit::BadInput } else { Exit::Failed }
    }

    fn hint(&self) -> Option<String> {
        matches!(self, Self::NoImage(_)).then(|| "`mcpo-deploy build` makes or pulls it".to_owned())
    }
}

impl Diagnostic for CallError {
    fn exit(&self) -> Exit {
        Exit::Failed
    }
}

impl Client {
    /// A client of the deployment's stdio server, in a container of its own. It is removed when the client is
    /// closed or dropped, and a server that ends with its input does not outlive this process either; what a
    /// killed process leaves all the same, the next client removes.
    pub async fn stdio_container(deployment: &Deployment) -> Result<Self, Failure> {
        let container = deployment.stdio().await?;
        let mut containers = Containers::new(&deployment.docker, &deployment.stack, &container);
        let connected = mcp::Client::connect(&mut containers, Patience::default()).await;
        let error = match connected {
            Ok(client) => return Ok(Self { client, containers: Some(containers) }),
            Err(error) => error,
        };
        let said = containers.said();
        containers.remove().await?;
        Err(match error {
            ConnectError::Open(error) => error,
            ConnectError::NoDialect(source) => ClientError::Container { said, source }.into(),
            ConnectError::Transport(error) => {
                ClientError::Container { said, source: CallError::Transport(error) }.into()
            }
        })
    }

    /// A client of the server at a URL: `ws://`, `wss://`, `http://` or `https://`.
    pub async fn connect(url: &str) -> Result<Self, Failure> {
        Self::connect_through(&Door::default(), url).await
    }

    /// The same with what it takes to be let in, such as a token.
    pub async fn connect_through(door: &Door, url: &str) -> Result<Self, Failure> {
        let parsed = url.parse().map_err(ClientError::Url)?;
        let opened = open(&parsed, door, Patience::default()).await;
        let client = opened
            .map_err(|source| ClientError::Open { url: parsed.to_string(), source: Box::new(source) })?;
        Ok(Self { client: client.map(Speaker::Wire), containers: None })
    }

    /// How long it waits for an answer from now on; a minute at first.
    pub fn wait_for(&mut self, call: Duration) {
        self.client.set_patience(Patience { call, ..Patience::default() });
    }

    /// Calls a tool; `arguments` is a JSON object.
    pub async fn call(&mut self, tool: &str, arguments: Value) -> Result<ToolAnswer, CallError> {
        self.client.call(tool, arguments).await
    }

    /// The server's tools; none of a server that speaks bare JSON lines, which cannot list them.
    pub async fn tools(&mut self) -> Result<Vec<Tool>, CallError> {
        self.client.tools().await
    }

    /// Everything else that a client can do.
    pub fn client(&mut self) -> &mut mcp::Client<Speaker> {
        &mut self.client
    }

    /// Says goodbye, and removes the container.
    pub async fn close(self) -> Result<(), EngineError> {
        self.client.close(GOODBYE).await;
        match self.containers {
            Some(containers) => containers.remove().await,
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn can_move<T: Send>(_: &T) {}

    #[test]
    fn a_client_can_be_opened_by_a_task() {
        can_move(&Client::connect("ws://127.0.0.1:1"));
        can_move(&Deployment::in_folder("."));
        let _ = |deployment: &Deployment| can_move(&Client::stdio_container(deployment));
    }
}
