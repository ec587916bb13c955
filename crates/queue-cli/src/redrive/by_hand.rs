//! A redrive for an SQS that has none: receive, send, delete.
//!
//! As AWS does, a FIFO message keeps its group and is sent under its message id as deduplication id: under its own it
//! would be dropped if it was first sent less than five minutes ago. A message that is sent and not deleted, because
//! the process was killed between the two, is there twice on a standard queue.

use std::time::Duration;

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Route;
use crate::batch::{MAX_ENTRIES, Refusal};
use crate::batches;
use crate::error::Error;
use crate::output::Output;
use crate::queue::{Ask, Queue, Sent};

/// Long enough to send and delete a batch.
const ASK: Ask = Ask {
    max: MAX_ENTRIES,
    wait: Duration::from_secs(1),
    visibility: Some(Duration::from_mins(1)),
};

/// Moves until nothing is left or Ctrl-C. Gives how many.
pub(super) async fn move_all(
    route: &mut Route,
    rate: Option<u32>,
    output: &mut Output,
    stop: &CancellationToken,
) -> Result<u64, Error> {
    let start = Instant::now();
    let mut moved = 0;
    while !stop.is_cancelled() {
        let messages = route.dead_letters.receive_raw(ASK).await?;
        if messages.is_empty() {
            break;
        }
        let outcome = move_batch(route, &messages).await;
        moved += outcome.moved;
        output.show(|| format!("{moved} messages moved"));
        if let Some(failure) = outcome.failure {
            give_back(&mut route.dead_letters, &outcome.left, output).await;
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

#[expect(clippy::cast_precision_loss, reason = "nobody moves 2^52 messages")]
fn moved_seconds(moved: u64, rate: u32) -> f64 {
    moved as f64 / f64::from(rate)
}

#[derive(Debug, Default)]
struct Outcome {
    moved: u64,
    /// Receipt handles of what is still in flight.
    left: Vec<String>,
    failure: Option<String>,
}

/// Moves in order, and nothing after the first that fails: it may be of the same group.
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
                            Err(refusal) => {
                                outcome.failure = Some(refusal.to_string());
                                outcome.left.push(handle(message).to_owned());
                            }
                        }
                    }
                    continue;
                }
                Err(error) => outcome.failure = Some(error.to_string()),
            }
        }
        outcome
            .left
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
                    Err(refusal) => outcome.failure = Some(sent_only(&refusal.to_string())),
                }
            }
        }
        Err(error) => outcome.failure = Some(sent_only(&error.to_string())),
    }
    outcome
}

fn sent_only(reason: &str) -> String {
    format!("sent, but not deleted from the dead letters: {reason}")
}

async fn send(
    route: &mut Route,
    messages: &[Message],
) -> Result<Vec<Result<Sent, Refusal>>, Error> {
    if let Some(queue) = &mut route.destination {
        return queue.send_moved(messages).await;
    }
    let source = messages.first().and_then(source_arn);
    let Some(arn) = source else {
        return Err(Error::Failed(
            "a message does not say which queue gave it up; name one with --to".to_owned(),
        ));
    };
    let mut queue = route.dead_letters.of_arn(arn).await?;
    queue.send_moved(messages).await
}

/// Neighbours of one source that fit into one call together.
fn parts(messages: &[Message]) -> Vec<&[Message]> {
    let mut parts = Vec::new();
    let mut rest = messages;
    while let Some(first) = rest.first() {
        let mut bytes = 0;
        let count = rest
            .iter()
            .take_while(|message| {
                bytes += crate::received::bytes(message);
                source_arn(message) == source_arn(first) && bytes <= batches::MAX_BYTES
            })
            .count()
            // alone it fits, or SQS says that it does not
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

async fn give_back(queue: &mut Queue, handles: &[String], output: &Output) {
    let handles: Vec<&str> = handles.iter().map(String::as_str).collect();
    if handles.is_empty() {
        return;
    }
    if let Err(error) = queue.give_back(&handles).await {
        output.note(format_args!(
            "{} messages stay in flight for a minute: {error}",
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
    fn a_part_is_of_one_source_and_of_a_mib() {
        let large = batches::MAX_BYTES / 2;
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
