//! `reap`: removes the containers of clients that could not clean up themselves.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::session::Global;
use crate::diagnostic::{Diagnostic, Exit, Failure};
use crate::engine::{Docker, Endpoint, Leased};
use crate::plan::LeasedContainer;

/// Why nothing was removed.
#[derive(Debug, thiserror::Error)]
enum ReapError {
    #[error("none of these is a container whose owner cannot be seen from here: {}", .0.join(", "))]
    NotElsewhere(Vec<String>),
}

impl Diagnostic for ReapError {
    fn exit(&self) -> Exit {
        Exit::BadInput
    }

    fn hint(&self) -> Option<String> {
        Some("`mcpo-deploy reap --dry-run` shows those that there are; what nobody uses is removed without being named".into())
    }
}

pub(super) async fn run(global: &Global, containers: &[String], dry_run: bool) -> Result<Exit, Failure> {
    let docker = Docker::connect(Endpoint::find(&global.env)?).await?;
    let mut leased = Leased::on(&docker).await?;
    let is_named = |container: &mut LeasedContainer| containers.contains(&container.name);
    let asked: Vec<LeasedContainer> = leased.elsewhere.extract_if(.., is_named).collect();
    let found = |name: &&String| asked.iter().any(|container| container.name == **name);
    let others: Vec<String> = containers.iter().filter(|name| !found(name)).cloned().collect();
    if !others.is_empty() {
        return Err(ReapError::NotElsewhere(others).into());
    }
    if !dry_run {
        leased.remove_left(&docker).await?;
        for container in &asked {
            docker.remove(&container.id, true).await?;
        }
    }
    global.reporter.text(&in_words(&leased, &asked, dry_run));
    let list = |containers: &[LeasedContainer]| -> Value { containers.iter().map(named).collect() };
    let gone: Value = leased.left.iter().chain(&asked).map(named).collect();
    let (removed, left) = if dry_run { (json!([]), gone) } else { (gone, json!([])) };
    global.reporter.json(&json!({
        "removed": removed,
        "left": left,
        "held": list(&leased.held),
        "elsewhere": list(&leased.elsewhere),
    }));
    Ok(Exit::Done)
}

fn named(container: &LeasedContainer) -> Value {
    json!({"name": container.name, "project": container.project, "pid": container.lease.pid})
}

fn in_words(leased: &Leased, asked: &[LeasedContainer], dry_run: bool) -> String {
    let mut text = String::new();
    let verb = if dry_run { "would remove" } else { "removed" };
    // Writing to a string cannot fail.
    for container in &leased.left {
        let (name, pid) = (&container.name, container.lease.pid);
        let _ = writeln!(text, "{verb} {name}: process {pid}, which started it, is gone");
    }
    for container in asked {
        let _ = writeln!(text, "{verb} {}: you named it", container.name);
    }
    for container in &leased.held {
        let _ = writeln!(text, "kept {}: process {} uses it", container.name, container.lease.pid);
    }
    for container in &leased.elsewhere {
        let name = &container.name;
        let _ = writeln!(
            text,
            "kept {name}: it is of another machine or PID namespace; `mcpo-deploy reap {name}` removes it"
        );
    }
    if text.is_empty() { "nothing to do: no client has a container\n".to_owned() } else { text }
}
