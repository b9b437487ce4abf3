//! A change taken back: the old bytes where nobody wrote since, else our entry alone.

use std::fs;
use std::path::{Path, PathBuf};

use super::apply::{MAX_TRIES, left_alone, put};
use super::backup::{self, Backup};
use super::change::{raw, restore};
use super::disk::{self, io};
use super::error::FileError;
use super::table::Client;
use super::value::Value;

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

/// Takes back the newest change to an entry. The backup that it came from is used up, so that the
/// next undo takes back the change before.
pub fn undo(path: &Path, client: &Client, name: &str) -> Result<(PathBuf, Undone), FileError> {
    let path = disk::real(path)?;
    let none = || FileError::NoBackup { path: path.clone() };
    let folder = path.parent().filter(|folder| folder.is_dir()).ok_or_else(none)?.to_owned();
    let _lock = disk::lock(&folder)?;
    for _ in 0..MAX_TRIES {
        let now = disk::snapshot(path.clone())?;
        let text = now.text.clone().unwrap_or_default();
        let (newest, backup) = newest(&path, client, name, &text)?.ok_or_else(none)?;
        let old = backup.read()?;
        let exactly = newest && now.text.is_some() && backup.wrote(&text);
        let done = match (exactly, &old) {
            (true, Some(old)) => put(&now, old, &folder)?.then_some(Undone::Exactly),
            (true, None) => {
                fs::remove_file(&path).map_err(io("remove", &path))?;
                disk::sync(&folder)?;
                Some(Undone::Gone)
            }
            (false, old) => {
                let entry = entry(old.as_deref(), client, name);
                let edited = restore(&text, client, name, entry.as_ref()).map_err(left_alone(&path))?;
                let same = edited.text == text;
                (same || put(&now, &edited.text, &folder)?).then_some(Undone::EntryOnly)
            }
        };
        if let Some(done) = done {
            fs::remove_file(&backup.path).map_err(io("remove", &backup.path))?;
            return Ok((path, done));
        }
    }
    Err(FileError::Contended { path, times: MAX_TRIES })
}

/// The newest backup whose change touched the entry, and whether none is newer: another deployment's
/// change to the same file is not ours to take back.
fn newest(
    path: &Path,
    client: &Client,
    name: &str,
    text: &[u8],
) -> Result<Option<(bool, Backup)>, FileError> {
    let mut after = entry(Some(text), client, name);
    for (index, backup) in backup::of(path)?.into_iter().enumerate() {
        let before = entry(backup.read()?.as_deref(), client, name);
        if before != after {
            return Ok(Some((index == 0, backup)));
        }
        after = before;
    }
    Ok(None)
}

/// What a text has under a name; a text that does not parse has nothing.
fn entry(text: Option<&[u8]>, client: &Client, name: &str) -> Option<Value> {
    text.and_then(|text| raw(text, client, name).ok().flatten())
}
