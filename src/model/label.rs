//! The labels that say whose a container, network, volume or image is.
//!
//! Compose's own labels are carried too, so that `docker compose ls/ps/logs/stop/down` and Docker
//! Desktop show a deployment of ours as one project. Networks and volumes never carry
//! [`COMPOSE_CONFIG_HASH`]: a foreign hash on a volume makes Compose offer to delete the data.

/// The project that an object of ours belongs to.
pub const PROJECT: &str = "io.mcpo-deploy.project";
/// The role of a container: [`ROLE_SERVICE`], [`ROLE_PROBE`] or [`ROLE_CLIENT`].
pub const ROLE: &str = "io.mcpo-deploy.role";
/// A container that runs until it is told to stop.
pub const ROLE_SERVICE: &str = "service";
/// A container that answers one verification and goes.
pub const ROLE_PROBE: &str = "probe";
/// A container that serves one client and goes.
pub const ROLE_CLIENT: &str = "client";
/// SHA-256 of everything that a container was created from; decides whether it is replaced.
pub const CONFIG_HASH: &str = "io.mcpo-deploy.config-hash";
/// On an image: SHA-256 of everything that it was built from; decides whether it is rebuilt.
pub const INPUT_DIGEST: &str = "io.mcpo-deploy.input";
/// On an image: which of our programs it runs, `mcp-orchestrator` or `mcp-bridge`.
pub const PROGRAM: &str = "io.mcpo-deploy.program";
/// On the bridge's image: the id of the image that it was made from.
pub const BASE: &str = "io.mcpo-deploy.base";
/// On the bridge's image: the user of the image that it was made from, as numbers.
pub const BASE_USER: &str = "io.mcpo-deploy.base-user";

/// Compose: the project.
pub const COMPOSE_PROJECT: &str = "com.docker.compose.project";
/// Compose: the service.
pub const COMPOSE_SERVICE: &str = "com.docker.compose.service";
/// Compose: the number of the container within its service, from 1.
pub const COMPOSE_NUMBER: &str = "com.docker.compose.container-number";
/// Compose: whether the container came from `compose run` (`True`) or `up` (`False`).
pub const COMPOSE_ONEOFF: &str = "com.docker.compose.oneoff";
/// Compose: hash of the service's configuration. On containers only.
pub const COMPOSE_CONFIG_HASH: &str = "com.docker.compose.config-hash";
/// Compose: the files that describe the project.
pub const COMPOSE_CONFIG_FILES: &str = "com.docker.compose.project.config_files";
/// Compose: the folder of the project.
pub const COMPOSE_WORKING_DIR: &str = "com.docker.compose.project.working_dir";
/// Compose: the network's name within the project. On networks only.
pub const COMPOSE_NETWORK: &str = "com.docker.compose.network";
/// Compose: the volume's name within the project. On volumes only.
pub const COMPOSE_VOLUME: &str = "com.docker.compose.volume";

/// Whether a label is ours or Compose's to set.
#[must_use]
pub fn is_reserved(name: &str) -> bool {
    name.starts_with("io.mcpo-deploy.") || name.starts_with("com.docker.compose.")
}
