//! Build contexts: a folder as the engine's builder takes it, a tar whose bytes depend on nothing
//! but names, kinds, modes and contents.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::ignore_file::IgnoreFile;
use crate::diagnostic::{Diagnostic, Exit};
use crate::model::User;
use crate::plan::{Digest, DigestOf};

/// What is sent to the builder.
#[derive(Debug)]
pub struct BuildContext {
    root: PathBuf,
    /// Relative paths with `/` between their parts, in order.
    paths: Vec<String>,
    dockerfile: String,
}

/// Why a context cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// A file or folder of it cannot be read.
    #[error("cannot read {} of the build context: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A name that is not UTF-8.
    #[error("the build context holds a name that is not UTF-8: {}", .0.display())]
    Name(PathBuf),
    /// The Dockerfile is not where it should be.
    #[error("there is no Dockerfile at {}", .0.display())]
    NoDockerfile(PathBuf),
    /// The `.dockerignore` holds something that is no pattern.
    #[error("{} is not valid: {message}", path.display())]
    IgnoreFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// More files than any context should have.
    #[error("the build context {} has more than {MAX_FILES} files", .0.display())]
    TooLarge(PathBuf),
}

impl Diagnostic for ContextError {
    fn exit(&self) -> Exit {
        Exit::BadInput
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::TooLarge(_) => {
                Some("leave out what the build does not need with a .dockerignore file".into())
            }
            Self::NoDockerfile(_) => {
                Some("set orchestrator.build.dockerfile, relative to the context".into())
            }
            _ => None,
        }
    }
}

const MAX_FILES: usize = 100_000;

impl BuildContext {
    /// Lists a context's files, those left out that its `.dockerignore` names.
    pub fn of_folder(root: &Path, dockerfile: &str) -> Result<Self, ContextError> {
        if !root.join(dockerfile).is_file() {
            return Err(ContextError::NoDockerfile(root.join(dockerfile)));
        }
        let ignored = ignore_file(root, dockerfile)?;
        let mut paths = Vec::new();
        let mut folders = vec![String::new()];
        while let Some(folder) = folders.pop() {
            let here = root.join(&folder);
            let failed = |source| ContextError::Io { path: here.clone(), source };
            for entry in fs::read_dir(&here).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let name = entry.file_name().into_string().map_err(|_| ContextError::Name(entry.path()))?;
                let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
                let kind = entry.file_type().map_err(failed)?;
                // The builder needs these two whatever the patterns say, as with the Docker CLI.
                let needed = path == dockerfile || path == ".dockerignore";
                let left_out = !needed && ignored.leaves_out(&path);
                if kind.is_dir() {
                    let leads_to_needed = dockerfile.starts_with(&format!("{path}/"));
                    if !left_out || ignored.may_keep_below() || leads_to_needed {
                        folders.push(path.clone());
                    }
                }
                if !left_out && (kind.is_dir() || kind.is_file() || kind.is_symlink()) {
                    paths.push(path);
                }
                if paths.len() > MAX_FILES {
                    return Err(ContextError::TooLarge(root.to_path_buf()));
                }
            }
        }
        paths.sort_unstable();
        Ok(Self { root: root.to_path_buf(), paths, dockerfile: dockerfile.to_owned() })
    }

    /// The digest of everything in it.
    pub fn digest(&self) -> Result<Digest, ContextError> {
        let mut writer = DigestWriter(DigestOf::default().part("dockerfile", self.dockerfile.as_bytes()));
        self.write_tar(&mut writer)?;
        Ok(writer.0.finish())
    }

    /// Writes it as a tar.
    pub fn write_tar(&self, writer: impl Write) -> Result<(), ContextError> {
        let mut tar = tar::Builder::new(writer);
        for path in &self.paths {
            self.append(&mut tar, path)
                .map_err(|source| ContextError::Io { path: self.root.join(path), source })?;
        }
        tar.finish().map_err(|source| ContextError::Io { path: self.root.clone(), source })
    }

    fn append<W: Write>(&self, tar: &mut tar::Builder<W>, path: &str) -> io::Result<()> {
        let full = self.root.join(path);
        let metadata = fs::symlink_metadata(&full)?;
        let mut header = tar::Header::new_gnu();
        header.set_mode(mode(&metadata));
        if metadata.is_symlink() {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            return tar.append_link(&mut header, path, fs::read_link(&full)?);
        }
        if metadata.is_dir() {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_size(0);
            return tar.append_data(&mut header, format!("{path}/"), io::empty());
        }
        header.set_size(metadata.len());
        // A file that grows meanwhile must not spoil the archive.
        tar.append_data(&mut header, path, File::open(&full)?.take(metadata.len()))
    }
}

fn ignore_file(root: &Path, dockerfile: &str) -> Result<IgnoreFile, ContextError> {
    // The one that belongs to the Dockerfile beats the folder's, as in BuildKit.
    for path in [root.join(format!("{dockerfile}.dockerignore")), root.join(".dockerignore")] {
        match fs::read_to_string(&path) {
            Ok(text) => {
                return IgnoreFile::parse(&text)
                    .map_err(|message| ContextError::IgnoreFile { path, message });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(ContextError::Io { path, source }),
        }
    }
    Ok(IgnoreFile::default())
}

#[cfg(unix)]
fn mode(metadata: &fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o7777
}

#[cfg(not(unix))]
fn mode(_: &fs::Metadata) -> u32 {
    // As the Docker CLI does on Windows, which knows no modes.
    0o755
}

struct DigestWriter(DigestOf);

impl Write for DigestWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One file of a context that is made in memory.
pub(super) struct MadeFile<'a> {
    pub(super) path: &'a str,
    pub(super) mode: u32,
    pub(super) owner: User,
    pub(super) bytes: &'a [u8],
}

/// An archive made in memory. The same files give the same bytes: none of them has a time.
pub(super) fn made_tar(files: &[MadeFile<'_>]) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(file.mode);
        header.set_uid(file.owner.uid.into());
        header.set_gid(file.owner.gid.into());
        header.set_size(file.bytes.len() as u64);
        tar.append_data(&mut header, file.path, file.bytes)?;
    }
    tar.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("a file");
        }
        folder
    }

    fn digest(folder: &tempfile::TempDir) -> Digest {
        BuildContext::of_folder(folder.path(), "Dockerfile").expect("a context").digest().expect("a digest")
    }

    #[test]
    fn what_the_ignore_file_names_is_left_out_but_never_the_dockerfile() {
        let folder = folder(&[
            ("Dockerfile", "FROM scratch"),
            (".dockerignore", "*\n!src\nsrc/secret"),
            ("src/main", "x"),
            ("src/secret", "x"),
            ("target/big", "x"),
        ]);
        let context = BuildContext::of_folder(folder.path(), "Dockerfile").expect("a context");
        assert_eq!(context.paths, [".dockerignore", "Dockerfile", "src", "src/main"]);
    }

    #[test]
    fn the_digest_follows_contents_and_names_but_not_times() {
        let (one, two) =
            (folder(&[("Dockerfile", "a"), ("x", "1")]), folder(&[("Dockerfile", "a"), ("x", "1")]));
        assert_eq!(digest(&one), digest(&two));
        fs::write(two.path().join("x"), "2").expect("a file");
        assert_ne!(digest(&one), digest(&two));
    }

    #[test]
    fn a_missing_dockerfile_is_told_with_its_place() {
        let folder = folder(&[("x", "1")]);
        let error = BuildContext::of_folder(folder.path(), "deploy/Dockerfile").expect_err("an error");
        assert!(error.to_string().ends_with("deploy/Dockerfile"), "{error}");
    }
}
