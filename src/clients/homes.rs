//! Where clients keep their files, on every system. The environment is told, not read.

use std::path::{Path, PathBuf};

/// The system that the client runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Os {
    /// Linux, and what is like it.
    Linux,
    /// macOS.
    MacOs,
    /// Windows.
    Windows,
}

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The user's, for every project.
    User,
    /// A project's, in its folder.
    Project,
}

/// The folders of a user that clients' files lie in. What is `None` has its usual place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Homes {
    /// The system.
    pub os: Os,
    /// The home folder.
    pub home: PathBuf,
    /// `APPDATA`.
    pub appdata: Option<PathBuf>,
    /// `LOCALAPPDATA`.
    pub localappdata: Option<PathBuf>,
    /// `XDG_CONFIG_HOME`.
    pub xdg_config: Option<PathBuf>,
    /// `CLAUDE_CONFIG_DIR`.
    pub claude_config_dir: Option<PathBuf>,
    /// `CODEX_HOME`.
    pub codex_home: Option<PathBuf>,
}

/// What a path of the table starts from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Base {
    Home,
    /// `~/.config`.
    Config,
    /// `~/Library/Application Support`.
    Support,
    AppData,
    LocalAppData,
    /// Where `.claude.json` is.
    Claude,
    Codex,
}

/// A path of the table; a `*` in it is read at the file edge.
#[derive(Debug, Clone, Copy)]
pub(super) struct At(pub(super) Base, pub(super) &'static str);

/// Places on each system, the likeliest first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Where {
    pub(super) linux: &'static [At],
    pub(super) mac: &'static [At],
    pub(super) windows: &'static [At],
}

impl Where {
    /// The same below the home folder on every system.
    pub(super) const fn everywhere(places: &'static [At]) -> Self {
        Self { linux: places, mac: places, windows: places }
    }
}

impl Homes {
    pub(super) fn paths(&self, places: &Where) -> Vec<PathBuf> {
        let places = match self.os {
            Os::Linux => places.linux,
            Os::MacOs => places.mac,
            Os::Windows => places.windows,
        };
        places.iter().map(|At(base, path)| below(&self.folder(*base), path)).collect()
    }

    fn folder(&self, base: Base) -> PathBuf {
        let or = |set: &Option<PathBuf>, usual: &str| set.clone().unwrap_or_else(|| below(&self.home, usual));
        match base {
            Base::Home => self.home.clone(),
            Base::Config => or(&self.xdg_config, ".config"),
            Base::Support => below(&self.home, "Library/Application Support"),
            Base::AppData => or(&self.appdata, "AppData/Roaming"),
            Base::LocalAppData => or(&self.localappdata, "AppData/Local"),
            Base::Claude => or(&self.claude_config_dir, ""),
            Base::Codex => or(&self.codex_home, ".codex"),
        }
    }
}

/// A path of the table below a folder.
pub(super) fn below(folder: &Path, path: &str) -> PathBuf {
    let parts = path.split('/').filter(|part| !part.is_empty());
    parts.fold(folder.to_owned(), |path, part| path.join(part))
}
