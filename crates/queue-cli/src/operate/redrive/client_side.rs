//! A redrive for an endpoint that does not support message move tasks: receives, sends and deletes the messages.
//!
//! As on AWS, a message of a FIFO queue keeps its message group, and its message id becomes its deduplication id. With its
//! own deduplication id it would be dropped if it was first sent less than five minutes ago. If the process is killed
//! after a message was sent and before it was deleted, a standard queue has the message twice.

use std::time::Duration;

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use sqs_client::batch::Outcomes;
use sqs_client::limits::{MAX_BATCH, MAX_BYTES};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Route;
use crate::error::Error;
use crate::message;
use crate::output::Output;
use crate::queue::Queue;
use crate::transport::{ReceiveRequest, Sent};

const REQUEST: ReceiveRequest = ReceiveRequest {
    max: MAX_BATCH,
    wait: Duration::from_secs(1),
    // long enough to send and delete a batch
    visibility: Some(Duration::from_mins(1)),
};

/// Moves messages until none is left or Ctrl-C is pressed. Returns how many were moved.
pub(super) async fn move_all(
    route: &mut Route,
    rate: Option<u32>,
    output: &mut Output,
    stop: &CancellationToken,
) -> Result<u64, Error> {
    let start = Instant::now();
    let mut moved = 0;
    while !stop.is_cancelled() {
        let messages = route.dead_letters.receive_raw(REQUEST).await?;
        if messages.is_empty() {
            break;
        }
        let outcome = move_batch(route, &messages).await;
        moved += outcome.moved;
        output.show(|| format!("{moved} messages moved"));
        if let Some(failure) = outcome.failure {
            release(&mut route.dead_letters, &outcome.unmoved, output).await;
            return Err(Error::Failed(format!(
                "the redrive failed after {moved} messages: {failure}"
            )));
        }
        if let Some(rate) = rate {
            let due = start + Duration::from_secs_f64(moved_seconds(moved, rate));
            stop.run_until_cancelled(tokio::time::sleep_until(due))
                .await;
        }
    }
    Ok(moved)
}

#[expect(clippy::cast_precision_loss, reason = "no run moves 2^52 messages")]
fn moved_seconds(moved: u64, rate: u32) -> f64 {
    moved as f64 / f64::from(rate)
}

/// What became of the messages of one receive.
#[derive(Debug, Default)]
struct Outcome {
    moved: u64,
    /// Receipt handles of messages that were not sent, and are still in flight.
    unmoved: Vec<String>,
    failure: Option<String>,
}

/// Moves messages in order. After a failure, it moves no further message, which may belong to the same message group.
async fn move_batch(route: &mut Route, messages: &[Message]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut handles = Vec::new();
    for part in parts(messages) {
        if outcome.failure.is_none() {
            match send(route, part).await {
                Ok(sent) => {
                    for (message, sent) in part.iter().zip(sent) {
                        match sent {
                            Ok(_) => handles.push(handle(message)),
                            Err(error) => {
                                outcome.failure = Some(error.to_string());
                                outcome.unmoved.push(handle(message).to_owned());
                            }
                        }
                    }
                    continue;
                }
                Err(error) => outcome.failure = Some(error.to_string()),
            }
        }
        outcome
            .unmoved
            .extend(part.iter().map(|message| handle(message).to_owned()));
    }
    if handles.is_empty() {
        return outcome;
    }
    match route.dead_letters.delete(&handles).await {
        Ok(deleted) => {
            for deleted in deleted {
                match deleted {
                    Ok(()) => outcome.moved += 1,
                    Err(error) => outcome.failure = Some(not_deleted(&error.to_string())),
                }
            }
        }
        Err(error) => outcome.failure = Some(not_deleted(&error.to_string())),
    }
    outcome
}

fn not_deleted(reason: &str) -> String {
    format!("messages were sent, but not deleted from the dead-letter queue: {reason}")
}

async fn send(route: &mut Route, messages: &[Message]) -> Result<Outcomes<Sent>, Error> {
    if let Some(queue) = &mut route.destination {
        return queue.send_moved(messages).await;
    }
    let source = messages.first().and_then(source_arn);
    let Some(arn) = source else {
        return Err(Error::Failed(
            "a message does not say which queue it came from: name a queue with --to".to_owned(),
        ));
    };
    let mut queue = route.dead_letters.by_arn(arn).await?;
    queue.send_moved(messages).await
}

/// Splits messages into parts that can be sent in one call: each has one source and fits into a batch.
fn parts(messages: &[Message]) -> Vec<&[Message]> {
    let mut parts = Vec::new();
    let mut rest = messages;
    while let Some(first) = rest.first() {
        let mut bytes = 0;
        let count = rest
            .iter()
            .take_while(|message| {
                bytes += message::bytes(message);
                source_arn(message) == source_arn(first) && bytes <= MAX_BYTES
            })
            .count()
            // at least one message; if even that one is too large, SQS refuses it
            .max(1);
        let (part, after) = rest.split_at(count);
        parts.push(part);
        rest = after;
    }
    parts
}

fn source_arn(message: &Message) -> Option<&str> {
    let attributes = message.attributes.as_ref()?;
    let arn = attributes.get(&MessageSystemAttributeName::DeadLetterQueueSourceArn)?;
    Some(arn)
}

fn handle(message: &Message) -> &str {
    message.receipt_handle.as_deref().unwrap_or_default()
}

async fn release(queue: &mut Queue, handles: &[String], output: &Output) {
    let handles: Vec<&str> = handles.iter().map(String::as_str).collect();
    if handles.is_empty() {
        return;
    }
    if let Err(error) = queue.release(&handles).await {
        output.note(format_args!(
            "{} messages stay in flight for up to a minute: {error}",
            handles.len()
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(source: &str, bytes: usize) -> Message {
        Message::builder()
            .body("x".repeat(bytes))
            .attributes(MessageSystemAttributeName::DeadLetterQueueSourceArn, source)
            .build()
    }

    #[test]
    fn a_part_has_one_source_and_at_most_1_mib() {
        let large = MAX_BYTES / 2;
        let messages = [
            message("a", 1),
            message("a", large),
            message("a", large),
            message("b", 1),
            message("b", 3 * large),
            message("a", 1),
        ];
        let sizes: Vec<usize> = parts(&messages).iter().map(|part| part.len()).collect();
        assert_eq!(sizes, [2, 1, 1, 1, 1]);
    }
}
