//! Containers that serve one client each: created in a free place, waited for, and found again by whoever
//! cleans up after a process that could not.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use bollard::errors::Error;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, EventsOptionsBuilder, ListContainersOptionsBuilder,
    WaitContainerOptionsBuilder,
};
use futures_util::{FutureExt, StreamExt};
use tokio::time::timeout;

use super::Docker;
use super::create::body;
use crate::engine::error::{self, EngineError, Reason};
use crate::model::{Lease, label};
use crate::plan::{Container, LeasedContainer};

/// A container in a place of its project's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Its name, which is the place's and others' after it.
    pub name: String,
    /// Its id, which nobody else ever has.
    pub id: String,
}

/// How a container ended, once it has.
pub type Ending = tokio::task::JoinHandle<Result<i64, EngineError>>;

/// How long the engine may look for an event that has happened.
const REMEMBERED: Duration = Duration::from_secs(5);

impl Docker {
    /// Creates a container under the first of `places` that is free, and returns it with the
    /// engine's warnings; `None` where all are taken. `taken` are those known to be.
    pub async fn create_in_place(
        &self,
        container: &Container,
        places: impl Iterator<Item = String>,
        taken: &BTreeSet<&str>,
    ) -> Result<Option<(Placed, Vec<String>)>, EngineError> {
        let image = self.image_reference(container).await?;
        for name in places.filter(|name| !taken.contains(name.as_str())) {
            let options = CreateContainerOptionsBuilder::default().name(&name).build();
            match self.api.create_container(Some(options), body(container, image.clone())).await {
                Err(error) if error::is_taken(&error) => {}
                created => {
                    let created = created.map_err(EngineError::failed(format!("create container {name}")))?;
                    return Ok(Some((Placed { name, id: created.id }, created.warnings)));
                }
            }
        }
        Ok(None)
    }

    /// Every container that was started for one process, of every project.
    pub async fn leased(&self) -> Result<Vec<LeasedContainer>, EngineError> {
        let filters = HashMap::from([("label", vec![Lease::LABEL])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let listed = self.api.list_containers(Some(options)).await;
        let listed = listed.map_err(EngineError::failed("list containers"))?;
        let leased = listed.into_iter().filter_map(|container| {
            let labels = container.labels?;
            Some(LeasedContainer {
                id: container.id?,
                name: container.names?.first()?.trim_start_matches('/').to_owned(),
                project: labels.get(label::PROJECT).cloned().unwrap_or_default(),
                lease: Lease::of_labels(|name| labels.get(name))?,
            })
        });
        Ok(leased.collect())
    }

    /// Waits for the end of a container that was created: the code that it ended with, once it is removed
    /// too. To be called before it is started; of one that is gone already the engine is asked what it remembers.
    #[must_use]
    pub fn ending(&self, placed: &Placed) -> Ending {
        let options = WaitContainerOptionsBuilder::default().condition("removed").build();
        let mut ended = self.api.wait_container(&placed.id, Some(options)).boxed();
        let what = format!("learn how container {} ended", placed.name);
        let (docker, id) = (self.clone(), placed.id.clone());
        // Asked at once, and not only when the task gets its turn.
        let first = ended.next().now_or_never();
        tokio::spawn(async move {
            let answer = match first {
                Some(answer) => answer,
                None => ended.next().await,
            };
            let error = match answer {
                Some(Ok(response)) => return Ok(response.status_code),
                Some(Err(Error::DockerContainerWaitError { code, .. })) => return Ok(code),
                Some(Err(error)) => error,
                None => {
                    let reason = Reason("the engine hung up".to_owned());
                    return Err(EngineError::Failed { what, reason });
                }
            };
            if error::is_not_found(&error)
                && let Some(code) = docker.remembered_end(&id).await
            {
                return Ok(code);
            }
            Err(EngineError::failed(what)(error))
        })
    }

    /// The code of a container that has ended and is gone, from the last events, which the engine keeps.
    async fn remembered_end(&self, id: &str) -> Option<i64> {
        let filters = HashMap::from([("container", vec![id]), ("event", vec!["die"])]);
        // Whatever its clock says: none of them is older than that.
        let options = EventsOptionsBuilder::default().since("1").filters(&filters).build();
        let mut events = self.api.events(Some(options)).boxed();
        let event = timeout(REMEMBERED, events.next()).await.ok()??.ok()?;
        event.actor?.attributes?.get("exitCode")?.parse().ok()
    }
}
