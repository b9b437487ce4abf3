//! What a file was before each change of ours, beside it: `NAME.mcpo-TIME-TEXT-ENTRY-WROTE.bak`. The
//! three hashes are of the text that the change wrote, of the name of the entry that it was to, and of
//! that entry as it wrote it, so that a later undo knows whose change it takes back and whether anybody
//! wrote since. Where there was no file, an empty `….absent`. What an undo replaced, and what it used
//! up, is an `….undone`, which no undo goes back to.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::civil::{later, stamp};
use super::disk::{Snapshot, io, write_new};
use super::error::FileError;
use super::value::Value;
use super::yaml_writer::flow;

/// How many are kept of a file.
pub(super) const KEPT: usize = 20;

/// How many seconds a name may be late where one second has several changes.
const MAX_LATER: usize = 3_600;

/// What the name of what an undo is done with ends with.
const UNDONE: &str = "undone";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backup {
    pub(super) path: PathBuf,
    stamp: String,
    hashes: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Absent,
    Undone,
}

/// What a backup is of.
pub(super) struct Of<'a> {
    /// The whole text that was written.
    pub(super) text: &'a [u8],
    /// The entry's name.
    pub(super) name: &'a str,
    /// The entry in that text.
    pub(super) entry: Option<&'a Value>,
}

impl Backup {
    /// What was there, or that nothing was.
    pub(super) fn read(&self) -> Result<Option<Vec<u8>>, FileError> {
        if self.kind == Kind::Absent {
            return Ok(None);
        }
        fs::read(&self.path).map(Some).map_err(io("read", &self.path))
    }

    /// Whether it is from before a change to the entry of a name that nobody took back yet.
    pub(super) fn is_of(&self, name: &str) -> bool {
        self.kind != Kind::Undone && self.hash(1) == hash(name.as_bytes())
    }

    /// Whether this is byte for byte what its change wrote.
    pub(super) fn wrote(&self, text: &[u8]) -> bool {
        self.hash(0) == hash(text)
    }

    /// Whether this is the entry as its change wrote it.
    pub(super) fn wrote_entry(&self, entry: Option<&Value>) -> bool {
        self.hash(2) == hash_of(entry)
    }

    /// Whether there is a text that a person could go back to.
    pub(super) fn has_text(&self) -> bool {
        self.kind != Kind::Absent
    }

    /// It is done with, and what is in it stays.
    pub(super) fn use_up(&self) -> Result<(), FileError> {
        fs::rename(&self.path, self.path.with_extension(UNDONE)).map_err(io("rename", &self.path))
    }

    /// Of an older version's only the first is known.
    fn hash(&self, at: usize) -> &str {
        self.hashes.split('-').nth(at).unwrap_or_default()
    }
}

/// Every backup of a file, the newest first.
pub(super) fn of(file: &Path) -> Result<Vec<Backup>, FileError> {
    let (Some(folder), Some(name)) = (file.parent(), file.file_name().and_then(|name| name.to_str())) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(io("list", folder))? {
        let path = entry.map_err(io("list", folder))?.path();
        found.extend(path.file_name().and_then(|other| other.to_str()).and_then(|other| {
            let rest = other.strip_prefix(name)?.strip_prefix(".mcpo-")?;
            let (rest, kind) = rest.split_once('.')?;
            let (stamp, hashes) = rest.split_once('-')?;
            let kind = match kind {
                "bak" => Kind::Text,
                "absent" => Kind::Absent,
                UNDONE => Kind::Undone,
                _ => return None,
            };
            let valid = stamp.len() == 15 && hashes.split('-').all(|hash| hash.len() == 8);
            valid.then(|| Backup {
                path: path.clone(),
                stamp: stamp.to_owned(),
                hashes: hashes.to_owned(),
                kind,
            })
        }));
    }
    found.sort_by(|a, b| b.stamp.cmp(&a.stamp).then_with(|| b.hashes.cmp(&a.hashes)));
    Ok(found)
}

/// Keeps what a file is before a change; its name is later than that of every other.
pub(super) fn keep(old: &Snapshot, change: &Of<'_>, now: SystemTime) -> Result<PathBuf, FileError> {
    write(old, change, now, if old.text.is_some() { "bak" } else { "absent" })
}

/// Keeps what a file is before a change is taken back.
pub(super) fn keep_undone(old: &Snapshot, change: &Of<'_>, now: SystemTime) -> Result<PathBuf, FileError> {
    write(old, change, now, UNDONE)
}

fn write(old: &Snapshot, change: &Of<'_>, now: SystemTime, kind: &str) -> Result<PathBuf, FileError> {
    let newest = of(&old.path)?.into_iter().next();
    let mut time = now;
    for _ in 0..MAX_LATER {
        if newest.as_ref().is_none_or(|newest| newest.stamp < stamp(time)) {
            break;
        }
        time = later(time);
    }
    let hashes = [hash(change.text), hash(change.name.as_bytes()), hash_of(change.entry)].join("-");
    let name = old.path.file_name().unwrap_or_default().to_string_lossy();
    let path = old.path.with_file_name(format!("{name}.mcpo-{}-{hashes}.{kind}", stamp(time)));
    write_new(&path, old.text.as_deref().unwrap_or_default(), old)?;
    Ok(path)
}

/// Removes the oldest backups that are too many, but the very oldest: that is the user's own text.
pub(super) fn thin(file: &Path) -> Result<(), FileError> {
    let mut all = of(file)?;
    let first = all.iter().rposition(|backup| backup.kind != Kind::Undone);
    let first = first.map(|at| all.remove(at));
    for old in all.into_iter().skip(KEPT - usize::from(first.is_some())) {
        fs::remove_file(&old.path).map_err(io("remove", &old.path))?;
    }
    Ok(())
}

/// By what an entry says: a client that lays its file out anew has not changed it.
fn hash_of(entry: Option<&Value>) -> String {
    hash(entry.map(|entry| flow(&entry.clone().sorted())).unwrap_or_default().as_bytes())
}

fn hash(bytes: &[u8]) -> String {
    let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(bytes).into();
    format!("{:08x}", u32::from_be_bytes([a, b, c, d]))
}
