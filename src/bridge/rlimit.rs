//! What one server process may take of the system: its resource limits, getrlimit(2).
//!
//! They are set from outside, right after its start, since nothing of ours runs in the process
//! itself (docs/adr/0006). What it starts inherits them. There is none on processes: the kernel
//! counts those by user, so that one server would be refused for what others started; a container's
//! `pids` limit is the bound there.

use std::io;

use rustix::process::Pid;

/// The limits of each server process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChildLimits {
    /// The most open files.
    pub files: u64,
    /// The most address space, in bytes. Not what it uses: a Node or Go server reserves gibibytes.
    pub memory: Option<u64>,
    /// The largest file that it writes, in bytes.
    pub file_size: Option<u64>,
}

impl Default for ChildLimits {
    fn default() -> Self {
        Self { files: 4096, memory: None, file_size: None }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
impl ChildLimits {
    /// Sets them, never above what the process was born with.
    pub(crate) fn set(self, pid: Pid) -> io::Result<()> {
        use rustix::process::{Resource, Rlimit, getrlimit, prlimit};

        let limits = [
            // The memory of a server that crashed is for nobody to read.
            (Resource::Core, Some(0)),
            (Resource::Nofile, Some(self.files)),
            (Resource::As, self.memory),
            (Resource::Fsize, self.file_size),
        ];
        for (resource, most) in limits.into_iter().filter_map(|(resource, most)| Some((resource, most?))) {
            let most = Some(getrlimit(resource).maximum.map_or(most, |born_with| born_with.min(most)));
            match prlimit(Some(pid), resource, Rlimit { current: most, maximum: most }) {
                // It has ended already.
                Ok(_) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl ChildLimits {
    /// Elsewhere a process can limit only itself.
    pub(crate) fn set(self, _: Pid) -> io::Result<()> {
        if self.memory.or(self.file_size).is_some() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(())
    }
}
