//! This process and others of this machine, as leases name them.

#[cfg(target_os = "linux")]
mod proc;
#[cfg(all(unix, any(test, not(target_os = "linux"))))]
mod ps;

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::model::Lease;
use crate::plan::Process;

#[cfg(target_os = "linux")]
use proc as system;
#[cfg(all(unix, not(target_os = "linux")))]
use ps as system;

/// What a system says of itself.
struct System {
    /// Its identifier and its name: copies of a machine have the same identifier.
    machine: Option<(String, String)>,
    boot: String,
    /// In which processes are numbered.
    namespace: String,
}

/// The lease of this process; `None` where the system does not say what it takes: on Linux without `/proc`,
/// and on Windows.
#[must_use]
pub fn own_lease() -> Option<Lease> {
    let pid = std::process::id();
    let Process::Since(started) = process(pid) else { return None };
    let System { machine, boot, namespace } = system::system()?;
    let machine = machine.map(|(id, name)| digest(&id, &name)).unwrap_or_default();
    Some(Lease { machine, boot, pid_namespace: namespace, pid, started })
}

/// The process of that number among those that are numbered as this one is. One that has ended and whose
/// parent has not looked yet is gone.
#[must_use]
pub fn process(pid: u32) -> Process {
    system::process(pid)
}

/// The labels of this process's lease; none where it cannot have one.
pub(super) fn lease_labels() -> BTreeMap<String, String> {
    own_lease().map(|lease| lease.labels()).unwrap_or_default()
}

/// The identifier is not to be shown as it is (machine-id(5)).
fn digest(id: &str, name: &str) -> String {
    let digest = Sha256::digest(format!("mcpo-deploy lease\n{id}\n{name}"));
    // Half a dozen bytes would tell machines apart.
    digest.first_chunk().map(|bytes| format!("{:016x}", u64::from_be_bytes(*bytes))).unwrap_or_default()
}

#[cfg(not(unix))]
mod system {
    //! Nothing is known.

    use super::System;
    use crate::plan::Process;

    pub(super) fn system() -> Option<System> {
        None
    }

    pub(super) fn process(_: u32) -> Process {
        Process::Hidden
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_there_and_one_that_ended_is_gone() {
        let lease = own_lease().expect("this system says what it takes");
        assert_eq!(process(lease.pid), Process::Since(lease.started));
        assert!(!lease.boot.is_empty() && !lease.pid_namespace.is_empty(), "{lease:?}");
        ends_are_seen(process);
    }

    #[test]
    fn ps_says_what_proc_says() {
        assert!(matches!(ps::process(std::process::id()), Process::Since(_)));
        ends_are_seen(ps::process);
    }

    fn ends_are_seen(process: impl Fn(u32) -> Process) {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("a process");
        let pid = child.id();
        assert!(matches!(process(pid), Process::Since(_)));
        drop(child.stdin.take());
        // Its output ends when it does.
        let mut out = child.stdout.take().expect("a pipe");
        std::io::Read::read_to_end(&mut out, &mut Vec::new()).expect("the end");
        while matches!(process(pid), Process::Since(_)) {
            std::thread::yield_now();
        }
        assert_eq!(process(pid), Process::Gone, "it has not been waited for");
        child.wait().expect("its end");
        assert_eq!(process(pid), Process::Gone);
    }
}
