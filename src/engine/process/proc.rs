//! By `/proc` (proc(5)).

use std::fs;

use super::System;
use crate::plan::Process;

pub(super) fn system() -> Option<System> {
    let text = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let ids = ["/etc/machine-id", "/var/lib/dbus/machine-id"];
    let id = ids.iter().find_map(|path| text(path).filter(|id| !id.is_empty()));
    let name = || text("/proc/sys/kernel/hostname").unwrap_or_default();
    Some(System {
        machine: id.map(|id| (id, name())),
        boot: text("/proc/sys/kernel/random/boot_id")?,
        namespace: namespaces()?,
    })
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

pub(super) fn process(pid: u32) -> Process {
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
fn is_there(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
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
    fn a_namespace_is_its_inodes() {
        let namespace = namespaces().expect("this system has /proc");
        assert!(namespace.split('-').all(|inode| inode.parse::<u64>().is_ok()), "{namespace}");
    }
}
