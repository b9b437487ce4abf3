//! `build`: the images, and nothing that runs.

use serde_json::json;

use super::deploy::Deployment;
use super::session::{Global, Users};
use crate::diagnostic::{Exit, Failure};
use crate::plan::{Plan, Profile};
use crate::report::plan_json;

pub(super) async fn run(global: &Global, dry_run: bool) -> Result<Exit, Failure> {
    let session = global.open_aloud().await?;
    // The application's image too, where one is described.
    let profile = if session.stack.app.is_some() { Profile::FullStack } else { Profile::BuildOnly };
    let users = if dry_run { Users::Known } else { Users::LookedUp };
    let mut deployment = Deployment::look(&session, profile, users).await?;
    deployment.read_inputs(&session).await?;
    if dry_run {
        let plan = Plan { steps: deployment.image_plan(&session), ..Plan::default() };
        global.reporter.text(&plan.to_string());
        global.reporter.json(&plan_json(&plan));
        return Ok(Exit::Done);
    }
    let built = deployment.make_images(&session).await?;
    if built == 0 {
        global.reporter.text("nothing to do: every image is built from what is there\n");
    }
    let mut images = Vec::new();
    for (image, facts) in &deployment.observed.images {
        global.reporter.text(&format!("{image}  {:.1} MB  {}\n", megabytes(facts.size), facts.id));
        images.push(json!({"image": image.as_str(), "id": facts.id, "bytes": facts.size}));
    }
    global.reporter.json(&json!({"changed": built > 0, "images": images}));
    Ok(Exit::Done)
}

/// Millions of bytes, as Docker shows sizes.
#[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
