//! A container for one client: a place among those that a project has, held by a lease, and the removal
//! of what those left who could not clean up.

use std::collections::BTreeSet;

use super::docker::Docker;
use super::error::EngineError;
use super::execute::refuses;
use super::process::{lease_labels, own_lease, process};
use crate::config::{Protection, Stack};
use crate::diagnostic::{Diagnostic, Exit};
use crate::model::ProjectName;
use crate::plan::{Container, Holder, LeasedContainer, holder, places};

/// What a container for a client is created by.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Whose it is.
    pub project: ProjectName,
    /// How many the project may have at a time.
    pub places: u32,
    /// Protections that the engine may say it cannot enforce.
    pub accept_unenforced: BTreeSet<Protection>,
}

impl Claim {
    /// That of a client of the stdio server.
    #[must_use]
    pub fn of(stack: &Stack) -> Self {
        Self {
            project: stack.project.clone(),
            places: stack.orchestrator.max_clients,
            accept_unenforced: stack.hardening.accept_unenforced.clone(),
        }
    }
}

/// Why no container came about.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The engine did not do it.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// There are as many as there may be.
    #[error("project {project} has {places} containers for clients already, and no more are allowed")]
    Full {
        /// The project.
        project: ProjectName,
        /// How many there may be.
        places: u32,
    },
}

impl Diagnostic for ClientError {
    fn exit(&self) -> Exit {
        match self {
            Self::Engine(error) => error.exit(),
            Self::Full { .. } => Exit::Failed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Engine(error) => error.hint(),
            Self::Full { project, .. } => Some(format!(
                "close a client, or raise orchestrator.max_clients; `docker ps --filter label=io.mcpo-deploy.role=client --filter label=io.mcpo-deploy.project={project}` shows them"
            )),
        }
    }
}

/// Containers with leases, sorted by what is known of their holders.
#[derive(Debug, Default)]
pub struct Leased {
    /// Their holders are there.
    pub held: Vec<LeasedContainer>,
    /// Nobody needs them.
    pub left: Vec<LeasedContainer>,
    /// Their holders cannot be seen from here.
    pub elsewhere: Vec<LeasedContainer>,
}

impl Leased {
    /// All that there are on an engine.
    pub async fn on(docker: &Docker) -> Result<Self, EngineError> {
        let (mut sorted, here) = (Self::default(), own_lease());
        for container in docker.leased().await? {
            // Where a process cannot tell who it is, it can tell nothing about others.
            let holder = here.as_ref().map(|here| holder(&container.lease, here, process));
            let list = match holder.unwrap_or(Holder::Elsewhere) {
                Holder::There => &mut sorted.held,
                Holder::Gone => &mut sorted.left,
                Holder::Elsewhere => &mut sorted.elsewhere,
            };
            list.push(container);
        }
        Ok(sorted)
    }

    /// Removes what nobody needs, up to the first failure.
    pub async fn remove_left(&self, docker: &Docker) -> Result<(), EngineError> {
        for container in &self.left {
            docker.remove(&container.id, true).await?;
        }
        Ok(())
    }

    fn all(&self) -> impl Iterator<Item = &LeasedContainer> {
        self.held.iter().chain(&self.left).chain(&self.elsewhere)
    }
}

/// Creates `container` in a free place and returns its name. The lease is this process's. Where all
/// places are taken, what others left is removed first.
pub async fn create_for_client(
    docker: &Docker,
    container: &Container,
    claim: &Claim,
    leased: &Leased,
) -> Result<String, ClientError> {
    let mut container = container.clone();
    container.labels.extend(lease_labels());
    let service = container.service.name();
    let of_project = |leased: &LeasedContainer| leased.project == claim.project.as_str();
    let taken = leased.all().filter(|leased| of_project(leased)).map(|leased| leased.name.as_str()).collect();
    let names = || places(claim.project.as_str(), service, claim.places);
    let mut created = docker.create_in_place(&container, names(), &taken).await?;
    let left: Vec<_> = leased.left.iter().filter(|leased| of_project(leased)).collect();
    if created.is_none() && !left.is_empty() {
        for leased in left {
            docker.remove(&leased.id, true).await?;
        }
        created = docker.create_in_place(&container, names(), &BTreeSet::new()).await?;
    }
    let full = || ClientError::Full { project: claim.project.clone(), places: claim.places };
    let (name, warnings) = created.ok_or_else(full)?;
    if let Some(warning) = warnings.into_iter().find(|text| refuses(text, &claim.accept_unenforced)) {
        docker.remove(&name, true).await?;
        return Err(EngineError::Unenforced { name, warning }.into());
    }
    Ok(name)
}
