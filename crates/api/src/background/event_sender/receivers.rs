//! How many events each receiver may get now.
//!
//! Clients choose the receivers of most webhooks, and can invent any number of them that accept a connection and never
//! answer, or answer slowly. So each receiver in the settings has places of its own. Those of clients that have accepted
//! their latest event share others. All that are left share the rest, with one event at a time for each.

use std::cmp::Reverse;
use std::collections::HashMap;

use shared_model::event_deliveries::{Delivery, TOPIC};
use tokio::time::Instant;

use crate::events::receiver_kind::ReceiverKind;

/// The most events on their way to clients' receivers that are proven, and the same for all others. Each takes some ten
/// kilobytes, most of them for TLS.
pub(super) const PLACES: usize = 128;
/// The most events on their way to one receiver that has accepted the latest one.
const SHARE: i32 = 16;
/// The same for a topic, which is never slow and gets the events of all jobs. Up to ten are in one request.
const TOPIC_SHARE: i32 = 64;
/// The most events on their way to a receiver that has not accepted any, or not the latest.
const UNPROVEN_SHARE: i32 = 1;
/// The most receivers of clients that are remembered because they have accepted an event.
const PROVEN: usize = 1000;

/// The receivers in the settings, and the clients' that are known to accept events.
#[derive(Debug, Default)]
pub(super) struct Receivers {
    /// Those in the settings, and whether they have accepted the latest event.
    own: HashMap<String, bool>,
    /// Those of clients that have accepted the latest event, and when.
    proven: HashMap<String, Instant>,
}

impl Receivers {
    /// Knows the receivers in the settings.
    pub(super) fn new(own: &[String]) -> Self {
        Self {
            own: own.iter().map(|name| (name.clone(), false)).collect(),
            proven: HashMap::new(),
        }
    }

    /// Records whether a receiver has accepted an event, or one of those in a request.
    pub(super) fn note(&mut self, receiver: &str, is_delivered: bool) {
        if let Some(is_proven) = self.own.get_mut(receiver) {
            *is_proven = is_delivered;
            return;
        }
        if !is_delivered {
            self.proven.remove(receiver);
            return;
        }
        self.proven.insert(receiver.to_owned(), Instant::now());
        if self.proven.len() > PROVEN {
            let oldest = self.proven.iter().min_by_key(|(_, accepted)| **accepted);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.proven.remove(&oldest);
            }
        }
    }

    /// Returns the clients' receivers that are proven, in any order.
    pub(super) fn proven(&self) -> Vec<String> {
        self.proven.keys().cloned().collect()
    }

    /// Returns how many more events each receiver in the settings, or each that is proven, may get: only those that may get
    /// any, those that may get most first. There are none of [`ReceiverKind::Other`].
    pub(super) fn shares<'a>(
        &self,
        kind: ReceiverKind,
        in_flight: impl Iterator<Item = &'a Delivery>,
    ) -> Vec<(String, i32)> {
        let mut shares: HashMap<&str, i32> = match kind {
            ReceiverKind::Own => {
                let own = self.own.iter();
                own.map(|(name, is_proven)| (name.as_str(), own_share(name, *is_proven)))
                    .collect()
            }
            ReceiverKind::Proven => {
                let proven = self.proven.keys();
                proven.map(|name| (name.as_str(), SHARE)).collect()
            }
            ReceiverKind::Other => HashMap::new(),
        };
        for delivery in in_flight {
            if let Some(share) = shares.get_mut(delivery.receiver.as_str()) {
                *share -= 1;
            }
        }
        let left = shares.into_iter().filter(|(_, share)| *share > 0);
        let mut left: Vec<_> = left.map(|(name, share)| (name.to_owned(), share)).collect();
        left.sort_unstable_by_key(|(_, share)| Reverse(*share));
        left
    }
}

fn own_share(name: &str, is_proven: bool) -> i32 {
    if !is_proven {
        UNPROVEN_SHARE
    } else if name == TOPIC {
        TOPIC_SHARE
    } else {
        SHARE
    }
}

#[cfg(test)]
mod tests {
    use super::ReceiverKind::{Own, Proven};
    use super::*;

    fn to(receiver: &str) -> Delivery {
        Delivery {
            id: 0,
            job_id: shared_model::job::JobId::new(),
            event_id: String::new(),
            destination: String::new(),
            receiver: receiver.to_owned(),
            event: serde_json::Value::Null,
            attempt: 1,
            tried_for: std::time::Duration::ZERO,
            version: 1,
        }
    }

    fn shares(
        receivers: &Receivers,
        kind: ReceiverKind,
        in_flight: &[Delivery],
    ) -> Vec<(String, i32)> {
        receivers.shares(kind, in_flight.iter())
    }

    fn named(shares: &[(&str, i32)]) -> Vec<(String, i32)> {
        let shares = shares.iter();
        shares
            .map(|(name, share)| ((*name).to_owned(), *share))
            .collect()
    }

    #[test]
    fn a_receiver_is_proven_from_its_first_success_to_its_next_failure() {
        let mut receivers = Receivers::default();
        assert_eq!(shares(&receivers, Proven, &[]), []);
        receivers.note("a", true);
        assert_eq!(receivers.proven(), ["a"]);
        assert_eq!(
            shares(&receivers, Proven, &[to("a"), to("b")]),
            named(&[("a", SHARE - 1)])
        );
        receivers.note("a", false);
        assert_eq!(shares(&receivers, Proven, &[]), []);
    }

    #[test]
    fn a_proven_receiver_with_fewer_events_on_their_way_comes_first() {
        let mut receivers = Receivers::default();
        for name in ["slow", "full", "idle"] {
            receivers.note(name, true);
        }
        let in_flight = [vec![to("slow"); 15], vec![to("full"); 16]].concat();
        assert_eq!(
            shares(&receivers, Proven, &in_flight),
            named(&[("idle", SHARE), ("slow", 1)])
        );
    }

    #[test]
    fn a_receiver_in_the_settings_has_a_place_of_its_own_while_it_fails() {
        let mut receivers = Receivers::new(&["own:x".to_owned(), TOPIC.to_owned()]);
        receivers.note(TOPIC, true);
        assert_eq!(
            shares(&receivers, Own, &[to(TOPIC)]),
            named(&[(TOPIC, TOPIC_SHARE - 1), ("own:x", 1)])
        );
        receivers.note("own:x", true);
        receivers.note(TOPIC, false);
        assert_eq!(
            shares(&receivers, Own, &[]),
            named(&[("own:x", SHARE), (TOPIC, 1)])
        );
        receivers.note("own:x", false);
        let in_flight = [to("own:x"), to("own:x")];
        assert_eq!(shares(&receivers, Own, &in_flight), named(&[(TOPIC, 1)]));
        assert_eq!(receivers.proven(), [""; 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_receivers_that_accepted_an_event_last_are_remembered() {
        let mut receivers = Receivers::default();
        for number in 0..=PROVEN {
            receivers.note(&number.to_string(), true);
            tokio::time::advance(std::time::Duration::from_millis(1)).await;
        }
        let proven = receivers.proven();
        assert_eq!(proven.len(), PROVEN);
        assert!(!proven.contains(&"0".to_owned()) && proven.contains(&"1".to_owned()));
    }
}
