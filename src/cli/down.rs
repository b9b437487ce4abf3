//! `down`: removes what is this project's.

use serde_json::json;

use super::session::Global;
use crate::diagnostic::{Exit, Failure};
use crate::engine::execute;
use crate::plan::removal;
use crate::report::plan_json;

pub(super) async fn run(global: &Global, volumes: bool, dry_run: bool) -> Result<Exit, Failure> {
    let session = global.open().await?;
    let observed = session.docker.observe(&session.stack.project, &[]).await?;
    let plan = removal(&session.stack.project, &observed, volumes);
    if dry_run {
        global.reporter.text(&plan.to_string());
        global.reporter.json(&plan_json(&plan));
        return Ok(Exit::Done);
    }
    let architecture = &observed.machine.architecture;
    execute(&plan, &session.docker, &session.programs, architecture, &global.reporter, async |_| Ok(()))
        .await?;
    for note in &plan.notes {
        global.reporter.note(note);
    }
    let project = &session.stack.project;
    global.reporter.text(&if plan.is_empty() {
        format!("nothing to do: nothing of project {project} is there\n")
    } else {
        format!("project {project} is down\n")
    });
    global.reporter.json(
        &json!({"project": project.to_string(), "changed": !plan.is_empty(), "plan": plan_json(&plan)}),
    );
    Ok(Exit::Done)
}
