//! Log files that never outgrow their folder, however many processes share it.
//!
//! Every process writes files of its own name and holds a lock on the one it writes; whoever starts
//! or rotates removes what is too old or too many over the whole folder, but never a locked file.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::settings::LogSettings;

const PREFIX: &str = "mcp-orchestrator-";
const SUFFIX: &str = ".log";
/// The most log files that one clean-up looks at; what is beyond is the next one's.
const MAX_LOOKED_AT: usize = 2_000;
/// The most of the host's name that a file's name takes.
const MAX_HOST: usize = 63;

/// What tells a process from all others that ever share its folder. In a container the process is
/// always number 1 and two may start in the same instant, but their host names differ.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    host: String,
    pid: u32,
    started: u128,
}

impl Identity {
    pub(super) fn own() -> Self {
        // The kernel's answer for this container; the environment's may be anybody's.
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        Self::new(&host, std::process::id(), started)
    }

    fn new(host: &str, pid: u32, started: u128) -> Self {
        let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
        let host: String = host.chars().filter(plain).take(MAX_HOST).collect();
        Self { host: if host.is_empty() { "host".to_owned() } else { host }, pid, started }
    }

    fn file_name(&self, sequence: u32) -> String {
        format!("{PREFIX}{}-{}-{}-{sequence:04}{SUFFIX}", self.host, self.pid, self.started)
    }
}

/// A writer of log lines that starts a new file when one is full. Its [`Write::write`] takes a whole
/// line at a time and never fails: logs must not stop a server.
#[derive(Debug)]
pub(super) struct LogFiles {
    folder: PathBuf,
    identity: Identity,
    limits: LogSettings,
    sequence: u32,
    /// None once writing failed.
    file: Option<File>,
    written: u64,
}

impl LogFiles {
    /// Starts the first file, and cleans the folder up.
    pub(super) fn open(folder: &Path, identity: &Identity, limits: &LogSettings) -> io::Result<Self> {
        let mut files = Self {
            folder: folder.to_owned(),
            identity: identity.clone(),
            limits: limits.clone(),
            sequence: 0,
            file: None,
            written: 0,
        };
        files.start_file()?;
        Ok(files)
    }

    fn start_file(&mut self) -> io::Result<()> {
        let path = self.folder.join(self.identity.file_name(self.sequence));
        // Never a file of somebody else's, nor through a link that somebody else placed.
        let file = OpenOptions::new().append(true).create_new(true).open(&path)?;
        // A file system without locks leaves the file open to clean-up, which is no reason to stop.
        let _ = file.try_lock();
        self.sequence += 1;
        self.file = Some(file);
        self.written = 0;
        self.clean_up(&path, SystemTime::now());
        Ok(())
    }

    /// Removes files that are too old, then the oldest while there are too many.
    fn clean_up(&self, own: &Path, now: SystemTime) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let mut files: Vec<(SystemTime, PathBuf)> = entries
            .filter_map(Result::ok)
            .filter(|entry| is_log_name(&entry.file_name().to_string_lossy()))
            .take(MAX_LOOKED_AT)
            .filter_map(|entry| {
                let about = entry.metadata().ok().filter(fs::Metadata::is_file)?;
                Some((about.modified().ok()?, entry.path()))
            })
            .collect();
        files.sort();
        let mut left = files.len();
        for (modified, path) in files.iter().filter(|(_, path)| path != own) {
            let is_old = now.duration_since(*modified).is_ok_and(|age| age > self.limits.max_age);
            if (is_old || left > self.limits.max_files) && remove_unused(path) {
                left -= 1;
            }
        }
    }

    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        let max = self.limits.max_size.0;
        let line = &line[..line.len().min(usize::try_from(max).unwrap_or(usize::MAX))];
        let length = line.len() as u64;
        if self.file.is_some() && self.written + length > max {
            self.start_file()?;
        }
        if let Some(file) = &mut self.file {
            file.write_all(line)?;
            self.written += length;
        }
        Ok(())
    }
}

impl Write for LogFiles {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Err(error) = self.write_line(line) {
            self.file = None;
            // Not through tracing, which is what calls this.
            let folder = self.folder.display();
            let _ = writeln!(
                io::stderr(),
                "WARN the log folder {folder} failed ({error}); logs go to stderr only"
            );
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn is_log_name(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

/// Whether the file is gone: removed now, or by somebody else meanwhile.
fn remove_unused(path: &Path) -> bool {
    match File::open(path) {
        Ok(file) => match file.try_lock() {
            Err(TryLockError::WouldBlock) => false,
            // The lock is held until the file is gone.
            Ok(()) | Err(TryLockError::Error(_)) => fs::remove_file(path).is_ok(),
        },
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use tempfile::TempDir;
    use tracing::level_filters::LevelFilter;

    use crate::model::Bytes;

    fn limits(max_files: usize) -> LogSettings {
        LogSettings {
            folder: None,
            max_size: Bytes(100),
            max_files,
            max_age: Duration::from_hours(1),
            stderr_level: LevelFilter::WARN,
            file_level: LevelFilter::INFO,
        }
    }

    fn sizes(folder: &TempDir) -> Vec<u64> {
        let entries = fs::read_dir(folder.path()).expect("readable");
        entries.map(|entry| entry.expect("readable").metadata().expect("readable").len()).collect()
    }

    fn open(folder: &TempDir, pid: u32, max_files: usize) -> LogFiles {
        LogFiles::open(folder.path(), &Identity::new("c0ffee", pid, 1), &limits(max_files)).expect("writable")
    }

    #[test]
    fn size_and_number_stay_bounded_however_much_is_written() {
        let folder = TempDir::new().expect("a folder");
        let mut files = open(&folder, 1, 3);
        for _ in 0..1000 {
            files.write_all(&[b'x'; 30]).expect("never fails");
        }
        files.write_all(&[b'x'; 5000]).expect("never fails");
        let sizes = sizes(&folder);
        assert_eq!(sizes.len(), 3, "{sizes:?}");
        assert!(sizes.iter().all(|size| *size <= 100), "{sizes:?}");
    }

    #[test]
    fn a_file_that_another_process_writes_is_never_removed_and_one_left_behind_is() {
        let folder = TempDir::new().expect("a folder");
        let live: Vec<LogFiles> = (1..=3).map(|pid| open(&folder, pid, 2)).collect();
        assert_eq!(sizes(&folder).len(), 3);
        drop(live);
        let _next = open(&folder, 4, 2);
        assert_eq!(sizes(&folder).len(), 2);
    }

    #[test]
    fn an_old_file_goes_and_files_of_others_stay() {
        let folder = TempDir::new().expect("a folder");
        let long_ago = SystemTime::now() - Duration::from_hours(2);
        for name in ["mcp-orchestrator-x-1-1-0000.log", "somebody-elses.log"] {
            File::create(folder.path().join(name))
                .and_then(|file| file.set_modified(long_ago))
                .expect("made");
        }
        let _files = open(&folder, 1, 10);
        let names: Vec<_> =
            fs::read_dir(folder.path()).expect("readable").map(|e| e.expect("read").file_name()).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(names.contains(&"somebody-elses.log".into()), "{names:?}");
    }

    #[test]
    fn more_files_than_one_clean_up_looks_at_are_gone_after_the_next() {
        let folder = TempDir::new().expect("a folder");
        for number in 0..MAX_LOOKED_AT + 10 {
            File::create(folder.path().join(format!("{PREFIX}{number}{SUFFIX}"))).expect("made");
        }
        let _first = open(&folder, 1, 2);
        let left = sizes(&folder).len();
        assert!((3..=13).contains(&left), "{left}");
        let _second = open(&folder, 2, 2);
        assert_eq!(sizes(&folder).len(), 2);
    }

    #[test]
    fn a_name_in_use_is_never_written_to() {
        let folder = TempDir::new().expect("a folder");
        let _first = open(&folder, 1, 10);
        let again = LogFiles::open(folder.path(), &Identity::new("c0ffee", 1, 1), &limits(10));
        assert_eq!(again.err().map(|error| error.kind()), Some(io::ErrorKind::AlreadyExists));
    }

    #[test]
    fn a_hosts_name_cannot_lead_out_of_the_folder() {
        let name = Identity::new("../../etc/x\n", 1, 2).file_name(0);
        assert_eq!(name, "mcp-orchestrator-etcx-1-2-0000.log");
    }
}
