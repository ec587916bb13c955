//! Which receivers have accepted no event for so long that those that wait for a day are given up.

use std::collections::HashMap;

use tokio::time::Instant;

/// So many failures in a row show that a receiver accepts nothing. A few might be the fault of single events, or come from a
/// receiver that has just been restarted.
const LASTING: u32 = 10;
/// The most receivers that are remembered. Clients can name any number of them.
const REMEMBERED: usize = 1000;

/// How many attempts have failed in a row, by receiver, and when the last one did.
#[derive(Debug, Default)]
pub(super) struct Refusals(HashMap<String, (u32, Instant)>);

impl Refusals {
    /// Records whether a receiver has answered an attempt. Returns whether many have failed in a row.
    pub(super) fn note(&mut self, receiver: &str, has_failed: bool) -> bool {
        if !has_failed {
            self.0.remove(receiver);
            return false;
        }
        let now = Instant::now();
        let (failures, last) = self.0.entry(receiver.to_owned()).or_insert((0, now));
        *failures = failures.saturating_add(1);
        *last = now;
        let is_lasting = *failures >= LASTING;
        if self.0.len() > REMEMBERED {
            let oldest = self.0.iter().min_by_key(|(_, (_, last))| *last);
            if let Some(oldest) = oldest.map(|(receiver, _)| receiver.clone()) {
                self.0.remove(&oldest);
            }
        }
        is_lasting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_in_a_row_count() {
        let mut refusals = Refusals::default();
        for _ in 1..LASTING {
            assert!(!refusals.note("a", true));
            assert!(!refusals.note("b", true));
        }
        assert!(!refusals.note("a", false));
        assert!(!refusals.note("a", true));
        assert!(refusals.note("b", true));
        assert!(refusals.note("b", true));
    }

    #[tokio::test(start_paused = true)]
    async fn the_receivers_that_failed_last_are_remembered() {
        let mut refusals = Refusals::default();
        for _ in 1..LASTING {
            refusals.note("old", true);
        }
        for number in 0..REMEMBERED {
            tokio::time::advance(std::time::Duration::from_millis(1)).await;
            refusals.note(&number.to_string(), true);
        }
        assert_eq!(refusals.0.len(), REMEMBERED);
        assert!(!refusals.note("old", true));
    }
}
