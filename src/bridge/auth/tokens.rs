//! The file of bearer tokens.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;

use super::entries::Entries;
use super::principal::{Identity, Principal};
use super::watched::{Problems, Watched, read, warn_if_open};

/// The longest token file, in bytes.
const FILE_BYTES: u64 = 1024 * 1024;

/// Bearer tokens from a file, one a line: `name token`, or `name sha256:HEX` with the token's
/// SHA-256 in its place, or `name certificate` for whom a client certificate names; after it, where
/// there is one, the list of tools that they may call, such as `read_*,!read_secrets`. Read again
/// when it changes. Neither tokens nor digests show in its `Debug`.
#[derive(Debug, Clone)]
pub struct TokenFile(Arc<Watched<Entries>>);

impl TokenFile {
    /// Reads the file. The error is a line for each thing that is wrong, with its place.
    pub fn open(file: &Path) -> Result<Self, Vec<String>> {
        let named = file.to_owned();
        let watched = Watched::open(vec![file.to_owned()], move || load(&named))?;
        Ok(Self(Arc::new(watched)))
    }

    /// Whom a token lets in.
    pub(crate) fn find(&self, token: &str) -> Option<Principal> {
        let entries = self.0.current();
        let entry = entries.find(token)?;
        Some(Principal::by_token(Arc::clone(&entry.name), Arc::clone(&entry.access), entry.digest))
    }

    /// Waits until it does not say any more what let somebody in; seen when somebody [looks](Self::look).
    pub(crate) async fn shut_to(&self, principal: &Principal) {
        loop {
            // Listening starts before the look, so that no change falls between the two.
            let mut changed = pin!(self.0.changed());
            changed.as_mut().enable();
            if !self.still_admits(principal) {
                return;
            }
            changed.await;
        }
    }

    /// Looks whether it has changed.
    pub(crate) fn look(&self) {
        self.0.current();
    }

    /// Whether it still says of somebody what it said when they came in.
    fn still_admits(&self, principal: &Principal) -> bool {
        let entries = self.0.current();
        match (principal.identity(), principal.token()) {
            (Identity::Certificate(name), _) => entries.access_of(name) == *principal.access(),
            (_, Some(digest)) => entries.has(digest, principal.access()),
            (_, None) => true,
        }
    }

    /// Somebody whom a certificate has let in.
    pub(crate) fn of_certificate(&self, name: &Arc<str>) -> Principal {
        let access = self.0.current().access_of(name);
        Principal::new(Identity::Certificate(Arc::clone(name)), access)
    }
}

fn load(file: &Path) -> Result<Entries, Problems> {
    let bytes = read(file, FILE_BYTES).map_err(|problem| vec![problem])?;
    let name = file.display();
    let text = str::from_utf8(&bytes).map_err(|_| vec![format!("{name}: not UTF-8")])?;
    let entries = Entries::parse(text).map_err(|problems| {
        let told = problems.into_iter().map(|(line, words)| match line {
            0 => format!("{name}: {words}"),
            line => format!("{name}:{line}: {words}"),
        });
        told.collect::<Problems>()
    })?;
    if entries.is_secret() {
        warn_if_open(file);
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn problems_name_the_file_and_the_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("tokens");
        fs::write(&file, "a short\nb\n").expect("a file");
        let problems = TokenFile::open(&file).expect_err("two problems");
        let name = file.display();
        assert_eq!(problems.len(), 2);
        assert!(problems[0].starts_with(&format!("{name}:1: the token ")), "{problems:?}");
        assert!(problems[1].starts_with(&format!("{name}:2: write ")), "{problems:?}");
        fs::write(&file, b"a \xff").expect("a file");
        assert_eq!(TokenFile::open(&file).expect_err("no text"), [format!("{name}: not UTF-8")]);
    }

    #[test]
    fn its_debug_shows_no_token() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("tokens");
        fs::write(&file, "a 0123456789abcdef\n").expect("a file");
        let tokens = TokenFile::open(&file).expect("a token");
        assert!(!format!("{tokens:?}").contains("0123"), "{tokens:?}");
        let principal = tokens.find("0123456789abcdef").expect("a principal");
        assert!(tokens.still_admits(&principal));
    }
}
