//! A time as a name of a file can have it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `yyyymmddThhmmss` in UTC. Times before 1970 are 1970.
pub(super) fn stamp(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms": years start in March.
    let z = days + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = doy - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{:02}", second % 60)
}

/// The next second.
pub(super) fn later(time: SystemTime) -> SystemTime {
    time + Duration::from_secs(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_the_day_that_a_calendar_shows() {
        for (seconds, expected) in [
            (0, "19700101T000000"),
            (951_782_400, "20000229T000000"),
            (951_868_800, "20000301T000000"),
            (1_735_689_599, "20241231T235959"),
            (4_107_542_399, "21000228T235959"),
            (4_107_542_400, "21000301T000000"),
        ] {
            assert_eq!(stamp(UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        }
    }
}
