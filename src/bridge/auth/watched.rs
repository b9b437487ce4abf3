//! What is read from files, and read again once they change.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// How often the files are looked at, at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// One line for each thing that is wrong, each with its file.
pub(crate) type Problems = Vec<String>;

type Load<T> = dyn Fn() -> Result<T, Problems> + Send + Sync;

/// What some files say. They are looked at when somebody asks, at most once a second; what is
/// wrong with a new version is logged, and the one before stays.
pub(crate) struct Watched<T> {
    files: Vec<PathBuf>,
    load: Box<Load<T>>,
    every: Duration,
    state: Mutex<State<T>>,
    /// Told when they say something else.
    changed: Notify,
}

struct State<T> {
    looked: Instant,
    seen: Vec<Option<Stamp>>,
    current: Arc<T>,
}

/// What changes when a file does: whether in its place, or for another, or by a link to another.
#[derive(PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl<T> Watched<T> {
    /// Reads the files for the first time.
    pub(crate) fn open(
        files: Vec<PathBuf>,
        load: impl Fn() -> Result<T, Problems> + Send + Sync + 'static,
    ) -> Result<Self, Problems> {
        // Looked at before they are read: a change between the two is then seen as one.
        let seen = stamps(&files);
        let current = Arc::new(load()?);
        let state = Mutex::new(State { looked: Instant::now(), seen, current });
        Ok(Self { files, load: Box::new(load), every: LOOK_EVERY, state, changed: Notify::new() })
    }

    /// What they say now. Reads files, which are small and on this machine.
    pub(crate) fn current(&self) -> Arc<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.elapsed() >= self.every {
            state.looked = Instant::now();
            self.look(&mut state);
        }
        Arc::clone(&state.current)
    }

    /// Ready once they say something else, if somebody has asked what they say meanwhile.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    fn look(&self, state: &mut State<T>) {
        let seen = stamps(&self.files);
        if seen == state.seen {
            return;
        }
        // Kept even if it is of no use, so that each version is complained of once.
        state.seen = seen;
        let names =
            || self.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
        match (self.load)() {
            Ok(new) => {
                state.current = Arc::new(new);
                self.changed.notify_waiters();
                tracing::info!("read again, for it has changed: {}", names());
            }
            Err(problems) => {
                for problem in problems {
                    tracing::error!("what was read before stays in force: {problem}");
                }
            }
        }
    }
}

impl<T> fmt::Debug for Watched<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("files", &self.files).finish_non_exhaustive()
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    let stamp = |file: &PathBuf| std::fs::metadata(file).ok().map(|seen| Stamp::of(&seen));
    files.iter().map(stamp).collect()
}

impl Stamp {
    fn of(seen: &Metadata) -> Self {
        Self {
            device: seen.dev(),
            inode: seen.ino(),
            bytes: seen.len(),
            modified: (seen.mtime(), seen.mtime_nsec()),
        }
    }
}

/// A regular file's bytes, at most `max`.
pub(crate) fn read(file: &Path, max: u64) -> Result<Vec<u8>, String> {
    let wrong = |what: &dyn fmt::Display| format!("{}: {what}", file.display());
    // Seen before it is opened: a pipe would keep us waiting for somebody who writes.
    let seen = std::fs::metadata(file).map_err(|error| wrong(&error))?;
    if !seen.is_file() {
        return Err(wrong(&"not a regular file"));
    }
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(|error| wrong(&error))?;
    opened.take(max + 1).read_to_end(&mut bytes).map_err(|error| wrong(&error))?;
    if bytes.len() as u64 > max {
        return Err(wrong(&format_args!("longer than {max} bytes")));
    }
    Ok(bytes)
}

/// Warns of a secret that every user of this machine can read.
pub(crate) fn warn_if_open(file: &Path) {
    if std::fs::metadata(file).is_ok_and(|seen| seen.mode() & 0o004 != 0) {
        tracing::warn!("every user of this machine can read {}: chmod o-r", file.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn watched(file: &Path) -> Watched<String> {
        let named = file.to_owned();
        let load = move || {
            let bytes = read(&named, 8).map_err(|problem| vec![problem])?;
            String::from_utf8(bytes).map_err(|_| vec!["no text".to_owned()])
        };
        let mut watched = Watched::open(vec![file.to_owned()], load).expect("a good file");
        watched.every = Duration::ZERO;
        watched
    }

    #[test]
    fn a_change_is_seen_in_place_by_name_and_through_a_link() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, other) = (folder.path().join("file"), folder.path().join("other"));
        fs::write(&file, "one").expect("a file");
        let watched = watched(&file);
        assert_eq!(*watched.current(), "one");
        fs::write(&file, "second").expect("a file");
        assert_eq!(*watched.current(), "second");
        fs::write(&other, "third!").expect("a file");
        fs::rename(&other, &file).expect("a file");
        assert_eq!(*watched.current(), "third!");
        fs::write(&other, "4").expect("a file");
        fs::remove_file(&file).expect("a file");
        std::os::unix::fs::symlink(&other, &file).expect("a link");
        assert_eq!(*watched.current(), "4");
    }

    #[test]
    fn a_new_version_that_is_of_no_use_or_gone_leaves_the_old_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "one").expect("a file");
        let watched = watched(&file);
        for broken in [&b"far too long"[..], b"\xff"] {
            fs::write(&file, broken).expect("a file");
            assert_eq!(*watched.current(), "one");
        }
        fs::remove_file(&file).expect("a file");
        assert_eq!(*watched.current(), "one");
        fs::write(&file, "two").expect("a file");
        assert_eq!(*watched.current(), "two");
    }

    #[test]
    fn between_two_looks_nothing_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "one").expect("a file");
        let mut watched = watched(&file);
        watched.every = Duration::from_mins(1);
        fs::write(&file, "second").expect("a file");
        assert_eq!(*watched.current(), "one");
    }

    #[test]
    fn only_a_regular_file_of_some_size_is_read() {
        assert!(read(Path::new("/dev/null"), 1).is_err_and(|words| words.contains("not a regular file")));
        assert!(read(Path::new("/nowhere"), 1).is_err_and(|words| words.starts_with("/nowhere: ")));
    }
}
