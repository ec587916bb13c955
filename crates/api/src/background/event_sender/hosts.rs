//! How many events each host may get now.
//!
//! Clients choose the hosts of most webhooks, and can invent any number of them that accept a connection and never answer.
//! So a share for each host would not be enough: hosts that have accepted an event lately, and those in the settings, have
//! half of all places to themselves. All other hosts share the other half, with one event at a time for each.

use std::collections::{HashMap, HashSet};

use shared_model::event_deliveries::Delivery;
use tokio::time::Instant;

use crate::events::destinations::TOPIC;

/// The most events on their way to known hosts, and the same for all others. Each takes some ten kilobytes, most of them
/// for TLS.
pub(super) const PLACES: usize = 128;
/// The most events on their way to one host that has accepted the latest one.
const SHARE: i32 = 16;
/// The same for a topic, which is never slow and gets the events of all jobs. Up to ten are in one request.
const TOPIC_SHARE: i32 = 64;
/// The most events on their way to a host that has not accepted any, or not the latest.
const UNPROVEN_SHARE: i32 = 1;
/// The most hosts that are remembered because they have accepted an event.
const PROVEN: usize = 1000;

/// The hosts that are known to accept events.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    /// Those in the settings. They are known even while they fail.
    own: HashSet<String>,
    /// Those that have accepted the latest event, and when.
    proven: HashMap<String, Instant>,
}

impl Hosts {
    /// Knows the hosts in the settings.
    pub(super) fn new(own: impl IntoIterator<Item = String>) -> Self {
        Self {
            own: own.into_iter().collect(),
            proven: HashMap::new(),
        }
    }

    /// Records whether a host has accepted an event, or one of those in a request.
    pub(super) fn note(&mut self, host: &str, is_delivered: bool) {
        if !is_delivered {
            self.proven.remove(host);
            return;
        }
        self.proven.insert(host.to_owned(), Instant::now());
        if self.proven.len() > PROVEN {
            let oldest = self.proven.iter().min_by_key(|(_, accepted)| **accepted);
            if let Some(oldest) = oldest.map(|(host, _)| host.clone()) {
                self.proven.remove(&oldest);
            }
        }
    }

    /// Returns the known hosts, in any order.
    pub(super) fn known(&self) -> Vec<String> {
        let others = self
            .own
            .iter()
            .filter(|host| !self.proven.contains_key(*host));
        self.proven.keys().chain(others).cloned().collect()
    }

    /// Returns whether a host is known.
    pub(super) fn is_known(&self, host: &str) -> bool {
        self.proven.contains_key(host) || self.own.contains(host)
    }

    /// Returns how many more events each known host may get.
    pub(super) fn shares<'a>(
        &self,
        in_flight: impl Iterator<Item = &'a Delivery>,
    ) -> Vec<(String, i32)> {
        let known = self.known();
        let shares = known.iter().map(|host| (host.as_str(), self.share(host)));
        let mut shares: HashMap<&str, i32> = shares.collect();
        for delivery in in_flight {
            if let Some(share) = shares.get_mut(delivery.host.as_str()) {
                *share -= 1;
            }
        }
        let left = shares.into_iter();
        left.map(|(host, share)| (host.to_owned(), share.max(0)))
            .collect()
    }

    fn share(&self, host: &str) -> i32 {
        if !self.proven.contains_key(host) {
            UNPROVEN_SHARE
        } else if host == TOPIC {
            TOPIC_SHARE
        } else {
            SHARE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(host: &str) -> Delivery {
        Delivery {
            id: 0,
            job_id: shared_model::job::JobId::new(),
            event_id: String::new(),
            destination: String::new(),
            host: host.to_owned(),
            event: serde_json::Value::Null,
            attempt: 1,
            version: 1,
        }
    }

    fn share(hosts: &Hosts, host: &str, in_flight: &[Delivery]) -> Option<i32> {
        let shares = hosts.shares(in_flight.iter());
        shares
            .iter()
            .find(|(name, _)| name == host)
            .map(|(_, share)| *share)
    }

    #[test]
    fn a_host_is_known_from_its_first_success_to_its_next_failure() {
        let mut hosts = Hosts::default();
        assert!(!hosts.is_known("a"));
        hosts.note("a", true);
        assert!(hosts.is_known("a"));
        assert_eq!(share(&hosts, "a", &[to("a"), to("b")]), Some(SHARE - 1));
        hosts.note("a", false);
        assert!(!hosts.is_known("a"));
        assert_eq!(share(&hosts, "a", &[]), None);
    }

    #[test]
    fn a_host_in_the_settings_stays_known_and_gets_one_event_at_a_time_while_it_fails() {
        let mut hosts = Hosts::new(["own".to_owned(), TOPIC.to_owned()]);
        assert_eq!(share(&hosts, "own", &[]), Some(1));
        hosts.note("own", true);
        hosts.note(TOPIC, true);
        assert_eq!(share(&hosts, "own", &[]), Some(SHARE));
        assert_eq!(share(&hosts, TOPIC, &[to(TOPIC)]), Some(TOPIC_SHARE - 1));
        hosts.note("own", false);
        assert_eq!(share(&hosts, "own", &[to("own"), to("own")]), Some(0));
        assert!(hosts.is_known("own"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_hosts_that_accepted_an_event_last_are_remembered() {
        let mut hosts = Hosts::default();
        for number in 0..=PROVEN {
            hosts.note(&number.to_string(), true);
            tokio::time::advance(std::time::Duration::from_millis(1)).await;
        }
        assert_eq!(hosts.known().len(), PROVEN);
        assert!(!hosts.is_known("0") && hosts.is_known("1"));
    }
}
