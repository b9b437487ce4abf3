//! Which images are pulled or built, decided by the digest of what goes into them.

use std::collections::BTreeMap;

use super::desired::Profile;
use super::hash::{Digest, DigestOf};
use super::observed::{ImageFacts, Observed};
use super::op::{BuildFrom, ImageBuild, Op, Step};
use crate::config::{Source, Stack};
use crate::model::{ImageRef, User, label};

/// The digests of what images are built from, and where from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInputs {
    /// The orchestrator's; `None` where it is not built.
    pub orchestrator: Option<(BuildFrom, Digest)>,
    /// The bridge's, without its base.
    pub bridge: (BuildFrom, Digest),
    /// The application's; `None` where it is not built.
    pub app: Option<(BuildFrom, Digest)>,
}

/// What the bridge's image takes from the orchestrator's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgeBase {
    /// The id of the orchestrator's image.
    pub id: String,
    /// What the bridge spawns.
    pub command: Vec<String>,
    /// Who it runs as.
    pub user: String,
    /// The image's own user, where its number is known.
    pub image_user: Option<User>,
}

/// The number of a user that an image names, as an earlier run found it out: the bridge's image says
/// whom its base runs as, and a container of the image who it runs as.
#[must_use]
pub fn known_user(stack: &Stack, facts: &ImageFacts, observed: &Observed) -> Option<User> {
    let of_base = observed.images.get(&stack.bridge.image).and_then(|bridge| {
        let is_base = bridge.labels.get(label::BASE) == Some(&facts.id);
        bridge.labels.get(label::BASE_USER).filter(|_| is_base)
    });
    let running = observed.containers.iter().find(|live| live.live.image_id == facts.id);
    of_base.or_else(|| Some(&running?.live.user))?.parse().ok()
}

/// Whether the image that ours would be called is there and somebody else's. It is used as it is:
/// whoever has a server of that name would not want another in its place.
#[must_use]
pub fn stands_in_for_ours(stack: &Stack, observed: &Observed) -> bool {
    let facts = observed.images.get(&stack.orchestrator.image);
    stack.orchestrator.source == Source::Ours
        && facts.is_some_and(|facts| !facts.labels.contains_key(label::INPUT_DIGEST))
}

/// Steps for the orchestrator's and the application's images.
#[must_use]
pub fn image_steps(stack: &Stack, profile: Profile, inputs: &ImageInputs, observed: &Observed) -> Vec<Step> {
    let orchestrator = &stack.orchestrator;
    let input = inputs.orchestrator.as_ref().filter(|_| !stands_in_for_ours(stack, observed));
    let step = image_step(&orchestrator.image, &orchestrator.source, input, observed);
    let mut steps: Vec<Step> = step.into_iter().collect();
    if let (Profile::FullStack, Some(app)) = (profile, &stack.app) {
        steps.extend(image_step(&app.image, &app.source, inputs.app.as_ref(), observed));
    }
    steps
}

/// The step for the bridge's image, once its base is there.
#[must_use]
pub fn bridge_step(
    stack: &Stack,
    inputs: &ImageInputs,
    base: &BridgeBase,
    observed: &Observed,
) -> Option<Step> {
    let (from, program) = &inputs.bridge;
    let image_user = base.image_user.map(|user| user.to_string());
    let command = serde_json::Value::from(base.command.clone()).to_string();
    let input = DigestOf::default()
        .part("program", program.as_str().as_bytes())
        .part("base", base.id.as_bytes())
        .part("command", command.as_bytes())
        .part("user", base.user.as_bytes())
        .part("log-dir", stack.logs.mount.as_bytes())
        .part("image-user", image_user.as_deref().unwrap_or_default().as_bytes())
        .finish();
    let args = BTreeMap::from([
        ("base".to_owned(), base.id.clone()),
        ("command".to_owned(), command),
        ("user".to_owned(), base.user.clone()),
        ("log_dir".to_owned(), stack.logs.mount.clone()),
    ]);
    let labels = [(label::BASE, Some(base.id.clone())), (label::BASE_USER, image_user)];
    let labels = labels.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
    let build = ImageBuild { image: stack.bridge.image.clone(), from: from.clone(), input, args, labels };
    build_step(build, observed)
}

fn image_step(
    image: &ImageRef,
    source: &Source,
    input: Option<&(BuildFrom, Digest)>,
    observed: &Observed,
) -> Option<Step> {
    match (source, input) {
        (Source::Ours | Source::Context { .. }, Some((from, digest))) => {
            let (from, input) = (from.clone(), digest.clone());
            let (image, args, labels) = (image.clone(), BTreeMap::new(), BTreeMap::new());
            build_step(ImageBuild { image, from, input, args, labels }, observed)
        }
        _ if observed.images.contains_key(image) => None,
        _ => Some(Step::new(Op::Pull(image.clone()), "it is not here")),
    }
}

fn build_step(build: ImageBuild, observed: &Observed) -> Option<Step> {
    let cause = match observed.images.get(&build.image) {
        None => "it does not exist",
        Some(facts) => match facts.labels.get(label::INPUT_DIGEST) {
            Some(digest) if digest == build.input.as_str() => return None,
            Some(_) => "what it is built from has changed",
            None => "it was not built by mcpo-deploy",
        },
    };
    Some(Step::new(Op::Build(build), cause))
}
