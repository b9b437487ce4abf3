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

/// What `hardening.network: none` does not do; said aloud whenever it is planned.
pub(super) const BRIDGE_KEEPS_A_NETWORK: &str = "the bridge, and the server processes in it, keep the private network and reach what it reaches, in \
     spite of hardening.network: none: an engine publishes no port of a container without one. The \
     application and the stdio server that one client starts have none";

/// What of the three that are refused by default the mount options of a folder allow; the last word on
/// each counts, as for mount(8).
fn allowed_in_memory(options: &str) -> Vec<&'static str> {
    let last = |word: &str, opposite: &str| {
        options.rsplit(',').find(|option| [word, opposite].contains(option)) == Some(word)
    };
    let words = [("exec", "noexec"), ("suid", "nosuid"), ("dev", "nodev")];
    words.into_iter().filter(|(word, opposite)| last(word, opposite)).map(|(word, _)| word).collect()
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
    for (folder, options) in &hardening.tmpfs {
        let allowed = allowed_in_memory(options);
        let what = format!("{folder} in memory allows {} (hardening.tmpfs)", allowed.join(", "));
        asked("tmpfs", !allowed.is_empty(), &what);
    }
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
    if hardening.network == Network::None {
        found.push(Deviation { id: "bridge-network", what: BRIDGE_KEEPS_A_NETWORK.to_owned(), asked: false });
    }
    found.push(Deviation {
        id: "cis-5.15",
        what: "restart policy unless-stopped instead of on-failure:5: a service comes back after a reboot of the machine".to_owned(),
        asked: false,
    });
    found
}
