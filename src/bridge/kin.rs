//! The processes whose parent we are, as the kernel lists them (proc(5), `/proc/PID/task/TID/children`).
//!
//! Where orphans fall to us, whatever a server left behind is among them or descends from one of them: the
//! top of what outlives a process has lost its parent, and gets us in its place. So a short list tells that
//! nothing is left, without a look at every process of the machine.

use rustix::process::Pid;

/// All of them, those that have ended and were not reaped included; `None` where the kernel does not tell.
/// Nobody may reap meanwhile: the kernel leaves others out when one goes while it lists.
pub(crate) fn children() -> Option<Vec<Pid>> {
    let mut children = Vec::new();
    for thread in std::fs::read_dir("/proc/self/task").ok()? {
        let listed = std::fs::read_to_string(thread.ok()?.path().join("children")).ok()?;
        children.extend(listed.split_ascii_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)));
    }
    Some(children)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_listed_from_its_start_until_it_was_reaped() {
        let mut child = std::process::Command::new("true").spawn().expect("true");
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("an id");
        let listed = children();
        child.wait().expect("an end");
        // Some kernels do not tell.
        if let (Some(before), Some(after)) = (listed, children()) {
            assert_eq!((before.contains(&pid), after.contains(&pid)), (true, false));
        }
    }
}
