//! The sole reader of the process environment. Everything else takes an [`Env`] as an argument,
//! so that tests say what the environment is.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// A snapshot of the process's environment and working folder.
#[derive(Debug, Clone, Default)]
pub struct Env {
    vars: BTreeMap<String, String>,
    /// The folder that relative paths on the command line start from. Absolute.
    pub folder: PathBuf,
}

impl Env {
    /// What this process was started with. Variables that are not UTF-8 are left out.
    #[must_use]
    pub fn of_process() -> Self {
        let vars = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { vars, folder: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")) }
    }

    /// This process's arguments, the program's own name first.
    #[must_use]
    pub fn arguments_of_process() -> Vec<OsString> {
        std::env::args_os().collect()
    }

    /// Where this process's program lies, where the system says.
    #[must_use]
    pub fn program_of_process() -> Option<PathBuf> {
        std::env::current_exe().ok()
    }

    /// An environment made up for a test or an embedding program.
    #[must_use]
    pub fn from_pairs<K: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (K, V)>,
        folder: PathBuf,
    ) -> Self {
        let vars = pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        Self { vars, folder }
    }

    /// The value of a variable; one that is set but empty counts as not set.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.vars.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The value of a variable as it stands, the empty one included.
    #[must_use]
    pub fn get_raw(&self, key: &str) -> Option<&str> {
        self.vars.get(key).map(String::as_str)
    }

    /// The values of all variables, in order of name.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.vars.values().map(String::as_str)
    }

    /// Every variable whose name starts with `prefix`, in order of name.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.vars
            .range(prefix.to_owned()..)
            .take_while(move |(key, _)| key.starts_with(prefix))
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The user's home folder, where one is known.
    #[must_use]
    pub fn home(&self) -> Option<PathBuf> {
        self.get("HOME").or_else(|| self.get("USERPROFILE")).map(PathBuf::from)
    }
}
