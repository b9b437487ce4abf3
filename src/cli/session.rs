//! What every verb starts with: the description, the engine, and what is.

use std::collections::BTreeSet;
use std::path::Path;

use tokio::sync::watch;

use super::args::Common;
use super::error::CliError;
use super::program::Engine;
use crate::config::{Input, Override, Resolved, Stack, resolve};
use crate::diagnostic::Failure;
use crate::engine::{Docker, Endpoint, Inputs, Programs, inputs};
use crate::env::Env;
use crate::model::{ImageRef, User};
use crate::plan::{Observed, Profile, known_user};
use crate::report::Reporter;

/// What holds for the whole process.
pub(super) struct Global {
    pub(super) common: Common,
    pub(super) env: Env,
    pub(super) reporter: Reporter,
    pub(super) engine: Engine,
    /// Whether the process was interrupted. Whoever subscribes is given a moment to end by itself.
    pub(super) interruption: watch::Sender<bool>,
}

impl Global {
    /// Says what is worth knowing about a description.
    pub(super) fn warn(&self, resolved: &Resolved) {
        for warning in &resolved.warnings {
            self.reporter.warning(&warning.to_string());
        }
    }

    /// The description, checked.
    pub(super) fn resolve(&self) -> Result<Resolved, Failure> {
        let input = Input {
            file: self.common.file.clone(),
            project: self.common.project.clone(),
            overrides: self.overrides()?,
            env: &self.env,
        };
        Ok(resolve(&input)?)
    }

    /// The description, its warnings said, and the engine: for verbs that start something.
    pub(super) async fn open_aloud(&self) -> Result<Session<'_>, Failure> {
        let resolved = self.resolve()?;
        self.warn(&resolved);
        self.open_with(resolved.stack).await
    }

    /// The description and the engine.
    pub(super) async fn open(&self) -> Result<Session<'_>, Failure> {
        self.open_with(self.resolve()?.stack).await
    }

    /// The engine, for a description that was read.
    pub(super) async fn open_with(&self, stack: Stack) -> Result<Session<'_>, Failure> {
        let docker = Docker::connect(Endpoint::find(&self.env)?).await?;
        let docker = self.engine.get_or_init(|| docker).clone();
        let programs = self.common.programs.clone().map_or_else(Programs::beside_this, Programs::in_folder);
        Ok(Session { global: self, stack, docker, programs })
    }

    /// A path as people write it: relative, where it is in the current folder.
    pub(super) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.env.folder).unwrap_or(path).display().to_string()
    }

    fn overrides(&self) -> Result<Vec<Override>, CliError> {
        let pairs: Option<Vec<_>> = self.common.set.iter().map(|text| text.split_once('=')).collect();
        let set = pairs.ok_or(CliError::NoPair)?.into_iter().map(|(key, value)| Override {
            key: key.to_owned(),
            value: value.to_owned(),
            flag: "--set".to_owned(),
        });
        let setting = |key: &str, value: String, flag: &str| Override {
            key: key.to_owned(),
            value,
            flag: flag.to_owned(),
        };
        let insecure =
            self.common.insecure.then(|| setting("bridge.insecure", "true".to_owned(), "--insecure"));
        let accepted = (!self.common.accept_unenforced.is_empty()).then(|| {
            let names = self.common.accept_unenforced.join(",");
            setting("hardening.accept_unenforced", names, "--accept-unenforced")
        });
        Ok(set.chain(insecure).chain(accepted).collect())
    }
}

/// How the number of a user is known that an image names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Users {
    /// From what an earlier run found out: nothing is created for it.
    Known,
    /// From the image's own files, by a container that is never started and removed again.
    LookedUp,
    /// As known, and looked up where it is not.
    KnownOrLookedUp,
}

/// A description and an engine.
pub(super) struct Session<'a> {
    pub(super) global: &'a Global,
    pub(super) stack: Stack,
    pub(super) docker: Docker,
    pub(super) programs: Programs,
}

impl Session<'_> {
    pub(super) fn reporter(&self) -> &Reporter {
        &self.global.reporter
    }

    /// What is, with the users of images as numbers, as far as `users` are known.
    pub(super) async fn observe(&self, users: Users) -> Result<Observed, Failure> {
        let found = self.observe_presuming(users).await?;
        Ok(Observed { machine: self.docker.machine().await?, ..found })
    }

    /// The same, but for the machine, which is taken for a likely one.
    pub(super) async fn observe_presuming(&self, users: Users) -> Result<Observed, Failure> {
        let stack = &self.stack;
        let app = stack.app.as_ref().map(|app| &app.image);
        let images: BTreeSet<&ImageRef> =
            [&stack.orchestrator.image, &stack.bridge.image].into_iter().chain(app).collect();
        let images: Vec<&ImageRef> = images.into_iter().collect();
        let mut observed = self.docker.observe_presuming(&stack.project, &images).await?;
        for image in images {
            let Some(mut facts) = observed.images.get(image).filter(|facts| facts.names_user()).cloned()
            else {
                continue;
            };
            match (users, known_user(stack, &facts, &observed)) {
                (Users::LookedUp, _) | (Users::KnownOrLookedUp, None) => self.docker.resolve_user(&mut facts).await?,
                (Users::Known | Users::KnownOrLookedUp, Some(user)) => facts.user = user.to_string(),
                (Users::Known, None) if stack.hardening.user.is_none() => self.reporter().note(&format!(
                    "the image {image} runs as {:?}, whose number is not known before `mcpo-deploy up` looks into it; {} stands in for it here",
                    facts.user,
                    User::NONROOT
                )),
                (Users::Known, None) => {}
            }
            observed.images.insert(image.clone(), facts);
        }
        Ok(observed)
    }

    /// What images are built from; reads and digests files, away from the engine's connection.
    pub(super) async fn inputs(&self, profile: Profile, architecture: &str) -> Result<Inputs, Failure> {
        let (stack, programs, architecture) =
            (self.stack.clone(), self.programs.clone(), architecture.to_owned());
        let read = tokio::task::spawn_blocking(move || inputs(&stack, profile, &programs, &architecture));
        let found = read.await.map_err(|_| CliError::Cut)??;
        for note in &found.notes {
            self.reporter().note(note);
        }
        Ok(found)
    }

    /// Where the description is, for people.
    pub(super) fn described_by(&self) -> String {
        self.stack.file.as_ref().map_or_else(|| "defaults".to_owned(), |path| self.global.shown(path))
    }
}
