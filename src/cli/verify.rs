//! `verify`: what runs against what was promised.

use super::deploy::Deployment;
use super::error::CliError;
use super::session::Global;
use crate::diagnostic::{Exit, Failure};
use crate::plan::{Plan, Profile, Service};
use crate::report::{report_json, report_table};
use crate::verify::{Reach, Scope, verify};

pub(super) async fn run(global: &Global) -> Result<Exit, Failure> {
    let session = global.open_aloud().await?;
    let mut deployment = Deployment::look(&session, Profile::Bridge, false).await?;
    deployment.profile = profile_of(&deployment);
    let desired = deployment.desired(&session)?.named_as_found(&deployment.observed, &Plan::default());
    let missing = desired.missing(&deployment.observed);
    if !missing.is_empty() {
        let project = session.stack.project.to_string();
        return Err(CliError::NotUp { project, missing }.into());
    }
    let reach = Reach::of(&deployment.observed.machine);
    let report = verify(&session.docker, &session.stack, &desired, reach, Scope::Whole).await?;
    global.reporter.text(&report_table(&report, global.reporter.style()));
    global.reporter.json(&report_json(&report));
    Ok(if report.passed() { Exit::Done } else { Exit::Failed })
}

/// What was brought up: the application is looked at where it is there.
fn profile_of(deployment: &Deployment) -> Profile {
    let has = |service: Service| {
        deployment.observed.containers.iter().any(|container| container.service() == Some(service.name()))
    };
    if has(Service::App) { Profile::FullStack } else { Profile::Bridge }
}
