//! How long jobs stand still, and how soon they continue after a fault.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::history::InjectedFault;

/// What happened after the faults of one kind. The times include the effects of faults that came later.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovery {
    /// How many times the fault was injected.
    pub times: usize,
    /// The median over these times: how long after the fault the last interrupted job continued.
    pub median: Duration,
    /// The longest time that passed after the fault until a job continued that was running at its end.
    pub longest: Duration,
    /// The longest time that passed after the fault until a job began that was waiting for its first attempt at its end.
    pub longest_wait: Duration,
}

/// The faults of a run, and the standstills after each.
pub(super) struct Faults {
    /// In the order in which they began.
    spans: Vec<Span>,
    /// For each fault, when the last of it and of all before it ended.
    last_healed: Vec<f64>,
    /// The end of each fault and its index in `spans`, in the order in which they ended.
    by_end: Vec<(f64, usize)>,
}

/// A fault. The times are in seconds since 1970.
struct Span {
    kind: &'static str,
    began: f64,
    healed: f64,
    longest: Duration,
    longest_wait: Duration,
}

/// The state in which a job stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Waiting,
    Running,
}

impl Faults {
    pub(super) fn of(faults: &[InjectedFault]) -> Self {
        let mut spans: Vec<Span> = faults
            .iter()
            .map(|fault| Span {
                kind: fault.kind,
                began: seconds(fault.began),
                healed: seconds(fault.healed),
                longest: Duration::ZERO,
                longest_wait: Duration::ZERO,
            })
            .collect();
        spans.sort_by(|one, other| one.began.total_cmp(&other.began));
        let mut last = f64::NEG_INFINITY;
        let last_healed = spans.iter().map(|fault| {
            last = last.max(fault.healed);
            last
        });
        let last_healed = last_healed.collect();
        let ends = spans.iter().enumerate();
        let mut by_end: Vec<_> = ends.map(|(index, fault)| (fault.healed, index)).collect();
        by_end.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        Self {
            spans,
            last_healed,
            by_end,
        }
    }

    /// Returns the time that a job stood still, counted from the end of the last fault in that time.
    pub(super) fn standstill(&self, from: f64, until: f64) -> Duration {
        let begun = self.spans.partition_point(|fault| fault.began <= until);
        let last = begun.checked_sub(1);
        let last = last.and_then(|last| self.last_healed.get(last));
        let counted_from = last.map_or(from, |healed| healed.max(from));
        Duration::try_from_secs_f64(until - counted_from).unwrap_or_default()
    }

    /// Notes for each fault that ended while a job stood still how much longer the job did.
    pub(super) fn note(&mut self, standing: Standing, from: f64, until: f64) {
        let first = self.by_end.partition_point(|(end, _)| *end < from);
        let ended = self.by_end.iter().skip(first);
        for (end, index) in ended.take_while(|(end, _)| *end <= until) {
            let Some(fault) = self.spans.get_mut(*index) else {
                continue;
            };
            let longest = match standing {
                Standing::Waiting => &mut fault.longest_wait,
                Standing::Running => &mut fault.longest,
            };
            let still = Duration::try_from_secs_f64(until - end).unwrap_or_default();
            *longest = still.max(*longest);
        }
    }

    /// Returns the recovery by kind of fault.
    pub(super) fn recoveries(&self) -> BTreeMap<&'static str, Recovery> {
        let mut of_kind: BTreeMap<_, Vec<&Span>> = BTreeMap::new();
        for fault in &self.spans {
            of_kind.entry(fault.kind).or_default().push(fault);
        }
        let recovery = |(kind, faults): (_, Vec<&Span>)| {
            let mut running: Vec<Duration> = faults.iter().map(|fault| fault.longest).collect();
            running.sort_unstable();
            let waiting = faults.iter().map(|fault| fault.longest_wait);
            let recovery = Recovery {
                times: faults.len(),
                median: running.get(running.len() / 2).copied().unwrap_or_default(),
                longest: running.last().copied().unwrap_or_default(),
                longest_wait: waiting.max().unwrap_or_default(),
            };
            (kind, recovery)
        };
        of_kind.into_iter().map(recovery).collect()
    }
}

fn seconds(time: SystemTime) -> f64 {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since_1970.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(spans: &[(&'static str, u64, u64)]) -> Faults {
        let at = |second| UNIX_EPOCH + Duration::from_secs(second);
        let fault = |(kind, began, healed): &(&'static str, u64, u64)| InjectedFault {
            kind,
            began: at(*began),
            healed: at(*healed),
        };
        Faults::of(&spans.iter().map(fault).collect::<Vec<_>>())
    }

    #[test]
    fn a_standstill_is_counted_from_the_end_of_the_last_fault() {
        let faults = faults(&[("a", 1, 2), ("a", 3, 4), ("a", 9, 10)]);
        assert_eq!(faults.standstill(0.0, 6.0), Duration::from_secs(2));
        assert_eq!(faults.standstill(0.0, 3.5), Duration::ZERO);
        assert_eq!(faults.standstill(5.0, 8.0), Duration::from_secs(3));
    }

    #[test]
    fn a_long_fault_counts_although_shorter_ones_began_after_it() {
        let faults = faults(&[("long", 1, 8), ("short", 2, 3)]);
        assert_eq!(faults.standstill(4.0, 9.0), Duration::from_secs(1));
    }

    #[test]
    fn the_recovery_from_a_fault_is_that_of_the_slowest_job_whatever_came_later() {
        let mut faults = faults(&[("a", 1, 2), ("b", 3, 4), ("a", 11, 12)]);
        for until in [3.0, 6.0, 4.5] {
            faults.note(Standing::Running, 1.5, until);
        }
        // These jobs continued while a fault lasted, or stood still only after it.
        faults.note(Standing::Running, 10.0, 11.5);
        faults.note(Standing::Running, 12.5, 20.0);
        faults.note(Standing::Waiting, 11.5, 13.0);
        let recovery = |times, median, longest, longest_wait| Recovery {
            times,
            median: Duration::from_secs(median),
            longest: Duration::from_secs(longest),
            longest_wait: Duration::from_secs(longest_wait),
        };
        let expected = BTreeMap::from([("a", recovery(2, 4, 4, 1)), ("b", recovery(1, 2, 2, 0))]);
        assert_eq!(faults.recoveries(), expected);
    }
}
