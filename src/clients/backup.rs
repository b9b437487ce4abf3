//! What a file was before each change of ours, beside it: `NAME.mcpo-TIME-HASH.bak`, the hash being of
//! what the change wrote, so that a later undo knows whether anybody wrote since. Where there was no
//! file, an empty `….absent`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use super::civil::{later, stamp};
use super::disk::{Snapshot, io, write_new};
use super::error::FileError;

/// How many are kept of a file.
pub(super) const KEPT: usize = 20;

/// How many seconds a name may be late where one second has several changes.
const MAX_LATER: usize = 3_600;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backup {
    pub(super) path: PathBuf,
    stamp: String,
    hash: String,
    absent: bool,
}

impl Backup {
    /// What was there, or that nothing was.
    pub(super) fn read(&self) -> Result<Option<Vec<u8>>, FileError> {
        if self.absent {
            return Ok(None);
        }
        fs::read(&self.path).map(Some).map_err(io("read", &self.path))
    }

    /// Whether this is byte for byte what its change wrote.
    pub(super) fn wrote(&self, text: &[u8]) -> bool {
        self.hash == hash(text)
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
            let (stamp, hash) = rest.split_once('-')?;
            let valid = stamp.len() == 15 && hash.len() == 8 && matches!(kind, "bak" | "absent");
            valid.then(|| Backup {
                path: path.clone(),
                stamp: stamp.to_owned(),
                hash: hash.to_owned(),
                absent: kind == "absent",
            })
        }));
    }
    found.sort_by(|a, b| b.stamp.cmp(&a.stamp).then_with(|| b.hash.cmp(&a.hash)));
    Ok(found)
}

/// Keeps what a file is before it becomes `new`; its name is later than that of every other.
pub(super) fn keep(old: &Snapshot, new: &[u8], now: SystemTime) -> Result<PathBuf, FileError> {
    let newest = of(&old.path)?.into_iter().next();
    let mut time = now;
    for _ in 0..MAX_LATER {
        if newest.as_ref().is_none_or(|newest| newest.stamp < stamp(time)) {
            break;
        }
        time = later(time);
    }
    let kind = if old.text.is_some() { "bak" } else { "absent" };
    let name = old.path.file_name().unwrap_or_default().to_string_lossy();
    let path = old.path.with_file_name(format!("{name}.mcpo-{}-{}.{kind}", stamp(time), hash(new)));
    write_new(&path, old.text.as_deref().unwrap_or_default(), old)?;
    Ok(path)
}

/// Removes the oldest backups that are too many.
pub(super) fn thin(file: &Path) -> Result<(), FileError> {
    for old in of(file)?.into_iter().skip(KEPT) {
        fs::remove_file(&old.path).map_err(io("remove", &old.path))?;
    }
    Ok(())
}

fn hash(text: &[u8]) -> String {
    let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(text).into();
    format!("{:08x}", u32::from_be_bytes([a, b, c, d]))
}
