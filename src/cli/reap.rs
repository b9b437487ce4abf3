//! `reap`: removes the containers of clients that could not clean up themselves.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::session::Global;
use crate::diagnostic::{Exit, Failure};
use crate::engine::{Docker, Endpoint, Leased};
use crate::plan::LeasedContainer;

pub(super) async fn run(global: &Global, dry_run: bool) -> Result<Exit, Failure> {
    let docker = Docker::connect(Endpoint::find(&global.env)?).await?;
    let leased = Leased::on(&docker).await?;
    if !dry_run {
        leased.remove_left(&docker).await?;
    }
    global.reporter.text(&in_words(&leased, dry_run));
    let list = |containers: &[LeasedContainer]| -> Value { containers.iter().map(named).collect() };
    global.reporter.json(&json!({
        "removed": if dry_run { json!([]) } else { list(&leased.left) },
        "left": if dry_run { list(&leased.left) } else { json!([]) },
        "held": list(&leased.held),
        "elsewhere": list(&leased.elsewhere),
    }));
    Ok(Exit::Done)
}

fn named(container: &LeasedContainer) -> Value {
    json!({"name": container.name, "project": container.project, "pid": container.lease.pid})
}

fn in_words(leased: &Leased, dry_run: bool) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for container in &leased.left {
        let verb = if dry_run { "would remove" } else { "removed" };
        let (name, pid) = (&container.name, container.lease.pid);
        let _ = writeln!(text, "{verb} {name}: process {pid}, which started it, is gone");
    }
    for container in &leased.held {
        let _ = writeln!(text, "kept {}: process {} uses it", container.name, container.lease.pid);
    }
    for container in &leased.elsewhere {
        let _ = writeln!(text, "kept {}: it is of another machine or PID namespace", container.name);
    }
    if text.is_empty() { "nothing to do: no client has a container\n".to_owned() } else { text }
}
