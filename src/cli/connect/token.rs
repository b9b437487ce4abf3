//! A token that stands in a client's file: where it need not, and who else reads it there.

use std::path::Path;

use super::args::{ConnectArgs, ScopeArg};
use super::error::ConnectError;
use crate::cli::session::Global;
use crate::clients::Client;

/// Refuses to write a token for a client that takes its name.
pub(super) fn check(client: &Client, args: &ConnectArgs) -> Result<(), ConnectError> {
    if args.write_token.is_some() && client.takes_variable() && !args.force {
        return Err(ConnectError::TokenByName { client: client.title() });
    }
    Ok(())
}

/// Says who else can read a file that gets a token. One that is made is its owner's alone.
pub(super) fn warn(global: &Global, file: &Path, args: &ConnectArgs) {
    if args.write_token.is_none() {
        return;
    }
    let shown = global.shown(file);
    if let Some(mode) = open_to_others(file) {
        global.reporter.warning(&format!(
            "{shown} can be read by others (mode {mode:o}), and so can the token and the backups of it; `chmod 600` ends that"
        ));
    }
    if args.scope == ScopeArg::Project {
        global.reporter.warning(&format!(
            "{shown} lies in the project, and the token goes wherever the project goes: keep it out of version control"
        ));
    }
}

/// The mode of a file that is there and not its owner's alone.
#[cfg(unix)]
fn open_to_others(file: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(file).ok()?.permissions().mode() & 0o777;
    (mode & 0o044 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn open_to_others(_file: &Path) -> Option<u32> {
    None
}
