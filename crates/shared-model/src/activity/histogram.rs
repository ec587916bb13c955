//! A histogram of durations with fixed bounds, so that those of all processes and all times can be added.

use std::time::Duration;

/// The upper bounds of the buckets, in seconds. One more bucket counts what is longer.
pub const BOUNDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0,
];

/// How many durations lie between the [`BOUNDS`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram([u64; BOUNDS.len() + 1]);

impl Histogram {
    /// Counts a duration.
    pub fn record(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = BOUNDS.partition_point(|bound| *bound < seconds);
        if let Some(count) = self.0.get_mut(bucket) {
            *count += 1;
        }
    }

    /// Adds another histogram.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }

    /// Returns how many durations are counted in each bucket.
    pub fn buckets(&self) -> &[u64] {
        &self.0
    }

    /// Returns how many durations are counted.
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Returns an estimate of the duration, in seconds, that a share of `quantile` (0 to 1) of the durations does not
    /// exceed; at most the last bound. Returns `None` if nothing is counted.
    #[expect(
        clippy::cast_precision_loss,
        reason = "an estimate needs no more than 52 bits"
    )]
    pub fn quantile(&self, quantile: f64) -> Option<f64> {
        let rank = quantile.clamp(0.0, 1.0) * self.count() as f64;
        let (mut below, mut lower) = (0.0, 0.0);
        for (count, upper) in self.0.iter().zip(BOUNDS) {
            let count = *count as f64;
            if count > 0.0 && below + count >= rank {
                return Some(lower + (upper - lower) * ((rank - below) / count).max(0.0));
            }
            below += count;
            lower = upper;
        }
        (self.count() > 0).then_some(lower)
    }

    /// Returns the counts as the table stores them.
    pub(crate) fn to_column(&self) -> Vec<i32> {
        let stored = |count: &u64| i32::try_from(*count).unwrap_or(i32::MAX);
        self.0.iter().map(stored).collect()
    }

    /// Adds counts that the table stores.
    pub(super) fn add_column(&mut self, column: &[i32]) {
        for (count, more) in self.0.iter_mut().zip(column) {
            *count += u64::try_from(*more).unwrap_or(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_millis(millis: impl IntoIterator<Item = u64>) -> Histogram {
        let mut histogram = Histogram::default();
        for millis in millis {
            histogram.record(Duration::from_millis(millis));
        }
        histogram
    }

    #[test]
    fn a_duration_is_counted_below_the_first_bound_that_is_not_shorter() {
        let histogram = of_millis([0, 5, 6, 300_000, 300_001]);
        let buckets = histogram.buckets();
        assert_eq!(
            (buckets[0], buckets[1], buckets[13], buckets[14]),
            (2, 1, 1, 1)
        );
        assert_eq!(histogram.count(), 5);
    }

    #[test]
    fn a_quantile_is_estimated_within_the_bounds_of_its_bucket() {
        let histogram = of_millis((0..99).map(|_| 200).chain([400_000]));
        let median = histogram.quantile(0.5).unwrap();
        assert!((0.1..=0.25).contains(&median), "{median}");
        assert_eq!(histogram.quantile(1.0), Some(300.0));
        assert_eq!(Histogram::default().quantile(0.5), None);
    }

    #[test]
    fn histograms_of_several_processes_can_be_added() {
        let mut sum = of_millis([1, 70]);
        sum.add(&of_millis([1, 80_000]));
        assert_eq!(sum, of_millis([1, 1, 70, 80_000]));
        let mut read = Histogram::default();
        read.add_column(&sum.to_column());
        assert_eq!(read, sum);
    }
}
