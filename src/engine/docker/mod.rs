//! The engine behind its API: connecting, and one effect per function.

mod attach;
mod build;
mod client;
mod create;
mod deadline;
#[cfg(unix)]
mod eager;
mod given;
mod handshake;
#[cfg(unix)]
mod local;
mod observe;
mod ssh;
mod streams;
mod user;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::SystemInfo;
use bollard::query_parameters::{
    LogsOptionsBuilder, RemoveContainerOptionsBuilder, RemoveVolumeOptions, StartContainerOptions,
    StopContainerOptionsBuilder, WaitContainerOptionsBuilder,
};
use bollard::{API_DEFAULT_VERSION, Docker as Bollard};
use futures_util::future::{BoxFuture, FutureExt as _, Shared};
use futures_util::{Stream, StreamExt};

pub(super) use build::REVISION;

pub use attach::{Attached, ExecOutput, StderrTail};
pub use client::{Ending, Placed};
pub use streams::{Input, Output, Sink, Standard, Streams};

use super::endpoint::Endpoint;
use super::error::{self, EngineError, Reason};
use super::process::lease_labels;
use crate::plan::{Container, Machine};

/// A connection to an engine.
#[derive(Debug, Clone)]
pub struct Docker {
    api: Bollard,
    endpoint: Endpoint,
    product: &'static str,
    info: Info,
    /// Containers of this process's that answer one verification and go.
    probes: Arc<Mutex<BTreeSet<String>>>,
}

/// What an engine says of its machine, or why it does not; asked once, while other things are asked.
type Info = Shared<BoxFuture<'static, Result<SystemInfo, String>>>;

fn asked_now(api: &Bollard) -> Info {
    let api = api.clone();
    let asking = tokio::spawn(async move { api.info().await.map_err(|error| error::reason(&error).0) });
    async { asking.await.unwrap_or_else(|error| Err(error.to_string())) }.boxed().shared()
}

/// Who answers for an engine, such as `Docker Engine`, and the newest version of the API that it speaks.
#[derive(Debug, Clone)]
struct Greeting {
    product: &'static str,
    api: String,
}

impl Greeting {
    /// By `name`, which is the engine's or a part of it.
    fn of(name: &str, api: String) -> Self {
        let is_podman = ["Podman", "Libpod"].iter().any(|podman| name.contains(podman));
        Self { product: if is_podman { "Podman" } else { "Docker Engine" }, api }
    }

    /// Where the head of an answer says it, that is asked for: to answer everything that there is about its version
    /// an engine runs other programs.
    async fn ask(api: &Bollard, endpoint: &Endpoint) -> Result<Self, Error> {
        #[cfg(unix)]
        if let Some(socket) = endpoint.socket()
            && let Some((server, spoken)) = local::pinged(socket).await?
        {
            return Ok(Self::of(&server, spoken));
        }
        let version = api.version().await?;
        let parts: Vec<String> = version.components.into_iter().flatten().map(|part| part.name).collect();
        Ok(Self::of(&parts.concat(), version.api_version.unwrap_or_default()))
    }
}

/// One line of a container's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Whether it came from standard error.
    pub stderr: bool,
    /// The text, with its line feed where it has one.
    pub text: String,
}

/// An answer to a single request takes longer only where something is wrong.
const REQUEST_TIMEOUT: u64 = 120;
/// Finding out whether anybody is there must not.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A removal that has begun takes milliseconds.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(10);
/// From the end of a container's output to its own.
const END_TIMEOUT: Duration = Duration::from_secs(2);

impl Docker {
    /// Connects. Requests name no version of the API (the library's paths have none), so that each engine
    /// speaks its own newest.
    pub async fn connect(endpoint: Endpoint) -> Result<Self, EngineError> {
        let unreachable = |error| EngineError::unreachable(&endpoint, &error);
        let api = open(&endpoint).map_err(unreachable)?;
        // An engine takes its time for it, and nearly every verb wants it.
        let info = asked_now(&api);
        let greeting = match tokio::time::timeout(CONNECT_TIMEOUT, Greeting::ask(&api, &endpoint)).await {
            Ok(Ok(greeting)) => greeting,
            Ok(Err(error)) => return Err(unreachable(handshake::cause(&endpoint, error).await)),
            Err(_) => return Err(unreachable(Error::RequestTimeoutError)),
        };
        if is_older(&greeting.api, error::MINIMUM_API) {
            return Err(EngineError::TooOld { endpoint: Box::new(endpoint), api: greeting.api });
        }
        Ok(Self { api, endpoint, product: greeting.product, info, probes: Arc::default() })
    }

    /// Where the engine is.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What the engine and its machine can do.
    pub async fn machine(&self) -> Result<Machine, EngineError> {
        let failed = |reason| EngineError::Failed {
            what: "ask the engine about its machine".to_owned(),
            reason: Reason(reason),
        };
        let info = self.info.clone().await.map_err(failed)?;
        Ok(observe::machine(&self.endpoint, self.product, info))
    }

    /// Starts a container; one that runs already is fine.
    pub async fn start(&self, name: &str) -> Result<(), EngineError> {
        match self.api.start_container(name, None::<StartContainerOptions>).await {
            Err(error) if !error::is_not_modified(&error) => {
                Err(EngineError::failed(format!("start container {name}"))(error))
            }
            _ => Ok(()),
        }
    }

    /// Stops a container within the grace that it was created with; one that is stopped or gone is
    /// fine.
    pub async fn stop(&self, name: &str) -> Result<(), EngineError> {
        let options = StopContainerOptionsBuilder::default().build();
        match self.api.stop_container(name, Some(options)).await {
            Err(error) if !error::is_not_modified(&error) && !error::is_not_found(&error) => {
                Err(EngineError::failed(format!("stop container {name}"))(error))
            }
            _ => Ok(()),
        }
    }

    /// Removes a container and its anonymous volumes; one that is gone is fine.
    pub async fn remove(&self, name: &str, force: bool) -> Result<(), EngineError> {
        let options = RemoveContainerOptionsBuilder::default().v(true).force(force).build();
        let removed = self.api.remove_container(name, Some(options)).await;
        match unless_gone(removed, format!("remove container {name}")) {
            // The engine removes some by itself once they have ended, and a request that an interruption
            // cut short goes on there too.
            Err(EngineError::Failed { reason, .. }) if reason.0.contains("already in progress") => {
                self.until_removed(name).await;
                Ok(())
            }
            other => other,
        }
    }

    /// Creates a container that answers one verification; it is remembered until it is removed.
    pub async fn create_probe(&self, container: &Container, name: &str) -> Result<(), EngineError> {
        self.remember_probe(name);
        let mut container = container.clone();
        container.labels.extend(lease_labels());
        self.create(&container, name).await.map(drop)
    }

    /// Remembers a container that an interruption must not leave behind.
    pub fn remember_probe(&self, name: &str) {
        if let Ok(mut probes) = self.probes.lock() {
            probes.insert(name.to_owned());
        }
    }

    /// Ends and removes a container of [`Docker::create_probe`]'s.
    pub async fn remove_probe(&self, name: &str) -> Result<(), EngineError> {
        self.remove(name, true).await?;
        if let Ok(mut probes) = self.probes.lock() {
            probes.remove(name);
        }
        Ok(())
    }

    /// Waits until a container that is being removed is gone. That it is gone already is an error to
    /// the engine, and fine.
    async fn until_removed(&self, name: &str) {
        self.until(name, "removed", REMOVAL_TIMEOUT).await;
    }

    /// Waits until the engine knows that a container has ended whose output has: it closes the streams
    /// first. One that goes on without output is not waited for long.
    pub async fn until_ended(&self, name: &str) {
        self.until(name, "not-running", END_TIMEOUT).await;
    }

    async fn until(&self, name: &str, condition: &str, limit: Duration) {
        let options = WaitContainerOptionsBuilder::default().condition(condition).build();
        let mut ended = self.api.wait_container(name, Some(options)).boxed();
        let _ = tokio::time::timeout(limit, ended.next()).await;
    }

    /// Removes every probe that is left, after an interruption.
    pub async fn remove_probes(&self) -> Result<(), EngineError> {
        let left = self.probes.lock().map(|probes| probes.clone()).unwrap_or_default();
        for name in left {
            self.remove_probe(&name).await?;
        }
        Ok(())
    }

    /// Removes a network by its name or id; one that is gone is fine. Of several of the same name
    /// that an interruption left, each is removed.
    pub async fn remove_network(&self, name: &str) -> Result<(), EngineError> {
        let mut ids = self.networks_named(name).await?;
        if ids.is_empty() {
            ids.push(name.to_owned());
        }
        for id in ids {
            unless_gone(self.api.remove_network(&id).await, format!("remove network {name}"))?;
        }
        Ok(())
    }

    /// Removes a volume and what is in it; one that is gone is fine.
    pub async fn remove_volume(&self, name: &str) -> Result<(), EngineError> {
        let removed = self.api.remove_volume(name, None::<RemoveVolumeOptions>).await;
        unless_gone(removed, format!("remove volume {name}"))
    }

    /// A container's log: the last `tail` lines (all where it is `None`), and what comes after them
    /// as long as the container runs where `follow` is set.
    pub fn logs(
        &self,
        name: &str,
        tail: Option<usize>,
        follow: bool,
    ) -> impl Stream<Item = Result<LogLine, EngineError>> + use<> {
        let tail = tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
        let options =
            LogsOptionsBuilder::default().stdout(true).stderr(true).follow(follow).tail(&tail).build();
        let what = format!("read the log of {name}");
        self.api.logs(name, Some(options)).map(move |chunk| {
            let chunk = chunk.map_err(EngineError::failed(what.clone()))?;
            let stderr = matches!(chunk, bollard::container::LogOutput::StdErr { .. });
            Ok(LogLine { stderr, text: String::from_utf8_lossy(chunk.as_ref()).into_owned() })
        })
    }
}

fn open(endpoint: &Endpoint) -> Result<Bollard, Error> {
    let version = API_DEFAULT_VERSION;
    let host = endpoint.host.as_str();
    if let Some(tls) = &endpoint.tls {
        let file = |path| -> &Path { path };
        let (key, cert, ca) = (file(&tls.key), file(&tls.cert), file(&tls.ca));
        return Bollard::connect_with_ssl(host, key, cert, ca, REQUEST_TIMEOUT, version);
    }
    match host.split_once("://") {
        #[cfg(unix)]
        Some(("unix", _)) => Bollard::connect_with_unix(host, REQUEST_TIMEOUT, version),
        #[cfg(windows)]
        Some(("npipe", _)) => Bollard::connect_with_named_pipe(host, REQUEST_TIMEOUT, version),
        Some(("tcp" | "http", _)) => Bollard::connect_with_http(host, REQUEST_TIMEOUT, version),
        Some(("ssh", _)) => ssh::open(host, REQUEST_TIMEOUT, version),
        _ => Err(Error::UnsupportedURISchemeError { uri: host.to_owned() }),
    }
}

fn unless_gone(result: Result<(), Error>, what: String) -> Result<(), EngineError> {
    match result {
        Err(error) if !error::is_not_found(&error) => Err(EngineError::failed(what)(error)),
        _ => Ok(()),
    }
}

fn is_older(version: &str, than: &str) -> bool {
    let numbers =
        |text: &str| -> Vec<u32> { text.split('.').map(|part| part.parse().unwrap_or(0)).collect() };
    numbers(version) < numbers(than)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_known_by_what_it_calls_itself() {
        for (name, product) in [
            ("Docker/27.0.0 (linux)", "Docker Engine"),
            ("EngineContainerd", "Docker Engine"),
            ("Libpod/5.2.0 (linux)", "Podman"),
            ("Podman EngineConmon", "Podman"),
        ] {
            assert_eq!(Greeting::of(name, String::new()).product, product, "{name}");
        }
    }

    #[test]
    fn versions_compare_by_number() {
        assert!(is_older("1.9", "1.41") && is_older("", "1.41"));
        assert!(!is_older("1.41", "1.41") && !is_older("1.100", "1.41"));
    }
}
