//! Calls that carry up to ten messages. SQS answers HTTP 200 even if some or all entries failed, so the outcome of each
//! entry has to be looked up in the answer.

use std::fmt;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::operation::change_message_visibility_batch::ChangeMessageVisibilityBatchError;
use aws_sdk_sqs::operation::delete_message_batch::DeleteMessageBatchError;
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchError;
use aws_sdk_sqs::types::builders::SendMessageBatchRequestEntryBuilder;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry,
    DeleteMessageBatchRequestEntry, SendMessageBatchResultEntry,
};

use crate::config::single_attempt;
use crate::limits::{MAX_VISIBILITY, whole_seconds};

/// Why SQS, or SNS, did not process one entry of a batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct EntryError {
    /// The error code.
    pub code: String,
    /// The explanation, which may be empty.
    pub message: String,
    /// Whether the request was wrong, so that another attempt would fail too. For a delete or a change of visibility
    /// this means: the receipt handle is outdated, the message is deleted or visible again, or its 12 hours are over.
    pub sender_fault: bool,
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() {
            return f.write_str(&self.code);
        }
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl From<BatchResultErrorEntry> for EntryError {
    fn from(entry: BatchResultErrorEntry) -> Self {
        Self {
            code: entry.code,
            message: entry.message.unwrap_or_default(),
            sender_fault: entry.sender_fault,
        }
    }
}

/// The outcome of each entry of a batch, in the order of the request.
pub type Outcomes<T> = Vec<Result<T, EntryError>>;

/// Sends at most ten messages. The ids of the entries are set here.
///
/// # Errors
/// Returns an error if the call fails as a whole. Some messages may have been sent all the same.
pub async fn send(
    client: &Client,
    url: &str,
    entries: impl IntoIterator<Item = SendMessageBatchRequestEntryBuilder>,
) -> Result<Outcomes<SendMessageBatchResultEntry>, SdkError<SendMessageBatchError>> {
    let entries = entries
        .into_iter()
        .enumerate()
        .map(|(index, entry)| entry.id(entry_id(index)).build());
    let entries: Vec<_> = entries
        .collect::<Result<_, _>>()
        .map_err(SdkError::construction_failure)?;
    let count = entries.len();
    let call = client.send_message_batch().queue_url(url);
    let answer = call.set_entries(Some(entries)).send().await?;
    let sent = answer
        .successful
        .into_iter()
        .map(|entry| (entry.id.clone(), entry));
    Ok(outcomes(count, sent, failed(answer.failed)))
}

/// Deletes at most ten messages by their receipt handles.
///
/// # Errors
/// Returns an error if the call fails as a whole. Some messages may have been deleted all the same.
pub async fn delete<'a>(
    client: &Client,
    url: &str,
    handles: impl IntoIterator<Item = &'a str>,
) -> Result<Outcomes<()>, SdkError<DeleteMessageBatchError>> {
    let entries = handles.into_iter().enumerate().map(|(index, handle)| {
        DeleteMessageBatchRequestEntry::builder()
            .id(entry_id(index))
            .receipt_handle(handle)
            .build()
    });
    let entries: Vec<_> = entries
        .collect::<Result<_, _>>()
        .map_err(SdkError::construction_failure)?;
    let count = entries.len();
    let call = client.delete_message_batch().queue_url(url);
    let answer = call.set_entries(Some(entries)).send().await?;
    let deleted = answer.successful.into_iter().map(|entry| (entry.id, ()));
    Ok(outcomes(count, deleted, failed(answer.failed)))
}

/// Hides at most ten messages by their receipt handles, each for its duration counted from now, at most for the 12 hours
/// that SQS allows. A duration of zero makes the message visible immediately.
///
/// With `timeout`, only one attempt is made, and it may take that long; without, the client's retries and timeouts apply.
///
/// # Errors
/// Returns an error if the call fails as a whole. Some messages may have been hidden all the same.
pub async fn change_visibility<'a>(
    client: &Client,
    url: &str,
    messages: impl IntoIterator<Item = (&'a str, Duration)>,
    timeout: Option<Duration>,
) -> Result<Outcomes<()>, SdkError<ChangeMessageVisibilityBatchError>> {
    let entries = messages
        .into_iter()
        .enumerate()
        .map(|(index, (handle, visibility))| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(entry_id(index))
                .receipt_handle(handle)
                .visibility_timeout(whole_seconds(visibility.min(MAX_VISIBILITY)))
                .build()
        });
    let entries: Vec<_> = entries
        .collect::<Result<_, _>>()
        .map_err(SdkError::construction_failure)?;
    let count = entries.len();
    let call = client.change_message_visibility_batch().queue_url(url);
    let mut call = call.set_entries(Some(entries)).customize();
    if let Some(timeout) = timeout {
        call = call.config_override(single_attempt(timeout));
    }
    let answer = call.send().await?;
    let changed = answer.successful.into_iter().map(|entry| (entry.id, ()));
    Ok(outcomes(count, changed, failed(answer.failed)))
}

/// An entry's id: its index in the batch.
pub fn entry_id(index: usize) -> String {
    index.to_string()
}

fn failed(entries: Vec<BatchResultErrorEntry>) -> impl Iterator<Item = (String, EntryError)> {
    let entries = entries.into_iter();
    entries.map(|entry| (entry.id.clone(), entry.into()))
}

/// Matches an answer to the `count` entries of its request, whose ids are those of [`entry_id`]. An entry that the answer
/// does not mention counts as failed.
pub fn outcomes<T>(
    count: usize,
    successful: impl Iterator<Item = (String, T)>,
    failed: impl Iterator<Item = (String, EntryError)>,
) -> Outcomes<T> {
    let mut outcomes: Outcomes<T> = (0..count).map(|_| Err(unmentioned())).collect();
    let failed = failed.map(|(id, error)| (id, Err(error)));
    let successful = successful.map(|(id, done)| (id, Ok(done)));
    for (id, outcome) in failed.chain(successful) {
        let index: Option<usize> = id.parse().ok();
        if let Some(entry) = index.and_then(|index| outcomes.get_mut(index)) {
            *entry = outcome;
        }
    }
    outcomes
}

fn unmentioned() -> EntryError {
    EntryError {
        code: "NoAnswer".to_owned(),
        message: "the answer lists the entry neither as successful nor as failed".to_owned(),
        sender_fault: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(id: &str, code: &str, sender_fault: bool) -> BatchResultErrorEntry {
        BatchResultErrorEntry::builder()
            .id(id)
            .code(code)
            .sender_fault(sender_fault)
            .build()
            .unwrap()
    }

    #[test]
    fn each_entry_is_looked_up_in_both_lists_and_a_missing_one_has_failed() {
        let successful = [("2".to_owned(), 'c'), ("0".to_owned(), 'a')];
        let refused = failed(vec![refused("1", "ReceiptHandleIsInvalid", true)]);
        let outcomes = outcomes(4, successful.into_iter(), refused);
        assert_eq!(outcomes[0], Ok('a'));
        let refused = outcomes[1].as_ref().unwrap_err();
        assert!(refused.sender_fault);
        assert_eq!(refused.to_string(), "ReceiptHandleIsInvalid");
        assert_eq!(outcomes[2], Ok('c'));
        let missing = outcomes[3].as_ref().unwrap_err();
        assert!(!missing.sender_fault && missing.to_string().contains("neither"));
    }

    #[test]
    fn ids_that_are_not_of_the_request_are_ignored() {
        let successful = [("7".to_owned(), ()), ("x".to_owned(), ())];
        let refused = failed(vec![refused("9", "Odd", true)]);
        let outcomes = outcomes(1, successful.into_iter(), refused);
        assert!(matches!(outcomes.as_slice(), [Err(error)] if error.code == "NoAnswer"));
    }
}
