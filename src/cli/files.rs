//! Files that are written for people: all of them or none, and never over what a person wrote.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, Exit};

/// A file that is to be written.
pub(super) struct NewFile {
    pub(super) path: PathBuf,
    pub(super) text: String,
    /// Whether what is there was made by us and not changed since.
    pub(super) is_ours: fn(&str) -> bool,
}

/// What was done about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Written {
    Created,
    Unchanged,
    Replaced,
    /// What was there is kept under that name.
    BackedUp(PathBuf),
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("{} was changed by hand, or was never rendered", .0.display())]
    Edited(PathBuf),
    #[error("{} is a symbolic link to {}, outside of its folder", path.display(), target.display())]
    LeadsAway { path: PathBuf, target: PathBuf },
    #[error("{} is read-only", .0.display())]
    ReadOnly(PathBuf),
    #[error("{} is not a file", .0.display())]
    NotAFile(PathBuf),
    #[error("cannot write {}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

impl Diagnostic for FileError {
    fn exit(&self) -> Exit {
        Exit::Failed
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Edited(_) => "move the change into mcpo.yaml or a template, or say --force: the file is kept beside as a backup".into(),
            Self::LeadsAway { .. } => "remove the link, or name the folder that it leads to with -o".into(),
            Self::ReadOnly(path) => format!("chmod u+w {}", path.display()),
            Self::NotAFile(_) => "remove it, or choose another folder with -o".into(),
            Self::Io { .. } => "choose a folder that you may write to with -o".into(),
        })
    }
}

/// Writes all files or, where one of them cannot be, none; an interruption leaves each as it was or
/// as it is to be.
pub(super) fn write_all(files: &[NewFile], force: bool) -> Result<Vec<(PathBuf, Written)>, FileError> {
    let mut staged = Vec::new();
    for file in files {
        staged.push(Staged::new(file, force)?);
    }
    commit_all(staged)
}

fn commit_all(staged: impl IntoIterator<Item = Staged>) -> Result<Vec<(PathBuf, Written)>, FileError> {
    let (mut done, mut undo) = (Vec::new(), Vec::new());
    for file in staged {
        match file.commit() {
            Ok((written, before)) => {
                done.push(written);
                undo.push(before);
            }
            Err(error) => {
                // In the order of the doing, backwards.
                while let Some(before) = undo.pop() {
                    before.restore();
                }
                return Err(error);
            }
        }
    }
    Ok(done)
}

/// What was there before a file was put in place.
struct Before {
    path: PathBuf,
    text: Option<Vec<u8>>,
    changed: bool,
    backup: Option<PathBuf>,
}

impl Before {
    /// Puts it back as well as it goes: that it does not is a second failure after the one that is told.
    fn restore(self) {
        let restored = match (self.changed, &self.text) {
            (false, _) => Ok(()),
            (true, Some(text)) => fs::write(&self.path, text),
            (true, None) => fs::remove_file(&self.path),
        };
        if let (Ok(()), Some(backup)) = (restored, self.backup) {
            let _ = fs::remove_file(backup);
        }
    }
}

/// A file whose new text lies beside it, complete.
struct Staged {
    path: PathBuf,
    written: Written,
    beside: Option<Beside>,
}

/// Removed when it is dropped, unless it has taken the file's place.
struct Beside(PathBuf);

impl Drop for Beside {
    fn drop(&mut self) {
        // It may have taken the file's place.
        let _ = fs::remove_file(&self.0);
    }
}

impl Staged {
    fn new(file: &NewFile, force: bool) -> Result<Self, FileError> {
        let path = file.path.clone();
        let failed = |source| FileError::Io { path: path.clone(), source };
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(failed)?;
        let target = followed(&path, folder)?;
        // What is no file may never end, or never begin.
        if fs::metadata(&target).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(FileError::NotAFile(path));
        }
        let written = match fs::read_to_string(&target) {
            Ok(found) if found == file.text => {
                return Ok(Self { path, written: Written::Unchanged, beside: None });
            }
            Ok(found) if (file.is_ours)(&found) => Written::Replaced,
            Ok(_) if force => Written::BackedUp(free_name(&target)),
            Ok(_) => return Err(FileError::Edited(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Written::Created,
            Err(error) if error.kind() == io::ErrorKind::InvalidData && force => {
                Written::BackedUp(free_name(&target))
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(FileError::Edited(path)),
            Err(error) => return Err(failed(error)),
        };
        let before = fs::metadata(&target).ok();
        if before.as_ref().is_some_and(|metadata| metadata.permissions().readonly()) {
            return Err(FileError::ReadOnly(path));
        }
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let beside = Beside(target.with_file_name(format!(".{name}.{}", std::process::id())));
        let stage = || {
            let mut staged = OpenOptions::new().write(true).create_new(true).open(&beside.0)?;
            staged.write_all(file.text.as_bytes())?;
            if let Some(before) = before {
                staged.set_permissions(before.permissions())?;
            }
            staged.sync_all()
        };
        stage().map_err(failed)?;
        Ok(Self { path: target, written, beside: Some(beside) })
    }

    fn commit(self) -> Result<((PathBuf, Written), Before), FileError> {
        let Self { path, written, beside } = self;
        let failed = |source| FileError::Io { path: path.clone(), source };
        let mut before =
            Before { path: path.clone(), text: fs::read(&path).ok(), changed: false, backup: None };
        if let Written::BackedUp(backup) = &written {
            fs::copy(&path, backup).map_err(failed)?;
            before.backup = Some(backup.clone());
        }
        if let Some(beside) = &beside {
            if let Err(source) = fs::rename(&beside.0, &path) {
                before.restore();
                return Err(FileError::Io { path, source });
            }
            before.changed = true;
            // That the name is on the disk too is asked for, and not all file systems can say.
            if let Some(folder) = path.parent().and_then(|folder| File::open(folder).ok()) {
                let _ = folder.sync_all();
            }
        }
        Ok(((path, written), before))
    }
}

/// Where a symbolic link leads, which must be within its own folder.
fn followed(path: &Path, folder: &Path) -> Result<PathBuf, FileError> {
    if !path.is_symlink() {
        return Ok(path.to_path_buf());
    }
    let failed = |source| FileError::Io { path: path.to_path_buf(), source };
    let target = folder.join(fs::read_link(path).map_err(failed)?);
    let inside = target.parent().and_then(|parent| parent.canonicalize().ok());
    if inside.is_some_and(|inside| Some(inside) == folder.canonicalize().ok()) && !target.is_symlink() {
        return Ok(target);
    }
    Err(FileError::LeadsAway { path: path.to_path_buf(), target })
}

/// A name beside `path` that nothing has: `NAME.bak`, then `NAME.bak.2`, and so on.
fn free_name(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let numbered = (2_u32..).map(|number| format!("{name}.bak.{number}"));
    let mut names =
        std::iter::once(format!("{name}.bak")).chain(numbered).map(|name| path.with_file_name(name));
    names.find(|name| !name.exists() && !name.is_symlink()).unwrap_or_else(|| path.with_extension("bak"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(folder: &Path, name: &str, text: &str) -> NewFile {
        NewFile { path: folder.join(name), text: text.to_owned(), is_ours: |text| text.starts_with("ours") }
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_a_person_wrote_is_kept_until_it_is_forced_and_then_beside() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        let write = |text: &str, force| write_all(&[new(folder, "a", text)], force);
        let done = |written| vec![(folder.join("a"), written)];
        assert_eq!(write("ours 1", false).expect("written"), done(Written::Created));
        assert_eq!(write("ours 1", false).expect("written"), done(Written::Unchanged));
        assert_eq!(write("ours 2", false).expect("written"), done(Written::Replaced));
        fs::write(folder.join("a"), "mine").expect("a file");
        assert!(matches!(write("ours 3", false), Err(FileError::Edited(_))));
        assert_eq!(fs::read_to_string(folder.join("a")).expect("a file"), "mine");
        assert_eq!(write("ours 3", true).expect("written"), done(Written::BackedUp(folder.join("a.bak"))));
        fs::write(folder.join("a"), b"\xff\xfe").expect("a file");
        assert_eq!(write("ours 4", true).expect("written"), done(Written::BackedUp(folder.join("a.bak.2"))));
        assert_eq!(names(folder), ["a", "a.bak", "a.bak.2"]);
        assert_eq!(fs::read_to_string(folder.join("a.bak")).expect("a file"), "mine");
    }

    #[test]
    fn where_one_file_cannot_be_written_none_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        fs::create_dir(folder.join("b")).expect("a folder");
        let files = [new(folder, "a", "ours"), new(folder, "b", "ours")];
        assert!(matches!(write_all(&files, true), Err(FileError::NotAFile(_))));
        assert_eq!(names(folder), ["b"]);
    }

    #[test]
    fn where_the_second_file_does_not_get_into_place_the_first_is_as_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        fs::write(folder.join("a"), "mine").expect("a file");
        let files = [new(folder, "a", "ours 2"), new(folder, "b", "ours 2"), new(folder, "c", "ours 2")];
        let mut staged: Vec<Staged> =
            files.iter().map(|file| Staged::new(file, true).expect("a stage")).collect();
        // Somebody was faster: a folder is where the file is to go.
        fs::create_dir(folder.join("c")).expect("a folder");
        assert!(matches!(commit_all(staged.drain(..)), Err(FileError::Io { .. })));
        assert_eq!(fs::read_to_string(folder.join("a")).expect("a file"), "mine");
        assert_eq!(names(folder), ["a", "c"]);
    }

    #[test]
    #[cfg(unix)]
    fn what_is_no_file_is_not_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let made = std::process::Command::new("mkfifo").arg(folder.path().join("a")).status();
        assert!(made.expect("mkfifo").success());
        assert!(matches!(write_all(&[new(folder.path(), "a", "x")], true), Err(FileError::NotAFile(_))));
    }

    #[test]
    #[cfg(unix)]
    fn a_link_is_followed_within_its_folder_alone_and_a_read_only_file_is_left() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let (folder, other) =
            (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let folder = folder.path();
        let target = other.path().join("a");
        fs::write(&target, "ours").expect("a file");
        symlink(&target, folder.join("a")).expect("a link");
        let away = write_all(&[new(folder, "a", "ours 2")], true);
        assert!(matches!(away, Err(FileError::LeadsAway { .. })), "{away:?}");
        assert_eq!(fs::read_to_string(&target).expect("a file"), "ours");

        symlink("real", folder.join("b")).expect("a link");
        write_all(&[new(folder, "b", "ours 3")], false).expect("written");
        assert!(folder.join("b").is_symlink());
        assert_eq!(fs::read_to_string(folder.join("real")).expect("a file"), "ours 3");

        fs::set_permissions(folder.join("real"), fs::Permissions::from_mode(0o444)).expect("our file");
        assert!(matches!(write_all(&[new(folder, "real", "ours 4")], false), Err(FileError::ReadOnly(_))));
    }
}
