//! Containers that serve one client each: created in a free place, waited for, and found again by whoever
//! cleans up after a process that could not.

use std::collections::{BTreeSet, HashMap};

use bollard::errors::Error;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListContainersOptionsBuilder, WaitContainerOptionsBuilder,
};
use futures_util::{FutureExt, StreamExt};

use super::Docker;
use super::create::body;
use crate::engine::error::{self, EngineError, Reason};
use crate::model::{Lease, label};
use crate::plan::{Container, LeasedContainer};

/// How a container ended, once it has.
pub type Ending = tokio::task::JoinHandle<Result<i64, EngineError>>;

impl Docker {
    /// Creates a container under the first of `places` that is free, and returns its name with the
    /// engine's warnings; `None` where all are taken. `taken` are those known to be.
    pub async fn create_in_place(
        &self,
        container: &Container,
        places: impl Iterator<Item = String>,
        taken: &BTreeSet<&str>,
    ) -> Result<Option<(String, Vec<String>)>, EngineError> {
        let image = self.image_reference(container).await?;
        for name in places.filter(|name| !taken.contains(name.as_str())) {
            let options = CreateContainerOptionsBuilder::default().name(&name).build();
            match self.api.create_container(Some(options), body(container, image.clone())).await {
                Err(error) if error::is_conflict(&error) => {}
                created => {
                    let created = created.map_err(EngineError::failed(format!("create container {name}")))?;
                    return Ok(Some((name, created.warnings)));
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
    /// too. To be called before it is started, since one that is gone tells nothing.
    #[must_use]
    pub fn ending(&self, name: &str) -> Ending {
        let options = WaitContainerOptionsBuilder::default().condition("removed").build();
        let mut ended = self.api.wait_container(name, Some(options)).boxed();
        let what = format!("learn how container {name} ended");
        // Asked at once, and not only when the task gets its turn.
        let first = ended.next().now_or_never();
        tokio::spawn(async move {
            let answer = match first {
                Some(answer) => answer,
                None => ended.next().await,
            };
            match answer {
                Some(Ok(response)) => Ok(response.status_code),
                Some(Err(Error::DockerContainerWaitError { code, .. })) => Ok(code),
                Some(Err(error)) => Err(EngineError::failed(what)(error)),
                None => {
                    let reason = Reason("the engine hung up".to_owned());
                    Err(EngineError::Failed { what, reason })
                }
            }
        })
    }
}
