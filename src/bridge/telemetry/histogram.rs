//! How long things take, counted in a fixed set of ranges: adding one is two relaxed additions.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of the ranges, in microseconds; the last range has none. From what a pipe takes to
/// what `--call-timeout` allows by default.
pub(crate) const BOUNDS: [u64; 17] = [
    100,
    250,
    500,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    5_000_000,
    15_000_000,
    60_000_000,
    120_000_000,
];

/// Durations.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    ranges: [AtomicU64; BOUNDS.len() + 1],
    /// In microseconds.
    sum: AtomicU64,
}

/// What a histogram held at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Durations {
    /// How many took at most the bound, for each bound.
    pub(crate) within: [u64; BOUNDS.len()],
    /// How many there were.
    pub(crate) count: u64,
    /// What they took together, in microseconds.
    pub(crate) sum: u64,
}

impl Histogram {
    pub(crate) fn add(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let range = BOUNDS.partition_point(|&bound| bound < micros);
        self.ranges[range].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(micros, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Durations {
        let mut within = [0; BOUNDS.len()];
        let mut count = 0;
        for (range, within) in self.ranges.iter().zip(&mut within) {
            count += range.load(Ordering::Relaxed);
            *within = count;
        }
        // From the ranges themselves, so that a reader never sees fewer in all than in a range.
        count += self.ranges[BOUNDS.len()].load(Ordering::Relaxed);
        Durations { within, count, sum: self.sum.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_every_range_that_it_fits_and_the_longest_only_in_all() {
        let histogram = Histogram::default();
        for micros in [0, 100, 101, 120_000_000, 120_000_001] {
            histogram.add(Duration::from_micros(micros));
        }
        let seen = histogram.read();
        assert_eq!((seen.within[0], seen.within[1], seen.within[16], seen.count), (2, 3, 4, 5));
        assert_eq!(seen.sum, 240_000_202);
    }
}
