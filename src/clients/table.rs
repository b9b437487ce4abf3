//! What a row of the table of clients says. A new client is a row in `rows.rs` and a fixture.

use std::path::{Path, PathBuf};

use super::homes::{Homes, Scope, Where, below};
use super::language::Language;
use super::node::Step;
use super::shape::Shape;
use super::value::Value;

/// A client and its file.
#[derive(Debug)]
pub struct Client {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) language: Language,
    pub(super) user: Where,
    /// Below the project's folder, the likeliest first; nothing where the client has no such file.
    pub(super) project: &'static [&'static str],
    /// What exists where the client is installed.
    pub(super) sign: Where,
    /// Where and how its file has entries. Of several, the first is for a file that says nothing.
    pub(super) variants: &'static [Variant],
    /// Another file of the same program's, of which only one is read.
    pub(super) other: Option<Other>,
    /// What a file of its own starts with; `None` stands for the entry's name.
    pub(super) preamble: &'static [(&'static str, Option<&'static str>)],
}

/// Another file of the same program's, and the row that it has.
#[derive(Debug)]
pub(super) struct Other {
    pub(super) client: &'static str,
    pub(super) file: Where,
    /// Whether it is read where both are there.
    pub(super) is_first: bool,
}

/// One way for a file to have entries.
#[derive(Debug)]
pub(super) struct Variant {
    pub(super) container: &'static [Place],
    /// In a list: the key that an item's name is under. Otherwise entries are members of a map.
    pub(super) listed: Option<&'static str>,
    pub(super) shape: Shape,
    /// Whether a file is written in this way.
    pub(super) sign: fn(&Value) -> bool,
}

/// A step to the container.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Key(&'static str),
    First,
}

impl Variant {
    pub(super) fn path(&self) -> Vec<Step> {
        self.container
            .iter()
            .map(|place| match place {
                Place::Key(key) => Step::key(key),
                Place::First => Step::At(0),
            })
            .collect()
    }
}

impl Client {
    /// What it is called on the command line.
    #[must_use]
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// What people call it.
    #[must_use]
    pub fn title(&self) -> &'static str {
        self.title
    }

    /// Where its file can be, the likeliest first; none where it has no file of that scope.
    #[must_use]
    pub fn paths(&self, homes: &Homes, scope: Scope, project: &Path) -> Vec<PathBuf> {
        match scope {
            Scope::User => homes.paths(&self.user),
            Scope::Project => self.project.iter().map(|path| below(project, path)).collect(),
        }
    }

    /// What exists, one of these at least, where it is installed.
    #[must_use]
    pub fn signs(&self, homes: &Homes) -> Vec<PathBuf> {
        homes.paths(&self.sign)
    }

    /// Whether its file can name an address instead of a program.
    #[must_use]
    pub fn takes_url(&self) -> bool {
        self.variants.iter().any(|variant| variant.shape.url.is_some())
    }

    /// Whether a token that its file names is a variable of its environment, and not a secret that only it
    /// has.
    #[must_use]
    pub fn reads_environment(&self) -> bool {
        self.variants.iter().any(|variant| variant.shape.reads_environment())
    }

    /// Whether its file can name a token instead of holding it.
    #[must_use]
    pub fn takes_variable(&self) -> bool {
        self.variants.iter().any(|variant| variant.shape.takes_variable())
    }
}
