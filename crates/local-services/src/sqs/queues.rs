//! Managing queues, with SQS's JSON protocol.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::{ENDPOINT_VARIABLE, LocalSqs, REGION};
use crate::error::{Error, io_error};
use crate::http;

impl LocalSqs {
    /// Creates a queue and returns its URL. A name that ends in `.fifo` creates a FIFO queue.
    ///
    /// # Errors
    ///
    /// Returns an error if the endpoint refuses, or if the queue exists with other attributes.
    pub fn create_queue(&self, name: &str, attributes: &[(&str, &str)]) -> Result<String, Error> {
        let mut attributes: BTreeMap<_, _> = attributes.iter().copied().collect();
        if is_fifo(name) {
            attributes.insert("FifoQueue", "true");
        }
        let answer = self.call(
            "CreateQueue",
            &json!({ "QueueName": name, "Attributes": attributes }),
        )?;
        text(&answer, "QueueUrl")
    }

    /// Creates a queue and its dead-letter queue, and returns the URL of the first. The dead-letter queue of `ical` is
    /// `ical-dead-letters`, that of `ical.fifo` is `ical-dead-letters.fifo`. A message moves to it after
    /// `max_receive_count` receives.
    ///
    /// # Errors
    ///
    /// Returns an error if the endpoint refuses, or if one of the queues exists with other attributes.
    pub fn create_queue_with_dead_letters(
        &self,
        name: &str,
        max_receive_count: u32,
    ) -> Result<String, Error> {
        let dead_letters = self.create_queue(&dead_letter_name(name), &[])?;
        let arn = self
            .queue_attributes(&dead_letters)?
            .remove("QueueArn")
            .unwrap_or_default();
        let redrive_policy =
            json!({ "deadLetterTargetArn": arn, "maxReceiveCount": max_receive_count });
        self.create_queue(name, &[("RedrivePolicy", &redrive_policy.to_string())])
    }

    /// Returns all attributes of a queue, under SQS's names.
    ///
    /// # Errors
    ///
    /// Returns an error if the endpoint refuses.
    pub fn queue_attributes(&self, url: &str) -> Result<BTreeMap<String, String>, Error> {
        let answer = self.call(
            "GetQueueAttributes",
            &json!({ "QueueUrl": url, "AttributeNames": ["All"] }),
        )?;
        let attributes = answer.get("Attributes").cloned().unwrap_or_default();
        serde_json::from_value(attributes)
            .map_err(|error| Error::Failed(format!("SQS answered {answer}: {error}")))
    }

    /// Makes one call of [SQS's JSON protocol](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-json-api.html)
    /// and returns the answer. `action` is a name such as `CreateQueue`.
    ///
    /// # Errors
    ///
    /// Returns an error if the endpoint cannot be reached or refuses the call. The message contains its answer.
    pub fn call(&self, action: &str, parameters: &Value) -> Result<Value, Error> {
        let target = format!("AmazonSQS.{action}");
        // No local server checks the signature, but some read the region from it.
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=local/20260101/{REGION}/sqs/aws4_request, \
             SignedHeaders=host, Signature=0"
        );
        let headers = [
            ("Content-Type", "application/x-amz-json-1.0"),
            ("X-Amz-Target", &target),
            ("Authorization", &authorization),
        ];
        let response = http::post(&self.endpoint_url, &headers, &parameters.to_string());
        let http::Response { status, body } =
            response
                .map_err(ureq::Error::into_io)
                .map_err(io_error(format!(
                    "reach the SQS endpoint ({ENDPOINT_VARIABLE}={})",
                    self.endpoint_url
                )))?;
        if status != 200 {
            return Err(Error::Failed(format!(
                "SQS refuses {action} {parameters} with {status}: {body}"
            )));
        }
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&body)
            .map_err(|error| Error::Failed(format!("SQS answered {action} with {body}: {error}")))
    }
}

/// Returns the name of a queue's dead-letter queue, which must be of the same type as the queue.
fn dead_letter_name(name: &str) -> String {
    match name.strip_suffix(".fifo") {
        Some(stem) => format!("{stem}-dead-letters.fifo"),
        None => format!("{name}-dead-letters"),
    }
}

fn is_fifo(name: &str) -> bool {
    Path::new(name)
        .extension()
        .is_some_and(|extension| extension == "fifo")
}

fn text(answer: &Value, member: &str) -> Result<String, Error> {
    answer
        .get(member)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| Error::Failed(format!("SQS answered {answer}, which has no {member}")))
}
