//! The number of calls, and what they cost on AWS.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

/// AWS bills each started 64 KiB of a call as one request: <https://aws.amazon.com/sqs/pricing/>
const REQUEST_BYTES: usize = 64 * 1024;
/// List prices. The first million requests per month are free.
const STANDARD_DOLLARS_PER_MILLION: f64 = 0.40;
const FIFO_DOLLARS_PER_MILLION: f64 = 0.50;

/// Which service a queue belongs to, as far as prices and reports differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    SqsStandard,
    SqsFifo,
    /// A server that is not billed by the call.
    Broker,
}

impl Service {
    pub(crate) fn sqs(is_fifo: bool) -> Self {
        if is_fifo {
            Self::SqsFifo
        } else {
            Self::SqsStandard
        }
    }

    /// Returns the dollars for a million requests, and what they are the price of.
    fn price(self) -> Option<(f64, &'static str)> {
        match self {
            Self::SqsStandard => Some((STANDARD_DOLLARS_PER_MILLION, "standard")),
            Self::SqsFifo => Some((FIFO_DOLLARS_PER_MILLION, "FIFO")),
            Self::Broker => None,
        }
    }
}

/// The calls that were made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Calls {
    pub(crate) by_action: BTreeMap<&'static str, u64>,
    /// The requests that AWS bills, or would bill.
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

    /// Returns what the calls cost on AWS, or `None` for a service that is not billed by the call.
    #[expect(clippy::cast_precision_loss, reason = "no run makes 2^52 requests")]
    pub(crate) fn dollars(&self, service: Service) -> Option<f64> {
        let (price, _) = service.price()?;
        let millionths = self.requests as f64 * price;
        // 1.2 and not 1.2000000000000002
        Some((millionths * 1e3).round() / 1e9)
    }

    /// Describes the calls in one line, and their cost in a second one if they have a price.
    pub(crate) fn describe(&self, service: Service) -> String {
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
        let mut text = format!("{} calls: {}", self.total(), actions.join(", "));
        if let (Some(dollars), Some((price, kind))) = (self.dollars(service), service.price()) {
            let _ = write!(
                text,
                "\n{} requests, which cost ${dollars:.6} on AWS (${price:.2} per million, {kind})",
                self.requests,
            );
        }
        text
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
        for (service, price) in [(Service::SqsStandard, 0.40), (Service::SqsFifo, 0.50)] {
            assert!((calls.dollars(service).unwrap() - price).abs() < 1e-9);
        }
        let calls = Calls {
            requests: 3,
            ..Calls::default()
        };
        let dollars = calls.dollars(Service::SqsStandard).unwrap();
        assert_eq!(dollars.to_string(), "0.0000012");
    }

    #[test]
    fn a_broker_has_calls_and_no_price() {
        let mut calls = Calls::default();
        calls.count("XADD", 0);
        assert_eq!(calls.dollars(Service::Broker), None);
        assert_eq!(calls.describe(Service::Broker), "1 calls: 1 XADD");
    }

    #[test]
    fn the_description_names_empty_receives() {
        let mut calls = Calls::default();
        calls.count("ReceiveMessage", 0);
        calls.empty_receives += 1;
        let text = calls.describe(Service::SqsFifo);
        assert!(text.contains("1 ReceiveMessage (1 empty)"), "{text}");
        assert!(text.contains("($0.50 per million, FIFO)"), "{text}");
    }
}
