//! How many events each host may get now.

use std::collections::{HashMap, HashSet};

use shared_model::event_deliveries::Delivery;

/// The most events on their way to one host.
pub(super) const SHARE: i32 = 16;
/// The same for a host that failed.
const FAILING_SHARE: i32 = 1;
/// The most hosts that are remembered as failing.
const FAILING: usize = 1000;

/// The hosts whose latest attempt failed.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    failing: HashSet<String>,
}

impl Hosts {
    /// Records whether an attempt succeeded.
    pub(super) fn note(&mut self, host: &str, is_delivered: bool) {
        if is_delivered {
            self.failing.remove(host);
        } else if self.failing.len() < FAILING {
            self.failing.insert(host.to_owned());
        }
    }

    /// Returns what is left of the shares of hosts that have events on their way, or that failed. All others have a full
    /// share.
    pub(super) fn shares<'a>(
        &self,
        in_flight: impl Iterator<Item = &'a Delivery>,
    ) -> Vec<(String, i32)> {
        let mut shares: HashMap<&str, i32> = self
            .failing
            .iter()
            .map(|host| (host.as_str(), FAILING_SHARE))
            .collect();
        for delivery in in_flight {
            *shares.entry(&delivery.host).or_insert(SHARE) -= 1;
        }
        shares
            .into_iter()
            .map(|(host, share)| (host.to_owned(), share.max(0)))
            .collect()
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
        }
    }

    #[test]
    fn a_failing_host_gets_one_event_at_a_time_until_it_accepts_one() {
        let mut hosts = Hosts::default();
        let in_flight = [to("busy"), to("busy"), to("failing")];
        hosts.note("failing", false);
        hosts.note("idle and failing", false);
        let mut shares = hosts.shares(in_flight.iter());
        shares.sort_unstable();
        let expected = [("busy", SHARE - 2), ("failing", 0), ("idle and failing", 1)];
        assert_eq!(
            shares,
            expected.map(|(host, share)| (host.to_owned(), share))
        );
        hosts.note("failing", true);
        hosts.note("idle and failing", true);
        assert_eq!(hosts.shares([].into_iter()), []);
    }

    #[test]
    fn the_memory_of_failing_hosts_is_bounded() {
        let mut hosts = Hosts::default();
        for number in 0..2 * FAILING {
            hosts.note(&number.to_string(), false);
        }
        assert_eq!(hosts.shares([].into_iter()).len(), FAILING);
    }
}
