//! Which folders a server may not write its logs into: it could write into the system, or reach the
//! engine.

use std::path::{Path, PathBuf};

use crate::env::Env;

/// Folders of the system's, of which neither a part nor the whole is given.
const SYSTEM: [&str; 21] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/proc",
    "/run",
    "/sbin",
    "/sys",
    "/usr",
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/docker",
    "/var/lib/dpkg",
    "/var/lib/kubelet",
    "/var/run",
    "/var/spool/cron",
    "/var/spool/at",
];
/// Folders of whole homes, of which a part may be given.
const HOMES: [&str; 2] = ["/home", "/root"];
/// What engines call their sockets.
const SOCKETS: [&str; 3] = ["docker.sock", "podman.sock", "containerd.sock"];
/// Where the kernel shows itself in a container.
const KERNELS: [&str; 3] = ["/proc", "/sys", "/dev"];

/// Why `folder` of the host must not be mounted, in words that follow "must not be".
pub(super) fn folder_refused(folder: &Path, env: &Env) -> Option<String> {
    let real = resolved(folder);
    let shown = real.display();
    if real.parent().is_none() {
        return Some(format!("{shown}, the whole file system"));
    }
    let meets = |system: &&&str| real.starts_with(system) || Path::new(system).starts_with(&real);
    if let Some(system) = SYSTEM.iter().find(meets) {
        return Some(if real == Path::new(system) {
            format!("{shown}, which is the system's")
        } else if real.starts_with(system) {
            format!("{shown}: {system} is the system's")
        } else {
            format!("{shown}, which holds {system}")
        });
    }
    let homes = HOMES.iter().map(PathBuf::from).chain(env.home().map(|home| resolved(&home)));
    if homes.into_iter().any(|home| real == home) {
        return Some(format!("{shown}, a whole home folder; name a folder in it"));
    }
    // A socket that is named is refused however deep it lies; others are looked for where they would be.
    let named = env.get("DOCKER_HOST").and_then(|host| host.strip_prefix("unix://"));
    let named = named.map(|socket| resolved(Path::new(socket))).filter(|socket| socket.starts_with(&real));
    let lying = SOCKETS.iter().map(|name| real.join(name)).find(|socket| socket.exists());
    let socket = named.or(lying)?;
    Some(format!("{shown}, which holds the engine's socket {}", socket.display()))
}

/// Why nothing may be mounted at `mount` in a container, in words that follow "must not be".
pub(super) fn mount_refused(mount: &str) -> Option<String> {
    let kernels = KERNELS.into_iter().find(|kernels| Path::new(mount).starts_with(kernels))?;
    Some(format!("{mount}: {kernels} is the kernel's"))
}

/// The path without symbolic links, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => resolved(parent).join(name),
        _ => path.to_owned(),
    }
}
