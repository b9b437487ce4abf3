//! What the system knows of this process. Where it does not say (no `/proc`), nothing is said.

use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// What this process takes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Usage {
    /// Of memory, in bytes.
    pub(crate) resident: Option<u64>,
    /// Of processors, since it began.
    pub(crate) processor: Duration,
    /// Descriptors that are open, and how many may be.
    pub(crate) descriptors: Option<u64>,
    pub(crate) most_descriptors: Option<u64>,
}

impl Usage {
    pub(crate) fn read() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let descriptors = std::fs::read_dir("/proc/self/fd").ok().map(|all| all.count() as u64);
        let spent = clock_gettime(ClockId::ProcessCPUTime);
        Self {
            resident: resident(&status),
            processor: Duration::new(
                spent.tv_sec.try_into().unwrap_or_default(),
                spent.tv_nsec.try_into().unwrap_or_default(),
            ),
            // The one that the list was read through is closed again.
            descriptors: descriptors.map(|count| count.saturating_sub(1)),
            most_descriptors: getrlimit(Resource::Nofile).current,
        }
    }
}

/// `VmRSS` of `/proc/PID/status`, in bytes.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_with_its_unit() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2 << 20));
        assert_eq!(resident("VmRSS:\t1 pages\n"), None);
    }

    #[test]
    fn this_process_has_memory_descriptors_and_time() {
        let usage = Usage::read();
        assert!(usage.resident.is_some_and(|bytes| bytes > 100_000));
        assert!(usage.descriptors.is_some_and(|count| count > 2));
        assert!(usage.processor > Duration::ZERO);
    }
}
