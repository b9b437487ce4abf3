//! `up`: from a description to verified containers.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::args::ProfileArg;
use super::deploy::Deployment;
use super::session::{Global, Session, Users};
use crate::diagnostic::{Exit, Failure};
use crate::engine::execute;
use crate::plan::{Desired, Op, Plan, Profile, Service};
use crate::report::{plan_json, report_json, report_table};
use crate::verify::{Outcome, Reach, Report, Scope, await_ready, verify};

impl From<ProfileArg> for Profile {
    fn from(profile: ProfileArg) -> Self {
        match profile {
            ProfileArg::Bridge => Self::Bridge,
            ProfileArg::FullStack => Self::FullStack,
            ProfileArg::BuildOnly => Self::BuildOnly,
        }
    }
}

pub(super) async fn run(global: &Global, profile: Profile, dry_run: bool) -> Result<Exit, Failure> {
    let mut session = global.open_aloud().await?;
    if profile == Profile::FullStack && session.stand_in() {
        global.reporter.note("no `app:` is described; examples/app stands in its place");
    }
    let users = if dry_run { Users::Known } else { Users::LookedUp };
    let mut deployment = Deployment::look(&session, profile, users).await?;
    deployment.read_inputs(&session).await?;
    // Everything that stands in the way is told before anything is built.
    let planned = deployment.plan(&session, &deployment.desired(&session)?)?;
    if dry_run {
        let steps = deployment.image_plan(&session).into_iter().chain(planned.steps).collect();
        let plan = Plan { steps, ..planned };
        global.reporter.text(&plan.to_string());
        global.reporter.json(&plan_json(&plan));
        return Ok(Exit::Done);
    }
    let images = deployment.make_images(&session).await?;
    let desired = deployment.desired(&session)?;
    let plan = deployment.plan(&session, &desired)?;
    for note in &plan.notes {
        global.reporter.note(note);
    }
    let architecture = &deployment.observed.machine.architecture;
    let desired = desired.named_as_found(&deployment.observed, &plan);
    let reach = Reach::of(&deployment.observed.machine);
    let ready = async |name: &str| {
        let Some(container) = desired.containers.iter().find(|container| container.name == name) else {
            return Ok(());
        };
        let just_now = plan.steps.iter().any(|step| step.op == Op::Start(name.to_owned()));
        await_ready(&session.docker, container, reach, just_now).await
    };
    execute(&plan, &session.docker, &session.programs, architecture, &global.reporter, ready).await?;
    for container in &desired.containers {
        ready(&container.name).await?;
    }
    let changed = images > 0 || !plan.is_empty();
    // What was not changed may still be wrong: nobody knows how the last run ended.
    let scope = if changed { Scope::Whole } else { Scope::Running };
    // Images alone have nothing that runs and could be spoken with.
    let verified = if desired.containers.is_empty() {
        None
    } else {
        Some(verify(&session.docker, &session.stack, &desired, reach, scope).await?)
    };
    let passed = verified.as_ref().is_none_or(Report::passed);
    global.reporter.text(&match &verified {
        Some(report) if !changed && passed => nothing_to_do(report),
        Some(report) => report_table(report, global.reporter.style()),
        None if changed => "the images are built; nothing runs from them\n".to_owned(),
        None => "nothing to do: the images are as described\n".to_owned(),
    });
    if !desired.containers.is_empty() {
        global.reporter.text(&reachable(&session, &desired));
    }
    global.reporter.json(&json!({
        "project": session.stack.project.to_string(),
        "engine": deployment.observed.machine.engine,
        "changed": changed,
        "plan": plan_json(&plan),
        "endpoints": endpoints(&desired),
        "verification": verified.as_ref().map(report_json),
    }));
    Ok(if passed { Exit::Done } else { Exit::Failed })
}

fn nothing_to_do(report: &Report) -> String {
    format!(
        "nothing to do: everything is as described, and what runs passed {} checks (`mcpo-deploy verify` adds a fresh container's)\n",
        report.count(Outcome::Pass)
    )
}

/// What can be talked to, and where.
fn reachable(session: &Session<'_>, desired: &Desired) -> String {
    let mut text = format!(
        "\nproject {} ({}) on {}\n",
        desired.project,
        session.described_by(),
        session.docker.endpoint().host
    );
    for (wire, url) in endpoint_list(desired) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {wire:<10} {url}");
    }
    text
}

fn endpoints(desired: &Desired) -> Value {
    endpoint_list(desired)
        .into_iter()
        .map(|(wire, url)| (wire.to_lowercase(), Value::from(url)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn endpoint_list(desired: &Desired) -> Vec<(&'static str, String)> {
    let mut list = Vec::new();
    for container in &desired.containers {
        for (index, port) in container.ports.iter().enumerate() {
            let at = std::net::SocketAddr::new(port.address, port.host);
            list.push(match (container.service, index) {
                (Service::Bridge, 0) => ("WebSocket", format!("ws://{at}")),
                (Service::Bridge, _) => ("REST", format!("http://{at}/mcp")),
                _ => ("App", format!("http://{at}")),
            });
        }
    }
    list
}
