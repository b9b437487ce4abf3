//! Where a deployment is weaker than the strictest reading, by name and with the reason.

use crate::config::{Network, Seccomp, Stack};

/// One place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deviation {
    /// A stable id.
    pub id: &'static str,
    /// What is weaker and why.
    pub what: String,
    /// Whether the user asked for it; the others are ours, with a reason.
    pub asked: bool,
}

/// All of them, in a fixed order.
#[must_use]
pub fn deviations(stack: &Stack) -> Vec<Deviation> {
    let hardening = &stack.hardening;
    let mut found = Vec::new();
    let mut asked = |id, weaker: bool, what: &str| {
        if weaker {
            found.push(Deviation { id, what: what.to_owned(), asked: true });
        }
    };
    asked("read-only", !hardening.read_only, "the root file system is writable (hardening.read_only: false)");
    asked(
        "user",
        hardening.user.is_some_and(crate::model::User::is_root),
        "processes run as root (hardening.user)",
    );
    asked("cap-add", !hardening.cap_add.is_empty(), "capabilities are kept (hardening.cap_add)");
    asked(
        "no-new-privileges",
        !hardening.no_new_privileges,
        "processes may gain rights (hardening.no_new_privileges: false)",
    );
    asked(
        "seccomp",
        hardening.seccomp == Seccomp::Unconfined,
        "every system call is allowed (hardening.seccomp: unconfined)",
    );
    asked("memory", hardening.memory.is_none(), "memory is unlimited (hardening.memory)");
    asked("cpus", hardening.cpus.is_none(), "processors are unlimited (hardening.cpus)");
    asked("pids", hardening.pids.is_none(), "processes are unlimited (hardening.pids)");
    asked(
        "network",
        matches!(hardening.network, Network::Existing(_)),
        "the containers join a network that others may be on (hardening.network)",
    );
    asked(
        "published",
        !stack.bridge.address.is_loopback(),
        "ports are published beyond this machine without a token or TLS (--insecure)",
    );
    for protection in &hardening.accept_unenforced {
        let what = format!(
            "it is accepted that {} may not be enforced (hardening.accept_unenforced)",
            protection.name()
        );
        found.push(Deviation { id: "unenforced", what, asked: true });
    }
    found.push(Deviation {
        id: "cis-5.15",
        what: "restart policy unless-stopped instead of on-failure:5: a service comes back after a reboot of the machine".to_owned(),
        asked: false,
    });
    found
}
