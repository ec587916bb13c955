//! A received message as a line of the output.

use std::collections::BTreeMap;

use chrono::{DateTime, Local, SecondsFormat, Utc};
use serde::Serialize;

use crate::message::Received;
use crate::output::{coloured, dimmed, printable};
use crate::report::Comparison;

/// Returns the message as text; with `peek`, followed by all its attributes.
pub(super) fn text(message: &Received, comparison: Comparison, peek: bool) -> String {
    let time = DateTime::<Local>::from(message.arrived_at).format("%H:%M:%S%.3f");
    let mut remarks = Vec::new();
    if message.receive_count > 1 {
        remarks.push(format!("receive {}", message.receive_count));
    }
    if comparison.behind > 0 {
        remarks.push(format!("{} behind", comparison.behind));
    }
    let mut text = format!(
        "{}  {}: {}",
        dimmed(&time.to_string()),
        coloured(&message.client),
        printable(&message.body)
    );
    if !remarks.is_empty() {
        text.push_str(&dimmed(&format!("  ({})", remarks.join(", "))));
    }
    if peek {
        for (name, value) in message.attributes.iter().chain(&message.system_attributes) {
            let attribute = format!("\n    {name} = {}", printable(value));
            text.push_str(&dimmed(&attribute));
        }
    }
    text
}

/// The message as JSON.
#[derive(Debug, Serialize)]
pub(super) struct Line<'a> {
    event: &'static str,
    received_at: String,
    client: &'a str,
    body: &'a str,
    message_id: &'a str,
    sent_at: Option<String>,
    latency_ms: Option<u128>,
    receive_count: u32,
    group: Option<&'a str>,
    dedup_id: Option<&'a str>,
    sequence_number: Option<&'a str>,
    #[serde(flatten)]
    comparison: Comparison,
    #[serde(skip_serializing_if = "Option::is_none")]
    attributes: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_attributes: Option<&'a BTreeMap<String, String>>,
}

impl<'a> Line<'a> {
    pub(super) fn new(message: &'a Received, comparison: Comparison, peek: bool) -> Self {
        let written =
            |time| DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Millis, true);
        Self {
            event: "received",
            received_at: written(message.arrived_at),
            client: &message.client,
            body: &message.body,
            message_id: &message.id,
            sent_at: message.sent_at.map(written),
            latency_ms: message.latency().map(|latency| latency.as_millis()),
            receive_count: message.receive_count,
            group: message.group.as_deref(),
            dedup_id: message.dedup_id.as_deref(),
            sequence_number: message.sequence_number.as_deref(),
            comparison,
            attributes: peek.then_some(&message.attributes),
            system_attributes: peek.then_some(&message.system_attributes),
        }
    }
}
