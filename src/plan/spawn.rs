//! The stdio server's line for an application that starts its containers itself, as the guide's does:
//! by way of the engine's socket, from inside a container.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::container::{Container, EnvFileRef, MountSource};
use super::run_line::{line, parts};
use crate::model::Secret;

/// Where an application finds the line.
pub(super) const COMMAND: &str = "MCP_ORCHESTRATOR_COMMAND";

/// What is to be said whenever an application is to have the line.
pub(super) fn notes(stdio: &Container, required: &[String]) -> Vec<String> {
    let left_out = stdio.origins.from_file.iter().filter(|key| !required.contains(key));
    let left_out: Vec<&str> = left_out.map(String::as_str).collect();
    let names = (!left_out.is_empty()).then(|| {
        format!(
            "app.spawns: of the env file the line passes on what orchestrator.required_keys names, and not {}",
            left_out.join(", ")
        )
    });
    [NEEDS_THE_SOCKET.to_owned()].into_iter().chain(names).collect()
}

const NEEDS_THE_SOCKET: &str = "app.spawns: to start containers the application needs the Docker CLI and the engine's socket, and whoever \
     holds that socket is root on this machine; nothing here mounts it. MCP_ORCHESTRATOR_URL needs neither";

/// A line, and what its reader needs so that it works.
pub(super) struct SpawnLine {
    /// The words as a POSIX shell, or `shlex.split`, takes them.
    pub text: String,
    /// What its reader needs to have: the variables that the line passes on by name, and the whole env
    /// file, of which Compose hands over no part.
    pub environment: BTreeMap<String, Secret>,
    /// Those of them that the env file gives.
    pub from_file: BTreeSet<String>,
    /// Those of them that come from the environment.
    pub passed: BTreeSet<String>,
    /// That env file.
    pub env_file: Option<EnvFileRef>,
}

/// The line of `stdio`. Files of the host's are not there in the application's container: what the env
/// file says of `required` keys is passed on by name, logs go to a volume or nowhere, and the filter
/// of system calls is the engine's own.
pub(super) fn spawn_line(stdio: &Container, required: &[String]) -> SpawnLine {
    let mut container = stdio.clone();
    let origins = &mut container.origins;
    let env_file = origins.env_file.take();
    let from_file = std::mem::take(&mut origins.from_file);
    // Whether the file has them is its own affair: the line is the same without the file.
    let of_file = required.iter().filter(|key| env_file.is_some() && !stdio_sets(stdio, key)).cloned();
    let of_file: BTreeSet<String> = of_file.collect();
    container.environment.retain(|key, _| !from_file.contains(key));
    for key in &of_file {
        container.origins.passed.insert(key.clone());
    }
    container.mounts.retain(|mount| matches!(mount.source, MountSource::Volume(_)));
    if container.origins.seccomp.take().is_some() {
        container.seccomp = None;
    }
    let words: Vec<String> =
        parts(&container, Path::new("/")).into_iter().flat_map(|part| part.words).collect();
    let by_name = |key: &&String| container.origins.passed.contains(*key) || container.asks_for(key);
    let named: BTreeSet<String> = container.set_by_name().into_iter().filter(by_name).cloned().collect();
    SpawnLine {
        text: line(&words),
        environment: stdio
            .environment
            .iter()
            .filter(|(key, _)| named.contains(*key) || from_file.contains(*key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
        passed: stdio.origins.passed.clone(),
        from_file,
        env_file,
    }
}

/// Whether a variable has a value of its own, which beats the env file's.
fn stdio_sets(stdio: &Container, key: &str) -> bool {
    stdio.environment.contains_key(key) && !stdio.origins.from_file.contains(key)
}
