//! `verify`: what runs against what was promised.

use super::deploy::Deployment;
use super::error::CliError;
use super::session::{Global, Users};
use crate::diagnostic::{Exit, Failure};
use crate::plan::Plan;
use crate::report::{report_json, report_table};
use crate::verify::{Reach, Scope, verify};

pub(super) async fn run(global: &Global) -> Result<Exit, Failure> {
    let mut session = global.open_aloud().await?;
    let deployment = Deployment::look_at_what_runs(&mut session, Users::LookedUp).await?;
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
