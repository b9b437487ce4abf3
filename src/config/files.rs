//! The only reader of files that a description names: bounded, and with plain words for failures.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::path::{Component, Path, PathBuf};

use crate::env::Env;

/// The longest file that is read, in bytes: `mcpo.yaml`, an env file, a seccomp profile, what is imported.
pub(crate) const MAX_FILE: u64 = 1 << 20;

/// Reads a file of at most [`MAX_FILE`] bytes. The error is words that follow "cannot be used: ".
pub(crate) fn read(path: &Path) -> Result<(Vec<u8>, Metadata), Unreadable> {
    // Asked before opening: opening a FIFO would wait for its writer.
    let metadata = std::fs::metadata(path).map_err(|error| Unreadable::of(&error))?;
    if metadata.is_dir() {
        return Err(Unreadable::Other("it is a folder".to_owned()));
    }
    if !metadata.is_file() {
        return Err(Unreadable::Other("it is not a regular file".to_owned()));
    }
    let file = File::open(path).map_err(|error| Unreadable::of(&error))?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| Unreadable::of(&error))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Unreadable::Other("it is larger than 1 MiB".to_owned()));
    }
    Ok((bytes, metadata))
}

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unreadable {
    Missing,
    Other(String),
}

impl Unreadable {
    fn of(error: &std::io::Error) -> Self {
        match error.kind() {
            ErrorKind::NotFound => Self::Missing,
            ErrorKind::PermissionDenied => Self::Other("it may not be read (permission denied)".to_owned()),
            ErrorKind::NotADirectory => Self::Other("a part of its path is not a folder".to_owned()),
            _ => Self::Other(error.to_string()),
        }
    }

    /// What is wrong with `path`, in words.
    pub(crate) fn message(&self, path: &Path) -> String {
        match self {
            Self::Missing => format!("{} does not exist", path.display()),
            Self::Other(why) => format!("{} cannot be used: {why}", path.display()),
        }
    }
}

/// A path as it was written, made absolute from `base`; `~/` is the home folder, `.` and `..` are
/// resolved by name, as Compose does.
pub(crate) fn absolute(text: &str, base: &Path, env: &Env) -> PathBuf {
    let path = match (text.strip_prefix("~/"), env.home()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => base.join(text),
    };
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

/// A path as messages show it: relative where it lies in the current folder.
pub(super) fn shown(path: &Path, env: &Env) -> String {
    path.strip_prefix(&env.folder).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_absolute_and_clean() {
        let env = Env::from_pairs([("HOME", "/home/me")], PathBuf::from("/w"));
        for (text, path) in [("a/./b/../c", "/p/a/c"), ("~/x", "/home/me/x"), ("/x/..", "/"), (".", "/p")] {
            assert_eq!(absolute(text, Path::new("/p"), &env), Path::new(path), "{text}");
        }
    }

    #[test]
    fn what_is_no_file_of_a_sane_size_is_not_read() {
        let folder = tempfile::tempdir().expect("folder");
        let big = folder.path().join("big");
        std::fs::File::create(&big).and_then(|file| file.set_len(MAX_FILE + 1)).expect("file");
        let exact = folder.path().join("exact");
        std::fs::File::create(&exact).and_then(|file| file.set_len(MAX_FILE)).expect("file");
        assert!(read(&exact).is_ok());
        assert_eq!(read(&big).err(), Some(Unreadable::Other("it is larger than 1 MiB".to_owned())));
        assert_eq!(read(folder.path()).err(), Some(Unreadable::Other("it is a folder".to_owned())));
        assert_eq!(read(&folder.path().join("none")).err(), Some(Unreadable::Missing));
    }
}
