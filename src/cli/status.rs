//! `status`: what runs, and what `up` would change.

use serde_json::{Value, json};

use super::deploy::Deployment;
use super::session::{Global, Users};
use crate::diagnostic::{Exit, Failure};
use crate::plan::LiveContainer;
use crate::report::{plain_table, plan_json};

pub(super) async fn run(global: &Global) -> Result<Exit, Failure> {
    let mut session = global.open().await?;
    let mut deployment = Deployment::look_at_what_runs(&mut session, Users::Known).await?;
    // What is there is shown whatever stands in the way of `up`.
    if let Err(error) = deployment.read_inputs(&session).await {
        global.reporter.warning(&format!("`mcpo-deploy up` would fail: {error}"));
    }
    let planned = deployment.plan(&session, &deployment.desired(&session)?);
    let pending = deployment.image_plan(&session);
    let project = &session.stack.project;
    let services: Vec<&LiveContainer> =
        deployment.observed.containers.iter().filter(|live| live.is_service()).collect();
    let rows: Vec<Vec<String>> = services.iter().map(|live| row(live)).collect();
    global.reporter.text(&if rows.is_empty() {
        format!("nothing of project {project} is there; `mcpo-deploy up` brings it up\n")
    } else {
        plain_table(&["SERVICE", "STATE", "HEALTH", "IMAGE", "PORTS"], &rows, global.reporter.style())
    });
    let steps = planned.as_ref().map_or(0, |plan| plan.steps.len()) + pending.len();
    if steps > 0 && !rows.is_empty() {
        global
            .reporter
            .text(&format!("\n`mcpo-deploy up` would take {steps} steps (`up --dry-run` lists them)\n"));
    }
    let shown: Vec<Value> = services.iter().map(|live| service_json(live)).collect();
    global.reporter.json(&json!({
        "project": project.to_string(),
        "engine": deployment.observed.machine.engine,
        "services": shown,
        "pending_images": pending.iter().map(|step| step.op.object()).collect::<Vec<_>>(),
        "pending": planned.as_ref().ok().map(plan_json),
    }));
    // What stands in the way of `up` is not `status`'s failure, but it is said.
    if let Err(error) = planned {
        global.reporter.warning(&format!("`mcpo-deploy up` would fail: {error}"));
    }
    Ok(Exit::Done)
}

fn row(live: &LiveContainer) -> Vec<String> {
    let ports: Vec<String> = live
        .live
        .ports
        .iter()
        .map(|(address, host, container)| format!("{address}:{host}→{container}"))
        .collect();
    let image = live.live.image_id.trim_start_matches("sha256:").chars().take(12).collect();
    let health = live.health.map_or("none", crate::plan::Health::name).to_owned();
    vec![
        live.service().unwrap_or_default().to_owned(),
        live.state.status.clone(),
        health,
        image,
        ports.join(", "),
    ]
}

fn service_json(live: &LiveContainer) -> Value {
    json!({
        "service": live.service(),
        "container": live.name,
        "state": live.state.status,
        "health": live.health.map(crate::plan::Health::name),
        "image_id": live.live.image_id,
        "restarts": live.state.restarts,
        "ports": live.live.ports.iter().map(|(address, host, container)| {
            json!({"address": address, "host": host, "container": container})
        }).collect::<Vec<_>>(),
    })
}
