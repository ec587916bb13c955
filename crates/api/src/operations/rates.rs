//! What happened in the last minute, and since the last snapshot, from the activity of periods of ten seconds.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::snapshot::CountsView;
use crate::store::operations::{Counts, Period};

/// The length of a period.
const PERIOD: TimeDelta = TimeDelta::seconds(10);
const MINUTE: TimeDelta = TimeDelta::seconds(60);

/// Returns what happened in the minute before `at`. Of the period in which that minute began, it takes the part that
/// belongs to the minute, as if everything in it had happened evenly.
pub(super) fn last_minute(periods: &[Period], at: DateTime<Utc>) -> CountsView {
    let begin = at - MINUTE;
    let mut sums = [0.0; STEPS];
    for period in periods {
        let inside = (period.period + PERIOD - begin).clamp(TimeDelta::zero(), PERIOD);
        let part = inside.as_seconds_f64() / PERIOD.as_seconds_f64();
        for (sum, count) in sums.iter_mut().zip(steps(period.counts)) {
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let count = count as f64;
            *sum += count * part;
        }
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a sum of counts of a minute is far smaller"
    )]
    view(sums.map(|sum| sum.round() as i64))
}

/// What each period contained when it was read last; `None` before the first reading.
#[derive(Debug, Default)]
pub(super) struct Seen(Option<BTreeMap<DateTime<Utc>, [i64; STEPS]>>);

impl Seen {
    /// Returns what was added since the last call, from the second call on.
    pub(super) fn update(&mut self, periods: &[Period]) -> CountsView {
        let now = periods.iter().map(|one| (one.period, steps(one.counts)));
        let now: BTreeMap<_, _> = now.collect();
        let mut added = [0; STEPS];
        if let Some(before) = &self.0 {
            for (period, counts) in &now {
                let seen = before.get(period).copied().unwrap_or_default();
                for ((added, count), seen) in added.iter_mut().zip(counts).zip(seen) {
                    *added += (count - seen).max(0);
                }
            }
        }
        self.0 = Some(now);
        view(added)
    }
}

const STEPS: usize = 7;

fn steps(counts: Counts) -> [i64; STEPS] {
    let Counts {
        accepted,
        published,
        started,
        succeeded,
        failed,
        retried,
        revoked,
    } = counts;
    [
        accepted, published, started, succeeded, failed, retried, revoked,
    ]
}

fn view(steps: [i64; STEPS]) -> CountsView {
    let [
        accepted,
        published,
        started,
        succeeded,
        failed,
        retried,
        revoked,
    ] = steps;
    CountsView {
        accepted,
        published,
        started,
        succeeded,
        failed,
        retried,
        revoked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(second: i64, accepted: i64) -> Period {
        Period {
            period: at(second),
            counts: Counts {
                accepted,
                ..Counts::default()
            },
        }
    }

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + second, 0).unwrap()
    }

    #[test]
    fn a_minute_contains_a_part_of_its_first_period_and_all_others() {
        let periods: Vec<_> = (0..8).map(|number| period(10 * number, 100)).collect();
        // from second 13 to second 73: 7 of the seconds of the second period, 5 whole ones, and the current one
        assert_eq!(last_minute(&periods, at(73)).accepted, 670);
        assert_eq!(last_minute(&periods[..2], at(73)).accepted, 70);
        assert_eq!(last_minute(&periods[..1], at(73)).accepted, 0);
    }

    #[test]
    fn only_what_was_added_since_the_last_reading_is_new() {
        let mut seen = Seen::default();
        let mut added = |periods: &[Period]| seen.update(periods).accepted;
        assert_eq!(added(&[period(0, 5), period(10, 3)]), 0);
        assert_eq!(added(&[period(0, 5), period(10, 7)]), 4);
        // a process reports late, a period begins, and an old one is not read any more
        assert_eq!(added(&[period(10, 9), period(20, 1)]), 3);
        assert_eq!(added(&[period(10, 9), period(20, 1)]), 0);
        // nothing happens for a while
        assert_eq!(added(&[]), 0);
        assert_eq!(added(&[period(200, 2)]), 2);
    }
}
