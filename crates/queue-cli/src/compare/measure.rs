//! The numbers of the table, from what was sent and what arrived.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use super::record::{Arrival, Key, Record};

/// One line of the table.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) event: &'static str,
    pub(super) queue: String,
    /// What a reader of the figures has to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<&'static str>,
    /// An error says why the queue could not be measured.
    pub(super) result: Result<Measures, String>,
}

/// What one queue did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Measures {
    pub(super) sent: usize,
    /// How many deliveries were expected: the messages, times the queues that each get all of them.
    pub(super) expected: usize,
    /// Expected messages that no subscriber completed.
    pub(super) lost: usize,
    /// Deliveries of a message after its first one.
    pub(super) delivered_again: usize,
    /// Messages that subscribers completed more than once.
    pub(super) completed_twice: usize,
    /// Messages that were completed after one that the same publisher sent later.
    pub(super) out_of_order: usize,
    /// Messages that were completed after one that any publisher began to send after they had been confirmed.
    pub(super) out_of_order_overall: usize,
    /// What the killed subscriber had received and not deleted.
    pub(super) held: usize,
    /// The time from its death to the first and the last of these messages at another subscriber.
    pub(super) first_redelivery_ms: Option<f64>,
    pub(super) last_redelivery_ms: Option<f64>,
    /// From the begin of sending to the first delivery.
    pub(super) p50_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
    pub(super) calls_per_message: f64,
    /// How many of the messages that were sent while nobody listened arrived later.
    pub(super) kept: usize,
    pub(super) unattended: usize,
}

/// Evaluates what happened with one queue.
pub(super) fn measure(record: &Record) -> Measures {
    let sent: HashMap<Key, (u64, u64)> = record
        .sent
        .iter()
        .map(|sending| (sending.key, (sending.started, sending.confirmed)))
        .collect();
    let by_audience = |audience: usize| {
        let arrivals = record.arrivals.iter();
        arrivals
            .filter(move |arrival| arrival.audience == audience)
            .copied()
            .collect::<Vec<Arrival>>()
    };
    let audiences: Vec<Vec<Arrival>> = (0..record.audiences).map(by_audience).collect();
    let expected = record.sent.len() * record.audiences;
    let counts: Vec<Counts> = audiences
        .iter()
        .map(|arrivals| Counts::of(arrivals, &sent))
        .collect();
    let total = |count: fn(&Counts) -> usize| counts.iter().map(count).sum::<usize>();
    let redeliveries = redeliveries(record);
    let mut latencies: Vec<u64> = counts.iter().flat_map(|c| c.latencies.clone()).collect();
    latencies.sort_unstable();
    Measures {
        sent: record.sent.len(),
        expected,
        lost: expected.saturating_sub(total(|counts| counts.completed)),
        delivered_again: total(|counts| counts.delivered_again),
        completed_twice: total(|counts| counts.completed_twice),
        out_of_order: total(|counts| counts.out_of_order),
        out_of_order_overall: total(|counts| counts.out_of_order_overall),
        held: held(record).len(),
        first_redelivery_ms: redeliveries.iter().min().copied().map(milliseconds),
        last_redelivery_ms: redeliveries.iter().max().copied().map(milliseconds),
        p50_ms: percentile(&latencies, 50).map(milliseconds),
        p99_ms: percentile(&latencies, 99).map(milliseconds),
        calls_per_message: ratio(record.calls, record.sent.len()),
        kept: record.kept,
        unattended: record.unattended,
    }
}

/// What one queue, or one of the queues that each get all messages, did.
#[derive(Debug, Default)]
struct Counts {
    completed: usize,
    delivered_again: usize,
    completed_twice: usize,
    out_of_order: usize,
    out_of_order_overall: usize,
    latencies: Vec<u64>,
}

impl Counts {
    fn of(arrivals: &[Arrival], sent: &HashMap<Key, (u64, u64)>) -> Self {
        let mut counts = Self::default();
        let (mut delivered, mut completed) = (HashSet::new(), HashSet::new());
        let mut highest = BTreeMap::<u64, u64>::new();
        let mut latest_start = 0;
        for arrival in arrivals {
            let Some((started, confirmed)) = sent.get(&arrival.key) else {
                continue;
            };
            if delivered.insert(arrival.key) {
                counts.latencies.push(arrival.at.saturating_sub(*started));
            } else {
                counts.delivered_again += 1;
            }
            if !arrival.is_completed {
                continue;
            }
            if !completed.insert(arrival.key) {
                counts.completed_twice += 1;
                continue;
            }
            let Key { publisher, number } = arrival.key;
            let highest = highest.entry(publisher).or_default();
            counts.out_of_order += usize::from(number < *highest);
            *highest = number.max(*highest);
            counts.out_of_order_overall += usize::from(*confirmed < latest_start);
            latest_start = latest_start.max(*started);
        }
        counts.completed = completed.len();
        counts
    }
}

/// Returns what the killed subscriber had received and not deleted.
pub(super) fn held(record: &Record) -> HashSet<Key> {
    let arrivals = record.arrivals.iter();
    let held = arrivals.filter(|arrival| !arrival.is_completed);
    held.map(|arrival| arrival.key).collect()
}

/// Returns the times from the subscriber's death to each delivery of what it held, in microseconds.
fn redeliveries(record: &Record) -> Vec<u64> {
    let Some(killed_at) = record.killed_at else {
        return Vec::new();
    };
    let held = held(record);
    let arrivals = record.arrivals.iter();
    let again = arrivals.filter(|arrival| {
        arrival.is_completed && arrival.audience == 0 && held.contains(&arrival.key)
    });
    again
        .map(|arrival| arrival.at.saturating_sub(killed_at))
        .collect()
}

/// Returns the smallest value that `percent` of all do not exceed, by the nearest-rank method.
fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn milliseconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn ratio(calls: u64, messages: usize) -> f64 {
    if messages == 0 {
        return 0.0;
    }
    (calls as f64 / messages as f64 * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests;
