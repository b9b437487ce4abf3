//! Folders of this machine that containers write into.

use std::fs::{self, DirBuilder};
use std::io;
use std::path::Path;

use super::error::{EngineError, Reason};
use crate::model::User;
use crate::plan::Folder;

/// Makes a folder and gives it to its owner; one that is there by now is left as it is.
pub(super) fn create(folder: &Folder) -> Result<(), EngineError> {
    let failed = |error: io::Error| EngineError::Failed {
        what: format!("create folder {}", folder.path.display()),
        reason: Reason(error.to_string()),
    };
    if let Some(parent) = folder.path.parent() {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    match DirBuilder::new().create(&folder.path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed(error)),
        Ok(()) => give(&folder.path, folder.owner).map_err(|error| {
            // What would be nobody's to write into is made by the next run.
            let _ = fs::remove_dir(&folder.path);
            failed(error)
        }),
    }
}

/// Its owner writes, their group reads: servers log what they were asked.
#[cfg(unix)]
fn give(path: &Path, owner: Option<User>) -> io::Result<()> {
    use std::os::unix::fs::{PermissionsExt as _, chown};
    if let Some(User { uid, gid }) = owner {
        chown(path, Some(uid), Some(gid))?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o750))
}

#[cfg(not(unix))]
fn give(_: &Path, _: Option<User>) -> io::Result<()> {
    Ok(())
}
