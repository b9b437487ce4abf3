//! Whether the log folder belongs to the user who writes into it.

use super::report::Check;
use crate::engine::Docker;
use crate::model::User;
use crate::plan::{Container, MountSource};

/// Asks the engine for the folder's owner, by the head of its archive: no shell is needed, and nothing
/// that runs. Where the container does not `exist`, there is nobody to ask.
pub(super) async fn log_owner(docker: &Docker, container: &Container, exists: bool) -> Option<Check> {
    const ID: &str = "log-owner";
    let mount = container.mounts.first()?;
    if !exists {
        return Some(Check::skip(ID, format!("{} does not exist", container.name)));
    }
    let (owner, mode) = match docker.owner_of(&container.name, &mount.target).await {
        Ok(found) => found,
        Err(error) => return Some(Check::skip(ID, error.to_string())),
    };
    let User { uid, gid } = container.user;
    let writable = (owner.uid == uid && mode & 0o200 != 0)
        || (owner.gid == gid && mode & 0o020 != 0)
        || mode & 0o002 != 0
        || uid == 0;
    let evidence =
        format!("{} belongs to {owner} (mode {mode:o}), written as {}", mount.target, container.user);
    Some(match (&mount.source, writable) {
        (_, true) => Check::pass(ID, evidence),
        (MountSource::Volume(_), false) => Check::fail(ID, evidence),
        (MountSource::Folder(path), false) => {
            Check::fail_with(ID, evidence, format!("sudo chown {} {}", container.user, path.display()))
        }
    })
}
