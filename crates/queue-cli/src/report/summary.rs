//! What a subscriber has seen so far: order, duplicates, gaps and latencies.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::SystemTime;

use serde::Serialize;

use super::latency::Latencies;
use super::sequence::{Run, run_without, split_number};
use crate::message::Received;

/// How one message compares with those that arrived before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Comparison {
    /// The number at the end of its body.
    pub(crate) number: Option<u64>,
    /// Whether a message with the same id arrived before.
    pub(crate) duplicate: bool,
    /// How far its number is behind the highest earlier number.
    pub(crate) behind: u64,
}

/// What was received from one publisher, or from all.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Tally {
    /// Deliveries, including duplicates.
    pub(crate) received: u64,
    pub(crate) out_of_order: u64,
    /// The maximum of [`Comparison::behind`].
    pub(crate) furthest: u64,
    /// Deliveries of a message that had been delivered before.
    pub(crate) duplicates: u64,
    /// Numbers between the lowest and the highest that were not received.
    pub(crate) missing: u64,
    pub(crate) p50_ms: Option<u64>,
    pub(crate) p99_ms: Option<u64>,
    #[serde(skip)]
    latencies: Latencies,
}

/// What was received so far.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    ids: HashSet<String>,
    clients: BTreeMap<String, Tally>,
    /// By publisher and by the text before the number.
    runs: HashMap<(String, String), Vec<Run>>,
    arrivals: Vec<Arrival>,
}

/// A first delivery, for the plot. The order of the fields is the order of sending.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Arrival {
    sent_at: Option<SystemTime>,
    sequence_number: Option<String>,
    number: Option<u64>,
    /// Its index in the order of arrival.
    index: usize,
}

impl Summary {
    /// Records a message that has arrived.
    pub(crate) fn record(&mut self, message: &Received) -> Comparison {
        let (stem, number) = split_number(&message.body);
        let tally = self.clients.entry(message.client.clone()).or_default();
        tally.received += 1;
        let mut comparison = Comparison {
            number,
            duplicate: !self.ids.insert(message.id.clone()),
            behind: 0,
        };
        if comparison.duplicate {
            tally.duplicates += 1;
            return comparison;
        }
        if let Some(latency) = message.latency() {
            tally.latencies.record(latency);
        }
        self.arrivals.push(Arrival {
            sent_at: message.sent_at,
            sequence_number: message.sequence_number.clone(),
            number,
            index: self.arrivals.len(),
        });
        if let Some(number) = number {
            let stream = (message.client.clone(), stem.to_owned());
            let runs = self.runs.entry(stream).or_default();
            comparison.behind = run_without(runs, number).record(number, message.group.clone());
            tally.out_of_order += u64::from(comparison.behind > 0);
            tally.furthest = tally.furthest.max(comparison.behind);
        }
        comparison
    }

    /// Returns what was received from each publisher, by name.
    pub(crate) fn clients(&self) -> BTreeMap<String, Tally> {
        let mut clients = self.clients.clone();
        for ((client, _), runs) in &self.runs {
            if let Some(tally) = clients.get_mut(client) {
                tally.missing += runs.iter().map(Run::missing).sum::<u64>();
            }
        }
        for tally in clients.values_mut() {
            tally.set_percentiles();
        }
        clients
    }

    /// Returns what was received from all publishers together.
    pub(crate) fn all(&self) -> Tally {
        let mut all = Tally::default();
        for tally in self.clients().values() {
            all.received += tally.received;
            all.out_of_order += tally.out_of_order;
            all.furthest = all.furthest.max(tally.furthest);
            all.duplicates += tally.duplicates;
            all.missing += tally.missing;
            all.latencies.extend(&tally.latencies);
        }
        all.set_percentiles();
        all
    }

    /// Returns for each message, in the order of arrival, its rank in the order of sending.
    pub(super) fn sending_ranks(&self) -> Vec<usize> {
        let mut sent: Vec<&Arrival> = self.arrivals.iter().collect();
        sent.sort_unstable();
        let mut ranks = vec![0; sent.len()];
        for (rank, arrival) in sent.into_iter().enumerate() {
            if let Some(slot) = ranks.get_mut(arrival.index) {
                *slot = rank;
            }
        }
        ranks
    }
}

impl Tally {
    fn set_percentiles(&mut self) {
        let percentile = |percent| {
            let latency = self.latencies.percentile(percent)?;
            u64::try_from(latency.as_millis()).ok()
        };
        (self.p50_ms, self.p99_ms) = (percentile(50), percentile(99));
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn message(id: &str, client: &str, body: &str, group: Option<&str>) -> Received {
        Received {
            id: id.to_owned(),
            receipt_handle: String::new(),
            body: body.to_owned(),
            client: client.to_owned(),
            arrived_at: UNIX_EPOCH + Duration::from_millis(30),
            sent_at: Some(UNIX_EPOCH + Duration::from_millis(10)),
            receive_count: 1,
            group: group.map(str::to_owned),
            dedup_id: None,
            sequence_number: None,
            system_attributes: BTreeMap::new(),
            attributes: BTreeMap::new(),
        }
    }

    fn receive(numbers: &[u64]) -> Summary {
        let mut summary = Summary::default();
        for (index, number) in numbers.iter().enumerate() {
            let body = format!("Message {number}");
            summary.record(&message(&index.to_string(), "Client 1", &body, None));
        }
        summary
    }

    #[test]
    fn messages_in_order_are_counted_and_nothing_else_is_reported() {
        let all = receive(&[0, 1, 2, 3]).all();
        assert_eq!(all.received, 4);
        assert_eq!((all.out_of_order, all.furthest, all.missing), (0, 0, 0));
        assert_eq!((all.p50_ms, all.p99_ms), (Some(20), Some(20)));
    }

    #[test]
    fn a_late_message_is_counted_with_its_distance_from_the_highest_number_before_it() {
        let all = receive(&[0, 5, 2, 3, 6]).all();
        assert_eq!((all.out_of_order, all.furthest), (2, 3));
        // 1 and 4
        assert_eq!(all.missing, 2);
    }

    #[test]
    fn a_message_delivered_again_is_a_duplicate_and_not_out_of_order() {
        let mut summary = receive(&[0, 1, 2]);
        let again = summary.record(&message("0", "Client 1", "Message 0", None));
        assert!(again.duplicate);
        let all = summary.all();
        assert_eq!((all.received, all.duplicates, all.out_of_order), (4, 1, 0));
    }

    #[test]
    fn a_second_run_of_a_publisher_starts_counting_anew() {
        let all = receive(&[0, 1, 2, 0, 1, 2]).all();
        assert_eq!((all.duplicates, all.out_of_order, all.missing), (0, 0, 0));
    }

    #[test]
    fn each_publisher_has_its_own_order() {
        let mut summary = Summary::default();
        for (id, client, body) in [
            ("a", "Client 1", "Message 7"),
            ("b", "Client 2", "Message 0"),
            ("c", "Client 1", "again Message 1"),
        ] {
            assert_eq!(summary.record(&message(id, client, body, None)).behind, 0);
        }
        assert_eq!(summary.clients()["Client 1"].received, 2);
        assert_eq!(summary.all().missing, 0);
    }

    #[test]
    fn order_is_expected_only_within_a_message_group() {
        let mut summary = Summary::default();
        for (number, group) in [(0, "even"), (2, "even"), (1, "odd"), (3, "odd")] {
            let body = format!("Message {number}");
            let message = message(&number.to_string(), "Client 1", &body, Some(group));
            assert_eq!(summary.record(&message).behind, 0, "{number}");
        }
        assert_eq!(summary.all().missing, 0);
    }

    #[test]
    fn a_body_without_a_number_is_only_counted() {
        let mut summary = Summary::default();
        let comparison = summary.record(&message("a", "Client 1", "hello", None));
        assert_eq!(comparison.number, None);
        assert_eq!(summary.all().received, 1);
    }

    #[test]
    fn messages_are_ranked_by_the_time_of_sending_and_then_by_number() {
        assert_eq!(receive(&[1, 0, 2]).sending_ranks(), [1, 0, 2]);
    }
}
