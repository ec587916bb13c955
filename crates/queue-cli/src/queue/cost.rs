//! The number of calls, and what they cost on AWS.

use std::collections::BTreeMap;

use serde::Serialize;

/// AWS bills each started 64 KiB of a call as one request: <https://aws.amazon.com/sqs/pricing/>
const REQUEST_BYTES: usize = 64 * 1024;
/// List prices. The first million requests per month are free.
const STANDARD_DOLLARS_PER_MILLION: f64 = 0.40;
const FIFO_DOLLARS_PER_MILLION: f64 = 0.50;

/// The calls that were made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Calls {
    pub(crate) by_action: BTreeMap<&'static str, u64>,
    /// The requests that AWS bills.
    pub(crate) requests: u64,
    pub(crate) empty_receives: u64,
}

impl Calls {
    /// Counts one call whose request or answer contained that many bytes of messages.
    pub(crate) fn count(&mut self, action: &'static str, bytes: usize) {
        *self.by_action.entry(action).or_default() += 1;
        self.requests += bytes.div_ceil(REQUEST_BYTES).max(1) as u64;
    }

    pub(crate) fn total(&self) -> u64 {
        self.by_action.values().sum()
    }

    #[expect(clippy::cast_precision_loss, reason = "no run makes 2^52 requests")]
    pub(crate) fn dollars(&self, is_fifo: bool) -> f64 {
        let millionths = self.requests as f64 * price(is_fifo);
        // 1.2 and not 1.2000000000000002
        (millionths * 1e3).round() / 1e9
    }

    /// Describes the calls and their cost in two lines.
    pub(crate) fn describe(&self, is_fifo: bool) -> String {
        let actions: Vec<String> = self
            .by_action
            .iter()
            .map(|(action, count)| match (*action, self.empty_receives) {
                ("ReceiveMessage", empty) if empty > 0 => {
                    format!("{count} {action} ({empty} empty)")
                }
                _ => format!("{count} {action}"),
            })
            .collect();
        format!(
            "{} calls: {}\n{} requests, which cost ${:.6} on AWS (${:.2} per million, {})",
            self.total(),
            actions.join(", "),
            self.requests,
            self.dollars(is_fifo),
            price(is_fifo),
            if is_fifo { "FIFO" } else { "standard" },
        )
    }
}

fn price(is_fifo: bool) -> f64 {
    if is_fifo {
        FIFO_DOLLARS_PER_MILLION
    } else {
        STANDARD_DOLLARS_PER_MILLION
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_started_64_kib_is_billed_as_a_request() {
        for (bytes, requests) in [(0, 1), (65_536, 1), (65_537, 2), (1_048_576, 16)] {
            let mut calls = Calls::default();
            calls.count("SendMessage", bytes);
            assert_eq!(calls.requests, requests, "{bytes} bytes");
            assert_eq!(calls.total(), 1);
        }
    }

    #[test]
    fn a_million_requests_cost_the_list_price() {
        let calls = Calls {
            requests: 1_000_000,
            ..Calls::default()
        };
        assert!((calls.dollars(false) - 0.40).abs() < 1e-9);
        assert!((calls.dollars(true) - 0.50).abs() < 1e-9);
        let calls = Calls {
            requests: 3,
            ..Calls::default()
        };
        assert_eq!(calls.dollars(false).to_string(), "0.0000012");
    }

    #[test]
    fn the_description_names_empty_receives() {
        let mut calls = Calls::default();
        calls.count("ReceiveMessage", 0);
        calls.empty_receives += 1;
        let text = calls.describe(true);
        assert!(text.contains("1 ReceiveMessage (1 empty)"), "{text}");
        assert!(text.contains("($0.50 per million, FIFO)"), "{text}");
    }
}
