//! Clients' files as files: where they really are, who else writes them, and how one is replaced whole.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self as std_io, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::error::FileError;
use super::homes::Homes;
use super::table::Client;

/// How many links a path may lead through, as in Linux.
const MAX_LINKS: usize = 40;
/// How many bytes a client's file may have; Claude Code's, which holds histories too, has a few million.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// How often, and how far apart, another run of ours is waited for: ten seconds.
const LOCK_TRIES: usize = 500;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// A file that a program reads instead of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instead {
    /// The id of its client.
    pub client: &'static str,
    /// Where it is.
    pub file: PathBuf,
    /// Whether it is read even where both are there.
    pub is_first: bool,
}

/// A file as it was read. Nothing is there where there is no text.
#[derive(PartialEq, Eq)]
pub(super) struct Snapshot {
    /// Where it really is.
    pub(super) path: PathBuf,
    pub(super) text: Option<Vec<u8>>,
    access: Option<Access>,
}

/// The error of a step on a path.
pub(super) fn io(step: &'static str, path: &Path) -> impl FnOnce(std_io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError::Io { step, path, source }
}

/// The file of several candidates that a client reads: one that is there, else one whose folder is
/// there, else the first. A `*` stands for one folder's name, or part of it.
#[must_use]
pub fn locate(candidates: &[PathBuf]) -> Option<PathBuf> {
    let real: Vec<PathBuf> = candidates.iter().flat_map(|path| expanded(path)).collect();
    let there = real.iter().find(|path| path.exists());
    let near = || real.iter().find(|path| path.parent().is_some_and(Path::is_dir));
    there.or_else(near).or(real.first()).cloned()
}

/// Whether a client shows any sign of being installed.
#[must_use]
pub fn is_installed(client: &Client, homes: &Homes) -> bool {
    client.signs(homes).iter().flat_map(|path| expanded(path)).any(|path| path.exists())
}

/// The row of a file that the same program reads instead of this client's, or would no longer read if
/// this client's was made.
#[must_use]
pub fn instead(client: &Client, homes: &Homes) -> Option<Instead> {
    let other = client.other.as_ref()?;
    let file = homes.paths(&other.file).into_iter().find(|file| file.exists())?;
    let is_there = || homes.paths(&client.user).iter().any(|file| file.exists());
    (other.is_first || !is_there()).then_some(Instead {
        client: other.client,
        file,
        is_first: other.is_first,
    })
}

fn expanded(path: &Path) -> Vec<PathBuf> {
    path.components().fold(vec![PathBuf::new()], |paths, part| {
        let part = part.as_os_str();
        let Some(pattern) = part.to_str().filter(|part| part.contains('*')) else {
            return paths.into_iter().map(|path| path.join(part)).collect();
        };
        let mut found: Vec<PathBuf> = paths
            .iter()
            .filter_map(|folder| fs::read_dir(folder).ok())
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                path.file_name().and_then(|name| name.to_str()).is_some_and(|name| fits(pattern, name))
            })
            .collect();
        found.sort();
        found
    })
}

fn fits(pattern: &str, name: &str) -> bool {
    let inner = pattern.trim_matches('*');
    match (pattern.starts_with('*'), pattern.ends_with('*')) {
        (true, true) => name.contains(inner),
        (true, false) => name.ends_with(inner),
        (false, _) => name.starts_with(inner),
    }
}

/// Where a path leads, past every link; the file itself need not be there.
pub(super) fn real(path: &Path) -> Result<PathBuf, FileError> {
    let mut at = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::symlink_metadata(&at) {
            Ok(meta) if meta.is_symlink() => {
                let target = fs::read_link(&at).map_err(io("follow", &at))?;
                at = at.parent().unwrap_or(Path::new("")).join(target);
            }
            Ok(_) => return Ok(at),
            Err(error) if error.kind() == std_io::ErrorKind::NotFound => return Ok(at),
            Err(error) => return Err(io("look at", &at)(error)),
        }
    }
    Err(FileError::TooManyLinks { path: path.to_owned() })
}

/// Refuses to write what somebody made read-only, and what has other names.
pub(super) fn may_replace(path: &Path) -> Result<(), FileError> {
    let meta = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == std_io::ErrorKind::NotFound => return Ok(()),
        meta => meta.map_err(io("look at", path))?,
    };
    if meta.permissions().readonly() {
        return Err(FileError::ReadOnly { path: path.to_owned() });
    }
    let links = links(&meta);
    if links > 1 {
        return Err(FileError::HardLinked { path: path.to_owned(), links });
    }
    Ok(())
}

/// Reads a file, or finds out that there is none.
pub(super) fn snapshot(path: PathBuf) -> Result<Snapshot, FileError> {
    let meta = match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == std_io::ErrorKind::NotFound => {
            return Ok(Snapshot { path, text: None, access: None });
        }
        meta => meta.map_err(io("look at", &path))?,
    };
    if !meta.is_file() {
        return Err(FileError::NotAFile { path });
    }
    if meta.len() > MAX_BYTES {
        return Err(FileError::TooLong { path, limit: MAX_BYTES });
    }
    let text = fs::read(&path).map_err(io("read", &path))?;
    Ok(Snapshot { access: Some(access(&meta)), text: Some(text), path })
}

/// Makes the folder of a file, for its owner alone.
pub(super) fn make_folder(file: &Path) -> Result<PathBuf, FileError> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder).map_err(io("make", folder))?;
    }
    Ok(folder.to_owned())
}

/// Keeps every other run of ours out of a folder until it is dropped.
pub(super) fn lock(folder: &Path) -> Result<File, FileError> {
    #[cfg(unix)]
    let file = File::open(folder).map_err(io("open", folder))?;
    #[cfg(not(unix))]
    let file = {
        let path = folder.join(".mcpo-deploy.lock");
        OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(io("open", &path))?
    };
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(io("lock", folder)(error)),
        }
    }
    Err(FileError::Locked { folder: folder.to_owned() })
}

/// A file that was not there, as open to others as the old one, and on the disk when this returns.
pub(super) fn write_new(path: &Path, text: &[u8], like: &Snapshot) -> Result<(), FileError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(io("make", path))?;
    let written = match &like.access {
        Some(access) => give(&file, access),
        None => Ok(()),
    };
    let written = written.and_then(|()| file.write_all(text)).and_then(|()| file.sync_all());
    written.map_err(|error| {
        let _ = fs::remove_file(path);
        io("write", path)(error)
    })
}

/// The name of a file that becomes another, under the lock: what a killed run left of it goes with the
/// next writing.
pub(super) fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.mcpo-new"))
}

/// Puts a file in the place of another at once, and sees that it stays after a power cut.
pub(super) fn replace(new: &Path, path: &Path, folder: &Path) -> Result<(), FileError> {
    fs::rename(new, path).map_err(io("replace", path))?;
    sync(folder)
}

#[cfg(unix)]
pub(super) fn sync(folder: &Path) -> Result<(), FileError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io("write", folder))
}

#[cfg(not(unix))]
pub(super) fn sync(_folder: &Path) -> Result<(), FileError> {
    Ok(())
}

#[cfg(unix)]
#[derive(PartialEq, Eq)]
struct Access {
    mode: u32,
    user: u32,
    group: u32,
}

#[cfg(unix)]
fn access(meta: &fs::Metadata) -> Access {
    use std::os::unix::fs::MetadataExt as _;
    Access { mode: meta.mode() & 0o7777, user: meta.uid(), group: meta.gid() }
}

#[cfg(unix)]
fn links(meta: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(meta)
}

/// The owner first: it takes the set-id bits of a mode with it.
#[cfg(unix)]
fn give(file: &File, to: &Access) -> std_io::Result<()> {
    use std::os::unix::fs::{PermissionsExt as _, fchown};
    let now = access(&file.metadata()?);
    if (now.user, now.group) != (to.user, to.group) {
        fchown(file, Some(to.user), Some(to.group))?;
    }
    file.set_permissions(fs::Permissions::from_mode(to.mode))
}

#[cfg(not(unix))]
#[derive(PartialEq, Eq)]
struct Access;

#[cfg(not(unix))]
fn access(_meta: &fs::Metadata) -> Access {
    Access
}

#[cfg(not(unix))]
fn links(_meta: &fs::Metadata) -> u64 {
    1
}

#[cfg(not(unix))]
fn give(_file: &File, _to: &Access) -> std_io::Result<()> {
    Ok(())
}
