//! Which clients, and which of their files.

use std::path::{Path, PathBuf};

use super::args::ConnectArgs;
use super::error::ConnectError;
use crate::clients::{Client, Homes, Instead, Os, Scope, client, clients, instead, is_installed, locate};
use crate::config::nearest;
use crate::env::Env;

/// The folders of the user whose clients they are.
pub(super) fn homes(env: &Env) -> Result<Homes, ConnectError> {
    let folder = |key: &str| env.get(key).map(PathBuf::from);
    let os = if cfg!(windows) {
        Os::Windows
    } else if cfg!(target_os = "macos") {
        Os::MacOs
    } else {
        Os::Linux
    };
    Ok(Homes {
        os,
        home: env.home().ok_or(ConnectError::NoHome)?,
        appdata: folder("APPDATA"),
        localappdata: folder("LOCALAPPDATA"),
        xdg_config: folder("XDG_CONFIG_HOME"),
        claude_config_dir: folder("CLAUDE_CONFIG_DIR"),
        codex_home: folder("CODEX_HOME"),
    })
}

/// The clients that were named, each once.
pub(super) fn named(args: &ConnectArgs) -> Result<Vec<&'static Client>, ConnectError> {
    let mut named: Vec<&'static Client> = Vec::new();
    for name in &args.clients {
        let found = client(name).ok_or_else(|| ConnectError::Unknown {
            name: name.clone(),
            nearest: nearest(name, clients().iter().map(Client::id)),
        })?;
        if !named.iter().any(|other| other.id() == found.id()) {
            named.push(found);
        }
    }
    Ok(named)
}

/// Those that were named, or with `--all` those that are here and have a file of that scope.
pub(super) fn chosen(args: &ConnectArgs, homes: &Homes) -> Result<Vec<&'static Client>, ConnectError> {
    let named = named(args)?;
    match (named.is_empty(), args.all) {
        (false, _) => Ok(named),
        (true, false) => Err(ConnectError::Nobody),
        (true, true) => {
            let scope: Scope = args.scope.into();
            // What is taken out may be where nobody reads it any more.
            let puts = !(args.mode.remove || args.mode.undo);
            let read = |client: &&Client| scope != Scope::User || instead(client, homes).is_none();
            let found: Vec<_> = here(homes)
                .into_iter()
                .filter(|client| !puts || read(client))
                .filter(|client| !client.paths(homes, scope, Path::new("")).is_empty())
                .collect();
            if found.is_empty() { Err(ConnectError::NoneFound) } else { Ok(found) }
        }
    }
}

/// The clients that are found on this machine.
pub(super) fn here(homes: &Homes) -> Vec<&'static Client> {
    clients().iter().filter(|client| is_installed(client, homes)).collect()
}

/// Refuses a file that would switch another of the same program's off.
pub(super) fn check_alone(client: &Client, homes: &Homes, scope: Scope) -> Result<(), ConnectError> {
    match instead(client, homes).filter(|other| scope == Scope::User && !other.is_first) {
        Some(Instead { client: other, file, .. }) => {
            Err(ConnectError::WouldHide { client: client.title(), other, file })
        }
        None => Ok(()),
    }
}

/// The file of a client's.
pub(super) fn file(
    client: &Client,
    homes: &Homes,
    scope: Scope,
    folder: &Path,
) -> Result<PathBuf, ConnectError> {
    locate(&client.paths(homes, scope, folder)).ok_or(match scope {
        Scope::Project => ConnectError::NoProjectFile { client: client.title() },
        Scope::User => ConnectError::NoUserFile { client: client.title() },
    })
}
