//! A message as it was received.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_sqs::types::Message;

use super::outgoing::CLIENT_ATTRIBUTE;

/// Shown in place of the publisher's name if a message does not contain one.
pub(crate) const NO_CLIENT: &str = "(no client)";

/// A message that was received, with its attributes.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) id: String,
    pub(crate) receipt_handle: String,
    pub(crate) body: String,
    pub(crate) client: String,
    pub(crate) arrived_at: SystemTime,
    pub(crate) sent_at: Option<SystemTime>,
    /// How many times the message was received, including this time.
    pub(crate) receive_count: u32,
    pub(crate) group: Option<String>,
    pub(crate) dedup_id: Option<String>,
    pub(crate) sequence_number: Option<String>,
    /// The attributes that SQS sets, by their names in SQS.
    pub(crate) system_attributes: BTreeMap<String, String>,
    /// The attributes of type string and number that the publisher set.
    pub(crate) attributes: BTreeMap<String, String>,
}

impl Received {
    pub(crate) fn new(message: Message, arrived_at: SystemTime) -> Self {
        let system_attributes: BTreeMap<String, String> = message
            .attributes
            .unwrap_or_default()
            .into_iter()
            .map(|(name, value)| (name.as_str().to_owned(), value))
            .collect();
        let attributes: BTreeMap<String, String> = message
            .message_attributes
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.string_value?)))
            .collect();
        let system = |name: &str| system_attributes.get(name).cloned();
        Self {
            id: message.message_id.unwrap_or_default(),
            receipt_handle: message.receipt_handle.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
            client: attributes
                .get(CLIENT_ATTRIBUTE)
                .map_or_else(|| NO_CLIENT.to_owned(), Clone::clone),
            arrived_at,
            sent_at: system("SentTimestamp").and_then(|text| time(&text)),
            receive_count: system("ApproximateReceiveCount")
                .and_then(|count| count.parse().ok())
                .unwrap_or(1),
            group: system("MessageGroupId"),
            dedup_id: system("MessageDeduplicationId"),
            sequence_number: system("SequenceNumber"),
            system_attributes,
            attributes,
        }
    }

    /// Returns the time from the arrival in SQS to the arrival here, measured by two clocks.
    pub(crate) fn latency(&self) -> Option<Duration> {
        let sent_at = self.sent_at?;
        Some(self.arrived_at.duration_since(sent_at).unwrap_or_default())
    }
}

/// Returns the size that SQS counts: the body, and the name, type and value of each attribute.
pub(crate) fn bytes(message: &Message) -> usize {
    let attributes = message.message_attributes.iter().flatten();
    let attributes = attributes.map(|(name, value)| {
        let text = value.string_value.as_ref().map_or(0, String::len);
        let binary = value
            .binary_value
            .as_ref()
            .map_or(0, |value| value.as_ref().len());
        name.len() + value.data_type.len() + text + binary
    });
    message.body.as_ref().map_or(0, String::len) + attributes.sum::<usize>()
}

/// SQS writes times in milliseconds since 1970.
fn time(milliseconds: &str) -> Option<SystemTime> {
    let since = Duration::from_millis(milliseconds.parse().ok()?);
    UNIX_EPOCH.checked_add(since)
}
