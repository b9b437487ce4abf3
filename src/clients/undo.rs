//! A change taken back: the old bytes where nobody wrote since, else our entry alone. Whatever is
//! replaced, and whatever is used up, stays in a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::apply::{MAX_TRIES, left_alone, put};
use super::backup::{self, Backup, Of};
use super::change::{raw, restore};
use super::disk::{self, Snapshot, io};
use super::error::{EditError, FileError};
use super::shape::word_of_shell;
use super::table::Client;

/// How a change was taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undone {
    /// The file is byte for byte what it was before the change.
    Exactly,
    /// There was no file before the change, and there is none.
    Gone,
    /// The entry alone is as it was; others wrote since, and that stays.
    EntryOnly,
}

/// What was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenBack {
    /// Where the file really is, or was.
    pub path: PathBuf,
    /// How.
    pub undone: Undone,
    /// What the file was before, unless nothing was written.
    pub backup: Option<PathBuf>,
}

/// Takes back the newest change to an entry, which has to be as that change left it unless `force` is
/// given. The backup that it came from is used up, so that the next undo takes back the change before.
/// `now` names the copy of what is replaced.
pub fn undo(
    path: &Path,
    client: &Client,
    name: &str,
    force: bool,
    now: SystemTime,
) -> Result<TakenBack, FileError> {
    let path = disk::real(path)?;
    let none = || FileError::NoBackup { path: path.clone() };
    let folder = path.parent().filter(|folder| folder.is_dir()).ok_or_else(none)?.to_owned();
    let _lock = disk::lock(&folder)?;
    for _ in 0..MAX_TRIES {
        let old = disk::snapshot(path.clone())?;
        let backups = backup::of(&path)?;
        let backup = backups.iter().find(|backup| backup.is_of(name));
        let step = match plan(&old, client, name, backup, force) {
            Ok(step) => step.ok_or_else(none)?,
            Err(source) => return Err(refused(&old, source, &backups)),
        };
        let Step { backup, text, undone } = step;
        if text.is_some() || undone == Undone::Gone {
            disk::may_replace(&path)?;
        }
        let (done, kept) = match &text {
            None if undone == Undone::EntryOnly => (true, None),
            text => {
                let of = Of { text: text.as_deref().unwrap_or_default(), name, entry: None };
                let kept = backup::keep_undone(&old, &of, now)?;
                let done = match text {
                    Some(text) => put(&old, text, &folder),
                    None => take_away(&old, &kept, &folder),
                };
                if !matches!(done, Ok(true)) {
                    fs::remove_file(&kept).map_err(io("remove", &kept))?;
                }
                (done?, Some(kept))
            }
        };
        if done {
            match undone {
                // What was in it is where it came from.
                Undone::Exactly | Undone::Gone => {
                    fs::remove_file(&backup.path).map_err(io("remove", &backup.path))?;
                }
                Undone::EntryOnly => backup.use_up()?,
            }
            backup::thin(&path)?;
            return Ok(TakenBack { path, undone, backup: kept });
        }
    }
    Err(FileError::Contended { path, times: MAX_TRIES })
}

/// What taking back comes to: the new text, or none where there is to be no file, or nothing to do.
struct Step<'a> {
    backup: &'a Backup,
    text: Option<Vec<u8>>,
    undone: Undone,
}

fn plan<'a>(
    now: &Snapshot,
    client: &Client,
    name: &str,
    backup: Option<&'a Backup>,
    force: bool,
) -> Result<Option<Step<'a>>, Refused> {
    let text = now.text.as_deref().unwrap_or_default();
    let entry = raw(text, client, name)?;
    let Some(backup) = backup else { return Ok(None) };
    let old = backup.read()?;
    if now.text.is_some() && backup.wrote(text) {
        let undone = if old.is_some() { Undone::Exactly } else { Undone::Gone };
        return Ok(Some(Step { backup, text: old, undone }));
    }
    let before = match &old {
        Some(old) => raw(old, client, name)?,
        None => None,
    };
    let edited = restore(text, client, name, before.as_ref(), force || backup.wrote_entry(entry.as_ref()));
    let new = match edited {
        Err(EditError::ChangedSince { .. }) if now.text.is_none() => return Err(Refused::Deleted),
        edited => edited?.text,
    };
    Ok(Some(Step { backup, text: (new != text).then_some(new), undone: Undone::EntryOnly }))
}

/// Why nothing is taken back.
enum Refused {
    Edit(EditError),
    Deleted,
    File(FileError),
}

impl From<EditError> for Refused {
    fn from(error: EditError) -> Self {
        Self::Edit(error)
    }
}

impl From<FileError> for Refused {
    fn from(error: FileError) -> Self {
        Self::File(error)
    }
}

/// With the newest copy of what the file was, where it is of no use as it is.
fn refused(now: &Snapshot, why: Refused, backups: &[Backup]) -> FileError {
    let path = now.path.clone();
    let newest = backups.iter().find(|backup| backup.has_text());
    let line = |backup: &Backup| {
        let [from, to] = [&backup.path, &path].map(|path| word_of_shell(&path.display().to_string()));
        format!("cp {from} {to}")
    };
    match (why, newest) {
        (Refused::File(error), _) => error,
        (Refused::Deleted, Some(newest)) => FileError::Deleted { copy: line(newest), path },
        (Refused::Edit(source @ EditError::Broken { .. }), Some(newest)) => {
            FileError::NotTakenBack { copy: line(newest), path, source }
        }
        (Refused::Edit(source), _) => left_alone(&path)(source),
        (Refused::Deleted, None) => FileError::NoBackup { path },
    }
}

/// Makes a file the copy of itself that was kept, unless it is no longer what was read. By that name
/// even what somebody writes at this moment is not lost.
fn take_away(old: &Snapshot, kept: &Path, folder: &Path) -> Result<bool, FileError> {
    if disk::snapshot(old.path.clone())? != *old {
        return Ok(false);
    }
    disk::replace(&old.path, kept, folder)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_wrote_meanwhile_is_not_taken_away() {
        let folder = tempfile::tempdir().expect("a folder");
        let [path, kept] = ["mcp.json", "kept"].map(|name| folder.path().join(name));
        fs::write(&path, "{}").expect("a file");
        let old = disk::snapshot(path.clone()).expect("a snapshot");
        fs::write(&path, "{ }").expect("a file");
        assert!(!take_away(&old, &kept, folder.path()).expect("no error"));
        assert_eq!(fs::read_to_string(&path).expect("a file"), "{ }");
        let old = disk::snapshot(path.clone()).expect("a snapshot");
        assert!(take_away(&old, &kept, folder.path()).expect("no error"));
        assert_eq!((path.exists(), fs::read_to_string(&kept).expect("a copy").as_str()), (false, "{ }"));
    }
}
