//! A round through the receivers of clients that are not proven: which part comes next, and when.

use std::time::Duration;

use tokio::time::Instant;

/// How often rounds begin at most, unless there is more to send.
const INTERVAL: Duration = Duration::from_secs(1);
/// How many times longer the pause after a round is than the round. Clients can make it look at many receivers.
const PAUSE_FACTOR: u32 = 10;

/// The current round.
#[derive(Debug)]
pub(super) struct Round {
    /// The receiver after which the next part begins; empty if a round begins.
    position: String,
    /// When the next round may begin.
    due_at: Instant,
    /// How long this round's queries have taken.
    took: Duration,
    has_found: bool,
}

impl Round {
    /// Begins immediately.
    pub(super) fn new() -> Self {
        Self {
            position: String::new(),
            due_at: Instant::now(),
            took: Duration::ZERO,
            has_found: false,
        }
    }

    /// Returns the receiver after which the next part begins, or `None` if it is not time for another round.
    pub(super) fn next_part(&self) -> Option<&str> {
        let is_due = !self.position.is_empty() || Instant::now() >= self.due_at;
        is_due.then_some(self.position.as_str())
    }

    /// Records what a part found, and where the next one begins. Returns whether that may be now.
    pub(super) fn advance(
        &mut self,
        has_found: bool,
        next: Option<String>,
        took: Duration,
    ) -> bool {
        self.took += took;
        self.has_found |= has_found;
        if let Some(next) = next {
            self.position = next;
            return true;
        }
        let pause = self.took * PAUSE_FACTOR;
        // there may be more for the receivers that got some
        let pause = if self.has_found {
            pause
        } else {
            pause.max(INTERVAL)
        };
        *self = Self {
            due_at: Instant::now() + pause,
            ..Self::new()
        };
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: Duration = Duration::from_millis(5);

    #[tokio::test(start_paused = true)]
    async fn a_round_goes_on_until_its_last_part_and_then_rests() {
        let mut round = Round::new();
        assert_eq!(round.next_part(), Some(""));
        assert!(round.advance(false, Some("m".to_owned()), QUERY));
        assert_eq!(round.next_part(), Some("m"));
        assert!(!round.advance(false, None, QUERY));
        assert_eq!(round.next_part(), None);
        tokio::time::advance(INTERVAL).await;
        assert_eq!(round.next_part(), Some(""));
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_find_the_rest_is_only_ten_times_as_long_as_the_round() {
        let mut round = Round::new();
        round.advance(true, None, QUERY);
        assert_eq!(round.next_part(), None);
        tokio::time::advance(QUERY * PAUSE_FACTOR).await;
        assert_eq!(round.next_part(), Some(""));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_round_is_followed_by_a_long_rest() {
        let mut round = Round::new();
        round.advance(false, None, INTERVAL);
        tokio::time::advance(INTERVAL * (PAUSE_FACTOR - 1)).await;
        assert_eq!(round.next_part(), None);
        tokio::time::advance(INTERVAL).await;
        assert_eq!(round.next_part(), Some(""));
    }
}
