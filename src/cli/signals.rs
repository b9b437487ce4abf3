//! What asks this program to end.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ctrl-C, SIGTERM and the end of the terminal or session, listened to from this call on. One that cannot be
/// listened to keeps its default; a hangup that nohup(1) made ignored stays so.
pub(super) fn listened() -> Vec<Signal> {
    let hangup = (!ignores_hangup()).then(SignalKind::hangup);
    let kinds = [SignalKind::interrupt(), SignalKind::terminate()].into_iter().chain(hangup);
    kinds.filter_map(|kind| signal(kind).ok()).collect()
}

/// As the kernel says it (proc(5), `SigIgn`); elsewhere nobody says.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // The first bit is the first signal's, which is this one.
    ignored.is_some_and(|mask| mask & 1 == 1)
}
