//! The message to an SNS topic.

use shared_model::event_deliveries::Delivery;
use sns_client::Message;

use crate::events::payload::Payload;

/// Returns the message of an event. Its attributes serve the filter policies of subscriptions.
pub fn message(delivery: &Delivery, payload: &Payload, body: String) -> Message {
    let mut attributes = vec![
        ("type", payload.kind.to_owned()),
        ("event_id", payload.id.clone()),
        ("task_id", payload.data.task_id.to_string()),
        ("task_status", payload.data.task_status.to_string()),
    ];
    if let Some(code) = payload.error_code() {
        attributes.push(("error_code", code.to_owned()));
    }
    Message {
        body,
        attributes,
        group: delivery.job_id.to_string(),
        deduplication_id: delivery.event_id.clone(),
    }
}
