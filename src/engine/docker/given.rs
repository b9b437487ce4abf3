//! What a container was given when it was created. For taking it out of what it says, and for
//! nothing else.

use std::collections::BTreeMap;

use bollard::query_parameters::InspectContainerOptions;

use super::Docker;
use crate::engine::error::{self, EngineError};
use crate::model::Secret;

impl Docker {
    /// The variables of a container that its image does not bring; none where it is gone.
    pub async fn given(&self, name: &str) -> Result<BTreeMap<String, Secret>, EngineError> {
        let found = match self.api.inspect_container(name, None::<InspectContainerOptions>).await {
            Err(error) if error::is_not_found(&error) => return Ok(BTreeMap::new()),
            found => found.map_err(EngineError::failed(format!("inspect container {name}")))?,
        };
        let image = match self.api.inspect_image(&found.image.unwrap_or_default()).await {
            // It may have been removed, and what it brings is not told apart then.
            Err(_) => Vec::new(),
            Ok(image) => image.config.and_then(|config| config.env).unwrap_or_default(),
        };
        let variables = found.config.and_then(|config| config.env).unwrap_or_default();
        let given = variables.into_iter().filter(|variable| !image.contains(variable));
        let pairs = given.filter_map(|variable| {
            let (key, value) = variable.split_once('=')?;
            Some((key.to_owned(), Secret::new(value)))
        });
        Ok(pairs.collect())
    }
}
