//! This process and others of this machine, as leases name them (proc(5)).

use std::collections::BTreeMap;
use std::fs;

use sha2::{Digest as _, Sha256};

use crate::model::Lease;
use crate::plan::Process;

/// The lease of this process; `None` where the system does not say what it takes: without `/proc`.
#[must_use]
pub fn own_lease() -> Option<Lease> {
    let pid = std::process::id();
    let Process::Since(started) = process(pid) else { return None };
    let namespace = namespaces()?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
    Some(Lease { machine: machine(), boot, pid_namespace: namespace, pid, started })
}

/// The inodes of the namespaces that a number and a start of a process count in: the PID namespace and, where
/// there is one, the time namespace, by which a start is shifted.
fn namespaces() -> Option<String> {
    let inode = |kind: &str| {
        let link = fs::read_link(format!("/proc/self/ns/{kind}")).ok()?;
        Some(link.to_str()?.rsplit_once('[')?.1.trim_end_matches(']').to_owned())
    };
    let pid = inode("pid")?;
    Some(inode("time").map_or_else(|| pid.clone(), |time| format!("{pid}-{time}")))
}

/// The labels of this process's lease; none where it cannot have one.
pub(super) fn lease_labels() -> BTreeMap<String, String> {
    own_lease().map(|lease| lease.labels()).unwrap_or_default()
}

/// A digest of the machine's identifier, which machine-id(5) says is not to be shown as it is, and of its
/// name: copies of a machine have the same identifier. Empty where there is no identifier.
fn machine() -> String {
    let id = ["/etc/machine-id", "/var/lib/dbus/machine-id"].iter().find_map(|path| {
        let id = fs::read_to_string(path).ok()?.trim().to_owned();
        (!id.is_empty()).then_some(id)
    });
    let Some(id) = id else { return String::new() };
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let digest = Sha256::digest(format!("mcpo-deploy lease\n{id}\n{}", name.trim()));
    // Half a dozen bytes would tell machines apart.
    digest.first_chunk().map(|bytes| format!("{:016x}", u64::from_be_bytes(*bytes))).unwrap_or_default()
}

/// The process of that number in this PID namespace. One that has ended and whose parent has not looked
/// yet is gone.
#[must_use]
pub fn process(pid: u32) -> Process {
    if let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) {
        return match started(&stat) {
            Some((state, _)) if "ZX".contains(state) => Process::Gone,
            Some((_, ticks)) => Process::Since(ticks),
            None => Process::Hidden,
        };
    }
    if is_there(pid) { Process::Hidden } else { Process::Gone }
}

/// Whether it is there all the same: `/proc` may be mounted so that others' processes do not show.
#[cfg(unix)]
fn is_there(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

#[cfg(not(unix))]
fn is_there(_: u32) -> bool {
    true
}

/// The state and the start of a process, by its line. Its name stands in brackets and may be anything.
fn started(stat: &str) -> Option<(char, u64)> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // The third field is the state, the 22nd the start.
    Some((state, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_is_read_behind_whatever_a_process_is_called() {
        let line = "42 (a) b (R) 1) S 1 42 42 0 -1 4194560 9 0 0 0 0 0 0 0 20 0 1 0 777 9 9";
        assert_eq!(started(line), Some(('S', 777)));
        assert_eq!(started("42 (a) S 1"), None);
    }

    #[test]
    fn this_process_is_there_and_one_that_ended_is_gone() {
        let lease = own_lease().expect("this system has /proc");
        assert_eq!(process(lease.pid), Process::Since(lease.started));
        assert!(
            !lease.boot.is_empty()
                && lease.pid_namespace.split('-').all(|inode| inode.parse::<u64>().is_ok()),
            "{lease:?}"
        );
        let mut child = std::process::Command::new("true").spawn().expect("a process");
        let pid = child.id();
        child.wait().expect("its end");
        assert_eq!(process(pid), Process::Gone);
    }

    #[test]
    fn one_that_ended_and_was_not_waited_for_is_gone() {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("a process");
        assert!(matches!(process(child.id()), Process::Since(_)));
        drop(child.stdin.take());
        // Its output ends when it does.
        let mut out = child.stdout.take().expect("a pipe");
        std::io::Read::read_to_end(&mut out, &mut Vec::new()).expect("the end");
        while matches!(process(child.id()), Process::Since(_)) {
            std::thread::yield_now();
        }
        assert_eq!(process(child.id()), Process::Gone);
        child.wait().expect("its end");
    }
}
