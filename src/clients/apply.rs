//! A change done to a file: locked, backed up, replaced whole, and never over somebody else's writing.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::backup::{self, Of};
use super::change::{Change, Edited, Outcome, change, raw, read};
use super::disk::{self, Snapshot, io};
use super::entry::Launch;
use super::error::{EditError, FileError};
use super::peculiar::peculiarity;
use super::table::Client;

/// How often an edit is started again because the file changed meanwhile.
pub(super) const MAX_TRIES: usize = 5;

/// What was done to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Where it really is: a link's target.
    pub path: PathBuf,
    /// What became of the entry.
    pub outcome: Outcome,
    /// What the file was before, unless nothing changed.
    pub backup: Option<PathBuf>,
}

/// Does a change to the file at a path, which need not be there. `now` names the backup.
pub fn apply(path: &Path, client: &Client, change: &Change, now: SystemTime) -> Result<Applied, FileError> {
    let path = disk::real(path)?;
    if matches!(change, Change::Remove { .. }) && !path.exists() {
        return Ok(Applied { path, outcome: Outcome::Unchanged, backup: None });
    }
    // What cannot be edited leaves no folder behind.
    edited(&disk::snapshot(path.clone())?, client, change)?;
    let folder = disk::make_folder(&path)?;
    let _lock = disk::lock(&folder)?;
    for _ in 0..MAX_TRIES {
        let old = disk::snapshot(path.clone())?;
        let Edited { text, outcome } = edited(&old, client, change)?;
        if outcome == Outcome::Unchanged {
            return Ok(Applied { path, outcome, backup: None });
        }
        disk::may_replace(&path)?;
        let name = change.name();
        let entry = raw(&text, client, name).ok().flatten();
        let kept = backup::keep(&old, &Of { text: &text, name, entry: entry.as_ref() }, now)?;
        match put(&old, &text, &folder) {
            Ok(true) => {
                backup::thin(&path)?;
                return Ok(Applied { path, outcome, backup: Some(kept) });
            }
            Ok(false) => fs::remove_file(&kept).map_err(io("remove", &kept))?,
            Err(error) => {
                let _ = fs::remove_file(&kept);
                return Err(error);
            }
        }
    }
    Err(FileError::Contended { path, times: MAX_TRIES })
}

/// What a file says now and would say, for a person to look at; nothing is written.
pub fn preview(path: &Path, client: &Client, change: &Change) -> Result<(Vec<u8>, Vec<u8>), FileError> {
    let old = disk::snapshot(disk::real(path)?)?;
    let new = edited(&old, client, change)?.text;
    Ok((old.text.unwrap_or_default(), new))
}

/// Whether a file may be written at all, for whoever announces it.
pub fn writable(path: &Path) -> Result<(), FileError> {
    disk::may_replace(&disk::real(path)?)
}

/// What a file says under a name.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// What the client does.
    pub launch: Launch,
    /// Why it is not to be judged by doing the same, in words; `None` where it is.
    pub peculiarity: Option<String>,
}

/// Reads what a file says under a name.
pub fn look(path: &Path, client: &Client, name: &str) -> Result<Option<Found>, FileError> {
    let now = disk::snapshot(disk::real(path)?)?;
    let text = now.text.as_deref().unwrap_or_default();
    let found = || {
        let Some(launch) = read(text, client, name)? else { return Ok(None) };
        let entry = raw(text, client, name)?;
        Ok(Some(Found { launch, peculiarity: entry.and_then(|entry| peculiarity(client, &entry)) }))
    };
    found().map_err(left_alone(&now.path))
}

fn edited(old: &Snapshot, client: &Client, wanted: &Change) -> Result<Edited, FileError> {
    change(old.text.as_deref().unwrap_or_default(), client, wanted).map_err(left_alone(&old.path))
}

pub(super) fn left_alone(path: &Path) -> impl FnOnce(EditError) -> FileError {
    let path = path.to_owned();
    move |source| FileError::Edit { path, source }
}

/// Puts a text in the place of what was read, unless that is no longer what is there.
pub(super) fn put(old: &Snapshot, text: &[u8], folder: &Path) -> Result<bool, FileError> {
    let new = disk::temporary(&old.path);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io("remove", &new)(error)),
        _ => {}
    }
    disk::write_new(&new, text, old)?;
    let still = disk::snapshot(old.path.clone());
    let done = match still {
        Ok(still) if still == *old => disk::replace(&new, &old.path, folder).map(|()| true),
        Ok(_) => Ok(false),
        Err(error) => Err(error),
    };
    if !matches!(done, Ok(true)) {
        let _ = fs::remove_file(&new);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_else_wrote_meanwhile_is_not_written_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mcp.json");
        for (before, meanwhile) in [(Some("{}"), Some("{ }")), (Some("{}"), None), (None, Some("{}"))] {
            let write = |text: Option<&str>| match text {
                Some(text) => fs::write(&path, text),
                None => fs::remove_file(&path).or(Ok(())),
            };
            write(before).expect("a file");
            let old = disk::snapshot(path.clone()).expect("a snapshot");
            write(meanwhile).expect("a file");
            assert!(!put(&old, b"ours", folder.path()).expect("no error"));
            assert_eq!(fs::read_to_string(&path).ok().as_deref(), meanwhile);
            assert_eq!(
                fs::read_dir(folder.path()).expect("a folder").count(),
                usize::from(meanwhile.is_some())
            );
        }
    }

    #[test]
    fn a_lock_that_nobody_gives_back_is_an_error_and_no_wait_without_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let _held = disk::lock(folder.path()).expect("a lock");
        assert!(matches!(disk::lock(folder.path()), Err(FileError::Locked { .. })));
    }
}
