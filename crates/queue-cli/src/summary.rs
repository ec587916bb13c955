//! What a subscriber saw: order, duplicates, gaps and times. Pure; it is told of each message as it comes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::Serialize;

use crate::latency::Latencies;
use crate::received::Received;

/// What one message was to those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Judgement {
    /// The number that its body ends with.
    pub(crate) number: Option<u64>,
    /// Whether this very message (its id) came before.
    pub(crate) duplicate: bool,
    /// By how many numbers it came too late.
    pub(crate) behind: u64,
}

/// Of one client or of all.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Tally {
    /// Deliveries, duplicates included.
    pub(crate) received: u64,
    pub(crate) out_of_order: u64,
    /// The most numbers that a message came too late.
    pub(crate) furthest: u64,
    /// Deliveries of a message that had come before.
    pub(crate) duplicates: u64,
    /// Numbers between the lowest and the highest that did not come.
    pub(crate) missing: u64,
    pub(crate) p50_ms: Option<u64>,
    pub(crate) p99_ms: Option<u64>,
    #[serde(skip)]
    pub(crate) latencies: Latencies,
}

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    ids: HashSet<String>,
    clients: BTreeMap<String, Tally>,
    /// By client and by what stands before the number.
    runs: HashMap<(String, String), Vec<Run>>,
    arrivals: Vec<Arrival>,
}

/// One publisher counting up once. A number that comes again under another message id is of the next run.
#[derive(Debug, Default)]
struct Run {
    numbers: BTreeSet<u64>,
    /// Within a message group; a FIFO queue promises no order between groups.
    highest: HashMap<Option<String>, u64>,
}

/// A first delivery, for the plot. The fields' order is the order of sending.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Arrival {
    sent_at: Option<std::time::SystemTime>,
    sequence_number: Option<String>,
    number: Option<u64>,
    place: usize,
}

impl Summary {
    pub(crate) fn record(&mut self, message: &Received) -> Judgement {
        let (stem, number) = numbered(&message.body);
        let tally = self.clients.entry(message.client.clone()).or_default();
        tally.received += 1;
        let mut judgement = Judgement {
            number,
            duplicate: !self.ids.insert(message.id.clone()),
            behind: 0,
        };
        if judgement.duplicate {
            tally.duplicates += 1;
            return judgement;
        }
        if let Some(latency) = message.latency() {
            tally.latencies.record(latency);
        }
        self.arrivals.push(Arrival {
            sent_at: message.sent_at,
            sequence_number: message.sequence_number.clone(),
            number,
            place: self.arrivals.len(),
        });
        if let Some(number) = number {
            let stream = (message.client.clone(), stem.to_owned());
            let runs = self.runs.entry(stream).or_default();
            judgement.behind = run_without(runs, number).record(number, message.group.clone());
            tally.out_of_order += u64::from(judgement.behind > 0);
            tally.furthest = tally.furthest.max(judgement.behind);
        }
        judgement
    }

    /// Of each client, by name.
    pub(crate) fn clients(&self) -> BTreeMap<String, Tally> {
        let mut clients = self.clients.clone();
        for ((client, _), runs) in &self.runs {
            if let Some(tally) = clients.get_mut(client) {
                tally.missing += runs.iter().map(Run::missing).sum::<u64>();
            }
        }
        for tally in clients.values_mut() {
            tally.measure();
        }
        clients
    }

    /// Of all clients together.
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
        all.measure();
        all
    }

    /// For each message in the order of arrival: its place in the order of sending.
    pub(crate) fn places(&self) -> Vec<usize> {
        let mut sent: Vec<&Arrival> = self.arrivals.iter().collect();
        sent.sort_unstable();
        let mut places = vec![0; sent.len()];
        for (rank, arrival) in sent.into_iter().enumerate() {
            if let Some(place) = places.get_mut(arrival.place) {
                *place = rank;
            }
        }
        places
    }
}

impl Tally {
    fn measure(&mut self) {
        let percentile = |percent| {
            let latency = self.latencies.percentile(percent)?;
            u64::try_from(latency.as_millis()).ok()
        };
        (self.p50_ms, self.p99_ms) = (percentile(50), percentile(99));
    }
}

impl Run {
    /// By how many numbers this one comes too late.
    fn record(&mut self, number: u64, group: Option<String>) -> u64 {
        self.numbers.insert(number);
        let highest = self.highest.entry(group).or_insert(number);
        let behind = highest.saturating_sub(number);
        *highest = number.max(*highest);
        behind
    }

    fn missing(&self) -> u64 {
        match (self.numbers.first(), self.numbers.last()) {
            (Some(first), Some(last)) => (last - first) - (self.numbers.len() as u64 - 1),
            _ => 0,
        }
    }
}

/// The first run that the number is still missing in.
fn run_without(runs: &mut Vec<Run>, number: u64) -> &mut Run {
    let known = runs
        .iter()
        .position(|run| !run.numbers.contains(&number))
        .unwrap_or(runs.len());
    if known == runs.len() {
        runs.push(Run::default());
    }
    #[expect(clippy::indexing_slicing, reason = "it was found or pushed just now")]
    &mut runs[known]
}

/// Splits `Message 42` into what stands before the number, and the number.
fn numbered(body: &str) -> (&str, Option<u64>) {
    let stem = body.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let number = body
        .strip_prefix(stem)
        .and_then(|digits| digits.parse().ok());
    (stem, number)
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
            at: UNIX_EPOCH + Duration::from_millis(30),
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
    fn messages_in_order_are_nothing_to_speak_of() {
        let all = receive(&[0, 1, 2, 3]).all();
        assert_eq!(all.received, 4);
        assert_eq!((all.out_of_order, all.furthest, all.missing), (0, 0, 0));
        assert_eq!((all.p50_ms, all.p99_ms), (Some(20), Some(20)));
    }

    #[test]
    fn a_late_message_is_so_far_behind_the_highest_before_it() {
        let all = receive(&[0, 5, 2, 3, 6]).all();
        assert_eq!((all.out_of_order, all.furthest), (2, 3));
        // 1 and 4
        assert_eq!(all.missing, 2);
    }

    #[test]
    fn the_same_message_again_is_a_duplicate_and_no_disorder() {
        let mut summary = receive(&[0, 1, 2]);
        let again = summary.record(&message("0", "Client 1", "Message 0", None));
        assert!(again.duplicate);
        let all = summary.all();
        assert_eq!((all.received, all.duplicates, all.out_of_order), (4, 1, 0));
    }

    #[test]
    fn a_second_run_of_a_publisher_counts_from_the_start() {
        let all = receive(&[0, 1, 2, 0, 1, 2]).all();
        assert_eq!((all.duplicates, all.out_of_order, all.missing), (0, 0, 0));
    }

    #[test]
    fn clients_are_judged_apart() {
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
    fn order_is_promised_within_a_group_only() {
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
        let judgement = summary.record(&message("a", "Client 1", "hello", None));
        assert_eq!(judgement.number, None);
        // 21 digits are no number either
        let long = "Message 999999999999999999999";
        assert_eq!(
            summary.record(&message("b", "Client 1", long, None)).number,
            None
        );
        assert_eq!(summary.all().received, 2);
    }

    #[test]
    fn places_are_by_the_time_of_sending_and_then_by_number() {
        assert_eq!(receive(&[1, 0, 2]).places(), [1, 0, 2]);
    }
}
