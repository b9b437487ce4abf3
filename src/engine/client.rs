//! A container for one client: a place among those that a project has, held by a lease, and the removal
//! of what those left who could not clean up.

use std::collections::BTreeSet;

use super::docker::{Docker, Placed};
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
    #[error("all {places} places of project {project} for containers of clients are taken: {by}")]
    Full {
        /// The project.
        project: ProjectName,
        /// How many there may be.
        places: u32,
        /// By whom, in words.
        by: String,
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
            Self::Full { .. } => Some(
                "close a client, or raise orchestrator.max_clients; `mcpo-deploy reap --dry-run` shows who holds them".into(),
            ),
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

    /// The names that a project's have.
    fn names(&self, project: &ProjectName) -> BTreeSet<&str> {
        let all = self.held.iter().chain(&self.left).chain(&self.elsewhere);
        all.filter(|leased| leased.is_of(project)).map(|leased| leased.name.as_str()).collect()
    }

    /// Who has a project's `places`, in words.
    fn takers(&self, project: &ProjectName, places: u32) -> String {
        let count = |list: &[LeasedContainer]| list.iter().filter(|leased| leased.is_of(project)).count();
        let (held, elsewhere) = (count(&self.held), count(&self.elsewhere));
        let others = (places as usize).saturating_sub(held + elsewhere);
        let kinds = [
            (held, "by clients that are there"),
            (elsewhere, "by clients of another machine or PID namespace"),
            (others, "by containers that say nothing of a client, or that came just now"),
        ];
        let said = kinds.iter().filter(|(count, _)| *count > 0).map(|(count, who)| format!("{count} {who}"));
        said.collect::<Vec<_>>().join(", ")
    }
}

/// Creates `container` in a free place. The lease is this process's. Where all places are taken, what others
/// left is removed first.
pub async fn create_for_client(
    docker: &Docker,
    container: &Container,
    claim: &Claim,
    leased: &Leased,
) -> Result<Placed, ClientError> {
    let mut container = container.clone();
    container.labels.extend(lease_labels());
    let names = || places(claim.project.as_str(), container.service.name(), claim.places);
    let mut created = docker.create_in_place(&container, names(), &leased.names(&claim.project)).await?;
    if created.is_none() {
        // Looked at again: some may have ended since.
        for left in Leased::on(docker).await?.left.iter().filter(|leased| leased.is_of(&claim.project)) {
            docker.remove(&left.id, true).await?;
        }
        created = docker.create_in_place(&container, names(), &BTreeSet::new()).await?;
    }
    let Some((placed, warnings)) = created else {
        let by = Leased::on(docker).await?.takers(&claim.project, claim.places);
        return Err(ClientError::Full { project: claim.project.clone(), places: claim.places, by });
    };
    if let Some(warning) = warnings.into_iter().find(|text| refuses(text, &claim.accept_unenforced)) {
        docker.remove(&placed.name, true).await?;
        return Err(EngineError::Unenforced { name: placed.name, warning }.into());
    }
    Ok(placed)
}
