//! The files that a new deployment starts with.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use ignore::gitignore::GitignoreBuilder;

use super::find::FILE_NAMES;
use super::settings::{ENV_FILE, SECTIONS, children, last_word, setting};
use crate::diagnostic::{Diagnostic, Exit};

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It was not there and is now.
    Created,
    /// It was there and is as it was.
    Kept,
    /// It was there and has a line more.
    Appended,
}

/// A file and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub path: PathBuf,
    /// What became of it.
    pub done: Done,
}

/// A file that could not be written. Those before it, in the order of [`write()`], were.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", .path.display())]
pub struct InitError {
    /// The file.
    pub path: PathBuf,
    #[source]
    source: io::Error,
}

impl Diagnostic for InitError {
    fn exit(&self) -> Exit {
        Exit::Failed
    }

    fn hint(&self) -> Option<String> {
        match self.source.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                Some("run it in a folder that you may write to".to_owned())
            }
            _ => None,
        }
    }
}

const HEAD: &str = "\
## What `mcpo-deploy` deploys. Every key is optional; each is shown with its default.
## Take the `# ` away from a line, and from the section that it is in, to change it.
## Flags beat the environment (MCPO_...), which beats this file; `mcpo-deploy config` shows the result.
";

/// The text of a new `mcpo.yaml`: every key, commented. It means the same as no file, and so does
/// the text without the `# ` in front of its lines.
#[must_use]
pub fn file_text() -> String {
    let mut text = HEAD.to_owned();
    for child in children("") {
        text.push('\n');
        add(&mut text, child, 0);
    }
    text
}

fn add(text: &mut String, path: &str, depth: usize) {
    let indent = "  ".repeat(depth);
    let word = last_word(path);
    if let Some(setting) = setting(path) {
        let value = setting.default.map(|default| format!(" {default}")).unwrap_or_default();
        let _ = writeln!(text, "## {indent}{}\n# {indent}{word}:{value}", setting.described());
    } else {
        let doc = SECTIONS.iter().find(|(section, _)| *section == path).map_or("", |(_, doc)| doc);
        let _ = writeln!(text, "## {indent}{doc}\n# {indent}{word}:");
        for child in children(path) {
            add(text, child, depth + 1);
        }
    }
}

/// The text of a new env file: the keys that our own server needs, empty.
#[must_use]
pub fn env_text() -> String {
    let keys = setting("orchestrator.required_keys").and_then(|setting| setting.default).unwrap_or_default();
    let mut text = "\
# Secrets, read as `docker run --env-file` reads them: NAME=value, one a line. The value is all that
# follows the `=`: no quotes, no spaces around it, no comment behind it.
# A name with nothing behind the `=` counts: the container has an empty variable. A name without `=`
# is taken from your own environment. Keep this file out of version control.
"
    .to_owned();
    for key in keys.trim_matches(['[', ']']).split(',').map(str::trim) {
        let _ = writeln!(text, "{key}=");
    }
    text
}

/// Writes `.gitignore`, `.env` (mode 0600) and `mcpo.yaml` into a folder, in this order, so that
/// no secret ever lies there unprotected. Nothing is overwritten; a dry run writes nothing at all.
pub fn write(folder: &Path, dry_run: bool) -> Result<Vec<Written>, InitError> {
    let step = |path: PathBuf, done: io::Result<Done>| match done {
        Ok(done) => Ok(Written { path, done }),
        Err(source) => Err(InitError { path, source }),
    };
    let gitignore = folder.join(".gitignore");
    let env_file = folder.join(ENV_FILE);
    let there = FILE_NAMES.iter().map(|name| folder.join(name)).find(|path| path.symlink_metadata().is_ok());
    let file = there.unwrap_or_else(|| folder.join(FILE_NAMES[0]));
    Ok(vec![
        step(gitignore.clone(), ignore_env_file(&gitignore, dry_run))?,
        step(env_file.clone(), create(&env_file, &env_text(), 0o600, dry_run))?,
        step(file.clone(), create(&file, &file_text(), 0o644, dry_run))?,
    ])
}

/// Creates a file with its mode from the start, or keeps what is there. What was begun and could
/// not be finished is removed.
fn create(path: &Path, text: &str, mode: u32, dry_run: bool) -> io::Result<Done> {
    if dry_run {
        return Ok(if path.symlink_metadata().is_ok() { Done::Kept } else { Done::Created });
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    set_mode(&mut options, mode);
    let mut file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(Done::Kept),
        Err(error) => return Err(error),
    };
    match file.write_all(text.as_bytes()).and_then(|()| file.sync_all()) {
        Ok(()) => Ok(Done::Created),
        Err(error) => {
            // The first error is the one to tell.
            let _ = std::fs::remove_file(path);
            Err(error)
        }
    }
}

fn ignore_env_file(path: &Path, dry_run: bool) -> io::Result<Done> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return create(path, &format!("{ENV_FILE}\n"), 0o644, dry_run);
        }
        Err(error) => return Err(error),
    };
    if covers_env_file(&String::from_utf8_lossy(&text)) {
        return Ok(Done::Kept);
    }
    if dry_run {
        return Ok(Done::Appended);
    }
    let line = if text.is_empty() || text.ends_with(b"\n") { "" } else { "\n" };
    let mut file: File = OpenOptions::new().append(true).open(path)?;
    file.write_all(format!("{line}{ENV_FILE}\n").as_bytes())?;
    Ok(Done::Appended)
}

/// Whether a `.gitignore` keeps `.env` out, by git's own rules.
fn covers_env_file(text: &str) -> bool {
    let mut builder = GitignoreBuilder::new("");
    for line in text.lines() {
        // A line that git would not understand covers nothing.
        let _ = builder.add_line(None, line);
    }
    builder.build().is_ok_and(|rules| rules.matched(ENV_FILE, false).is_ignore())
}

#[cfg(unix)]
fn set_mode(options: &mut OpenOptions, mode: u32) {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(mode);
}

#[cfg(not(unix))]
fn set_mode(_: &mut OpenOptions, _: u32) {}

#[cfg(test)]
#[path = "init_tests.rs"]
mod tests;
