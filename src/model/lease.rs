//! Who a container is for: the process that started it for one client. Nobody outlives SIGKILL to clean
//! up, so it is written on the container, and whoever comes later can tell whether that process is there.

use std::collections::BTreeMap;

const MACHINE: &str = "io.mcpo-deploy.lease.machine";
const BOOT: &str = "io.mcpo-deploy.lease.boot";
const PID_NAMESPACE: &str = "io.mcpo-deploy.lease.pid-namespace";
const PID: &str = "io.mcpo-deploy.lease.pid";
const STARTED: &str = "io.mcpo-deploy.lease.started";

/// A process, told apart from every other that there was or will be on any machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// A digest of what identifies the machine: the identifier itself is nobody else's business.
    pub machine: String,
    /// The kernel's identifier of this run of the machine.
    pub boot: String,
    /// The inodes of the PID namespace, in which `pid` counts, and of the time namespace, in which `started` does.
    pub pid_namespace: String,
    /// The process.
    pub pid: u32,
    /// When it started: on Linux, in the kernel's clock ticks since the machine did; a number of a process is
    /// given to another one some day.
    pub started: u64,
}

impl Lease {
    /// The label that every container with a lease has.
    pub const LABEL: &'static str = MACHINE;

    /// As labels.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<String, String> {
        let pairs = [
            (MACHINE, self.machine.clone()),
            (BOOT, self.boot.clone()),
            (PID_NAMESPACE, self.pid_namespace.clone()),
            (PID, self.pid.to_string()),
            (STARTED, self.started.to_string()),
        ];
        pairs.map(|(key, value)| (key.to_owned(), value)).into()
    }

    /// Of labels; `None` where one is missing or makes no sense.
    pub fn of_labels<'a>(label: impl Fn(&str) -> Option<&'a String>) -> Option<Self> {
        Some(Self {
            machine: label(MACHINE)?.clone(),
            boot: label(BOOT)?.clone(),
            pid_namespace: label(PID_NAMESPACE)?.clone(),
            pid: label(PID)?.parse().ok()?,
            started: label(STARTED)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_read_back_from_its_labels() {
        let lease = Lease {
            machine: "m".into(),
            boot: "b".into(),
            pid_namespace: "4026531836".into(),
            pid: 7,
            started: u64::MAX,
        };
        let mut labels = lease.labels();
        assert_eq!(Lease::of_labels(|name| labels.get(name)), Some(lease));
        assert!(labels.contains_key(Lease::LABEL));
        labels.insert(PID.to_owned(), "many".to_owned());
        assert_eq!(Lease::of_labels(|name| labels.get(name)), None);
    }
}
