//! What the system allows this process, looked up once at its start.

use std::fs::read_to_string;

use super::ceiling::{Room, limit};

/// The files of a container's control group that say how many processes and threads it may have: of
/// version 2, of version 1.
const PIDS: [&str; 2] = ["/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max"];
/// Likewise, how many bytes of memory.
const MEMORY: [&str; 2] = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];

/// Looks it up, and takes all the files that there are to be had.
pub(super) fn here() -> Room {
    let first = |files: [&str; 2]| files.iter().find_map(|file| limit(&read_to_string(file).ok()?));
    Room { files: files(), pids: first(PIDS), memory: first(MEMORY) }
}

/// Raises the number of files that may be open as far as it goes without privilege.
fn files() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    if raised.is_ok() { maximum } else { current }
}
