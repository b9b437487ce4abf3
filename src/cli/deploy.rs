//! What `up`, `build` and `verify` share: images first, then what runs from them.

use std::collections::BTreeMap;

use super::error::CliError;
use super::host_ports;
use super::session::{Session, Users};
use crate::diagnostic::Failure;
use crate::engine::{execute, with_log_folder};
use crate::library::{ground, make_ground};
use crate::model::{ImageRef, User};
use crate::plan::{
    BridgeBase, Container, Desired, ImageFacts, ImageInputs, Images, LiveContainer, Observed, Op, Plan,
    Profile, Service, Step, bridge_step, desired, image_steps, stands_in_for_ours, steps,
};

/// A deployment as it was found, and what it should be.
pub(super) struct Deployment {
    pub(super) profile: Profile,
    pub(super) observed: Observed,
    inputs: Option<ImageInputs>,
}

impl Deployment {
    /// Looks at what is.
    pub(super) async fn look(session: &Session<'_>, profile: Profile, users: Users) -> Result<Self, Failure> {
        Ok(Self::of(session, profile, session.observe(users).await?))
    }

    /// As it was found.
    pub(super) fn of(session: &Session<'_>, profile: Profile, observed: Observed) -> Self {
        let found = Self { profile, observed, inputs: None };
        if stands_in_for_ours(&session.stack, &found.observed) {
            session.reporter().note(&format!(
                "the image {} was not built by mcpo-deploy and is used as it is; to have ours built, remove it or set orchestrator.image",
                session.stack.orchestrator.image
            ));
        }
        found
    }

    /// Looks at what was brought up: the application too, where it is there and still described.
    pub(super) async fn look_at_what_runs(session: &mut Session<'_>, users: Users) -> Result<Self, Failure> {
        let mut found = Self::look(session, Profile::Bridge, users).await?;
        let is_app = |live: &&LiveContainer| live.is_service() && live.service() == Some(Service::App.name());
        if found.observed.containers.iter().any(|live| is_app(&live)) && session.stand_in() {
            // With what is known of its image too.
            found.observed = session.observe(users).await?;
        }
        match found.observed.containers.iter().find(is_app) {
            Some(_) if session.stack.app.is_some() => found.profile = Profile::FullStack,
            Some(live) => session.reporter().warning(&format!(
                "{} is {}, and no application is described any more: it is compared with nothing; `docker rm -f {}` removes it",
                live.name, live.state.status, live.name
            )),
            None => {}
        }
        Ok(found)
    }

    /// Reads what images are built from, without which no step for an image is known.
    pub(super) async fn read_inputs(&mut self, session: &Session<'_>) -> Result<(), Failure> {
        let architecture = &self.observed.machine.architecture;
        self.inputs = Some(session.inputs(self.profile, architecture).await?.images);
        Ok(())
    }

    /// What should be, by what is known of the images now.
    pub(super) fn desired(&self, session: &Session<'_>) -> Result<Desired, Failure> {
        let stack = &session.stack;
        let facts = |image: &ImageRef| self.observed.images.get(image);
        let images = Images {
            orchestrator: facts(&stack.orchestrator.image),
            bridge: facts(&stack.bridge.image),
            app: stack.app.as_ref().and_then(|app| facts(&app.image)),
        };
        Ok(desired(stack, self.profile, &self.observed.machine, images)?)
    }

    /// The steps for containers, networks and volumes, or everything that stands in their way.
    pub(super) fn plan(&self, session: &Session<'_>, desired: &Desired) -> Result<Plan, Failure> {
        let planned = steps(desired, &session.stack, &self.observed);
        let planned = host_ports::check(planned, desired, &self.observed);
        Ok(with_log_folder(planned, &desired.containers, &self.observed)?)
    }

    /// Makes what a container of the stdio server stands on and is not there, and returns what should be:
    /// nothing that keeps running. An engine would make a volume that is missing by itself, as nobody's.
    pub(super) async fn stand_on(&self, session: &Session<'_>) -> Result<Desired, Failure> {
        let desired = self.stdio(session)?;
        self.make_ground(session, &desired).await?;
        Ok(desired)
    }

    /// The stdio server's container as it should be, where everything that it stands on is there.
    pub(super) fn stands(&self, session: &Session<'_>) -> Option<Container> {
        let desired = self.stdio(session).ok()?;
        let ground = ground(&desired, &session.stack, &self.observed).ok()?;
        ground.steps.is_empty().then_some(desired.stdio)
    }

    fn stdio(&self, session: &Session<'_>) -> Result<Desired, Failure> {
        let image = &session.stack.orchestrator.image;
        if !self.observed.images.contains_key(image) {
            return Err(CliError::NoImage(image.to_string()).into());
        }
        Ok(Desired { containers: Vec::new(), ..self.desired(session)? })
    }

    /// Makes what is not there of a network, a volume, and a folder for logs.
    pub(super) async fn make_ground(&self, session: &Session<'_>, desired: &Desired) -> Result<(), Failure> {
        let (docker, programs) = (&session.docker, &session.programs);
        make_ground(desired, &session.stack, &self.observed, docker, programs, session.reporter()).await
    }

    /// The steps for images that do not depend on another's.
    pub(super) fn first_images(&self, session: &Session<'_>) -> Vec<Step> {
        let inputs = self.inputs.as_ref();
        inputs
            .map(|inputs| image_steps(&session.stack, self.profile, inputs, &self.observed))
            .unwrap_or_default()
    }

    /// The step for the bridge's image. Where its base is not there yet, that is its cause.
    pub(super) fn bridge_image(&self, session: &Session<'_>) -> Option<Step> {
        let inputs = self.inputs.as_ref()?;
        let base = self.observed.images.get(&session.stack.orchestrator.image).cloned().unwrap_or_default();
        let user = session.stack.hardening.user.or_else(|| base.nonroot()).unwrap_or(User::NONROOT);
        let image_user = base.user.parse().ok();
        let ImageFacts { id, entrypoint, command, .. } = base;
        let command = [entrypoint, command].concat();
        let base = BridgeBase { id, command, user: user.to_string(), image_user };
        bridge_step(&session.stack, inputs, &base, &self.observed)
    }

    /// Everything that would be done about images, for a dry run.
    pub(super) fn image_plan(&self, session: &Session<'_>) -> Vec<Step> {
        let mut steps = self.first_images(session);
        let rebuilt = steps.iter().any(|step| step.op.object() == session.stack.orchestrator.image.as_str());
        let bridge = self.bridge_image(session).map(|step| {
            if rebuilt { Step { cause: "its base is made anew".to_owned(), ..step } } else { step }
        });
        steps.extend(bridge);
        steps
    }

    /// Builds and pulls what is missing or changed, and returns how many images that was.
    pub(super) async fn make_images(&mut self, session: &Session<'_>) -> Result<usize, Failure> {
        let first = self.first_images(session);
        self.carry_out(session, first.clone()).await?;
        let then: Vec<Step> = self.bridge_image(session).into_iter().collect();
        self.carry_out(session, then.clone()).await?;
        Ok(first.len() + then.len())
    }

    async fn carry_out(&mut self, session: &Session<'_>, steps: Vec<Step>) -> Result<(), Failure> {
        let plan = Plan { steps, ..Plan::default() };
        let architecture = &self.observed.machine.architecture;
        let (docker, programs) = (&session.docker, &session.programs);
        execute(&plan, docker, programs, architecture, session.reporter(), async |_| Ok(())).await?;
        let mut made: BTreeMap<ImageRef, ImageFacts> = BTreeMap::new();
        for step in &plan.steps {
            if let Op::Build(crate::plan::ImageBuild { image, .. }) | Op::Pull(image) = &step.op
                && let Some(mut facts) = session.docker.image(image.as_str()).await?
            {
                session.docker.resolve_user(&mut facts).await?;
                made.insert(image.clone(), facts);
            }
        }
        self.observed.images.extend(made);
        Ok(())
    }
}
