//! Which receivers have accepted no event for so long that those that wait for a day are given up.

use std::collections::HashMap;
use std::time::Duration;

use shared_model::event_deliveries::OWN;
use tokio::time::Instant;

/// So many failures in a row show that a receiver accepts nothing. A few might be the fault of single events.
const FAILURES: u32 = 10;
/// So long they must have lasted. A receiver that is just being restarted fails many times within seconds.
const LASTING: Duration = Duration::from_mins(5);
/// The most receivers of clients that are remembered. Clients can name any number of them.
const REMEMBERED: usize = 1000;

/// The failures in a row of each receiver.
#[derive(Debug, Default)]
pub(super) struct Refusals(HashMap<String, Failures>);

#[derive(Debug)]
struct Failures {
    number: u32,
    first: Instant,
    last: Instant,
}

impl Refusals {
    /// Records whether a receiver has answered an attempt. Returns whether none has succeeded for long.
    pub(super) fn note(&mut self, receiver: &str, has_failed: bool) -> bool {
        if !has_failed {
            self.0.remove(receiver);
            return false;
        }
        let now = Instant::now();
        let failures = self.0.entry(receiver.to_owned()).or_insert(Failures {
            number: 0,
            first: now,
            last: now,
        });
        failures.number = failures.number.saturating_add(1);
        failures.last = now;
        let is_lasting = failures.number >= FAILURES && now - failures.first >= LASTING;
        self.forget_one_if_there_are_many();
        is_lasting
    }

    /// Operators' receivers are never forgotten: only the settings name them.
    fn forget_one_if_there_are_many(&mut self) {
        let of_clients = || {
            self.0
                .iter()
                .filter(|(receiver, _)| receiver.as_str() < OWN)
        };
        if of_clients().count() <= REMEMBERED {
            return;
        }
        let oldest = of_clients().min_by_key(|(_, failures)| failures.last);
        if let Some(oldest) = oldest.map(|(receiver, _)| receiver.clone()) {
            self.0.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: &str = "https://a.example";

    #[tokio::test(start_paused = true)]
    async fn only_failures_in_a_row_that_last_count() {
        let mut refusals = Refusals::default();
        for _ in 0..100 {
            assert!(!refusals.note(CLIENT, true), "within one moment");
        }
        tokio::time::advance(LASTING).await;
        assert!(refusals.note(CLIENT, true));
        assert!(!refusals.note(CLIENT, false));
        assert!(!refusals.note(CLIENT, true));
        tokio::time::advance(LASTING).await;
        assert!(!refusals.note(CLIENT, true), "two failures");
    }

    #[tokio::test(start_paused = true)]
    async fn clients_can_make_only_clients_receivers_be_forgotten() {
        let own = format!("{OWN}{CLIENT}");
        let mut refusals = Refusals::default();
        for _ in 1..FAILURES {
            refusals.note(&own, true);
            refusals.note(CLIENT, true);
        }
        for number in 0..REMEMBERED {
            tokio::time::advance(Duration::from_secs(1)).await;
            refusals.note(&format!("https://{number}.example"), true);
        }
        assert_eq!(refusals.0.len(), REMEMBERED + 1);
        assert!(refusals.note(&own, true));
        assert!(!refusals.note(CLIENT, true));
    }
}
