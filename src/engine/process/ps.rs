//! By `ps` (POSIX) and `sysctl`, where there is no `/proc`: macOS and the BSDs.

use std::process::Command;

use super::System;
use crate::plan::Process;

/// macOS names the machine and this run of it by UUIDs. Elsewhere there is no such name, and no lease.
pub(super) fn system() -> Option<System> {
    let of = |name: &str| said(Command::new("/usr/sbin/sysctl").args(["-n", name]));
    let machine = of("kern.uuid").map(|id| (id, of("kern.hostname").unwrap_or_default()));
    // There are no PID namespaces.
    Some(System { machine, boot: of("kern.bootsessionuuid")?, namespace: "all".to_owned() })
}

pub(super) fn process(pid: u32) -> Process {
    let mut ps = Command::new("ps");
    // In words and a time that do not depend on whoever asks.
    ps.env("LC_ALL", "C").env("TZ", "UTC0").args(["-o", "stat=,lstart=", "-p", &pid.to_string()]);
    let Ok(output) = ps.output() else { return Process::Hidden };
    let line = String::from_utf8_lossy(&output.stdout);
    match (line.trim(), output.status.code()) {
        ("", Some(1)) => Process::Gone,
        ("", _) => Process::Hidden,
        (line, _) if line.starts_with('Z') => Process::Gone,
        (line, _) => started(line).map_or(Process::Hidden, Process::Since),
    }
}

/// When it started, as a number: the digits of year, month, day and time in order.
fn started(line: &str) -> Option<u64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_, _, month, day, time, year] = fields.as_slice() else { return None };
    let month = MONTHS.find(month)? / 3 + 1;
    let day: u64 = day.parse().ok()?;
    format!("{year}{month:02}{day:02}{}", time.replace(':', "")).parse().ok()
}

fn said(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_system_without_such_names_is_told_apart_by_none() {
        assert!(system().is_none());
    }

    #[test]
    fn a_start_is_a_number_that_grows() {
        assert_eq!(started("Ss   Sun Nov  9 01:04:42 2026"), Some(20_261_109_010_442));
        assert_eq!(started("S+ Thu Jan 29 23:59:59 2026"), Some(20_260_129_235_959));
        assert_eq!(started("S+ Thu Smarch 29 23:59:59 2026"), None);
        assert_eq!(started("S+"), None);
    }
}
