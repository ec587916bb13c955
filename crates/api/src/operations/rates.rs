//! What happened in the last minute, and since the last snapshot, from the activity of periods of ten seconds.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use shared_model::activity::{PERIOD, Point, Tally};

use super::snapshot::CountsView;

const MINUTE: Duration = Duration::from_mins(1);

/// Returns what happened in the minute before `at`. Of the period in which that minute began, it takes the part that
/// belongs to the minute, as if everything in it had happened evenly.
pub(super) fn last_minute(points: &[Point], at: DateTime<Utc>) -> CountsView {
    let begin = at - MINUTE;
    let mut sums = [0.0; STEPS];
    for point in points {
        let outside = (begin - point.at).to_std().unwrap_or_default();
        let inside = PERIOD.saturating_sub(outside);
        let part = inside.as_secs_f64() / PERIOD.as_secs_f64();
        for (sum, count) in sums.iter_mut().zip(steps(&point.tally)) {
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let count = count as f64;
            *sum += count * part;
        }
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a sum of the counts of a minute"
    )]
    view(sums.map(|sum| sum.round() as u64))
}

/// What each period contained when it was read last; `None` before the first reading.
#[derive(Debug, Default)]
pub(super) struct Seen(Option<BTreeMap<DateTime<Utc>, [u64; STEPS]>>);

impl Seen {
    /// Returns what was added since the last call, from the second call on.
    pub(super) fn update(&mut self, points: &[Point]) -> CountsView {
        let now = points.iter().map(|point| (point.at, steps(&point.tally)));
        let now: BTreeMap<_, _> = now.collect();
        let mut added = [0; STEPS];
        if let Some(before) = &self.0 {
            for (period, counts) in &now {
                let seen = before.get(period).copied().unwrap_or_default();
                for ((added, count), seen) in added.iter_mut().zip(counts).zip(seen) {
                    *added += count.saturating_sub(seen);
                }
            }
        }
        self.0 = Some(now);
        view(added)
    }
}

const STEPS: usize = 7;

fn steps(tally: &Tally) -> [u64; STEPS] {
    [
        tally.accepted,
        tally.published,
        tally.started,
        tally.succeeded,
        tally.failed,
        tally.retried,
        tally.revoked,
    ]
}

fn view(steps: [u64; STEPS]) -> CountsView {
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

    fn period(second: i64, accepted: u64) -> Point {
        Point {
            at: at(second),
            tally: Tally {
                accepted,
                ..Tally::default()
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
        let mut added = |points: &[Point]| seen.update(points).accepted;
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
