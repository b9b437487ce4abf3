//! Times and their percentiles.

use std::time::Duration;

use serde_json::{Value, json};

/// Times in nanoseconds, in the order of their measurement.
#[derive(Debug, Default)]
pub(crate) struct Times(Vec<u64>);

impl Times {
    pub(crate) fn with_room(count: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    pub(crate) fn add(&mut self, took: Duration) {
        self.0.push(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// `{"count", "p50_us", "p95_us", "p99_us", "max_us"}`; no percentiles of nothing.
    pub(crate) fn report(mut self) -> Value {
        self.0.sort_unstable();
        let mut report = json!({"count": self.count()});
        if let Some(last) = self.0.last() {
            report["max_us"] = micros(*last);
        }
        for (name, percent) in [("p50_us", 50), ("p95_us", 95), ("p99_us", 99)] {
            // The smallest time that `percent` of all do not exceed.
            let rank = (self.count() * percent).div_ceil(100).saturating_sub(1);
            if let Some(time) = self.0.get(rank) {
                report[name] = micros(*time);
            }
        }
        report
    }
}

/// To a tenth of a microsecond.
fn micros(nanos: u64) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "exact to 104 days")]
    let tenths = (nanos as f64 / 100.0).round();
    json!(tenths / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_smallest_time_that_so_many_do_not_exceed() {
        let mut times = Times::default();
        for micros in (1..=100).rev() {
            times.add(Duration::from_micros(micros));
        }
        let report = times.report();
        assert_eq!(
            report,
            json!({"count": 100, "p50_us": 50.0, "p95_us": 95.0, "p99_us": 99.0, "max_us": 100.0})
        );
        assert_eq!(Times::default().report(), json!({"count": 0}));
    }
}
