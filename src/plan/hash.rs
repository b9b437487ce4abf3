//! Digests that decide whether something is made anew.

use std::fmt;
use std::hash::{Hash, Hasher};

use sha2::{Digest as _, Sha256};

use super::container::Container;

/// A SHA-256, shown as `sha256:<64 hex>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest(String);

impl Digest {
    /// The digest as a label holds it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Digests named parts, each with its length, so that no two inputs look the same.
#[derive(Default)]
pub struct DigestOf(Sha256);

impl DigestOf {
    /// Adds a part.
    #[must_use]
    pub fn part(mut self, name: &str, bytes: &[u8]) -> Self {
        for piece in [name.as_bytes(), bytes] {
            self.0.update((piece.len() as u64).to_be_bytes());
            self.0.update(piece);
        }
        self
    }

    /// Adds bytes of a stream, whose parts need not be told apart.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of what was added.
    #[must_use]
    pub fn finish(self) -> Digest {
        use fmt::Write;
        let mut text = "sha256:".to_owned();
        for byte in self.0.finalize() {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Digest(text)
    }
}

/// [`Hash`] into SHA-256: every field that a container is created from, secrets included, so that
/// a changed key replaces the container; the digest tells nothing about a key of real length.
struct Sha(DigestOf);

impl Hasher for Sha {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = std::mem::take(&mut self.0).part("", bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

/// The digest of everything that `container` is created from.
#[must_use]
pub fn config_hash(container: &Container) -> Digest {
    let mut sha = Sha(DigestOf::default());
    container.hash(&mut sha);
    sha.0.finish()
}
