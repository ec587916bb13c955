//! The limits of SQS.

use std::time::Duration;

/// The maximum number of entries in a batch call, and of messages in one receive:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-batch-api-actions.html>
pub const MAX_BATCH: usize = 10;
/// The maximum size of one message, and of a whole batch, in bytes:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html>
pub const MAX_BYTES: usize = 1024 * 1024;
/// How long a message can be hidden, counted from its receive:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html>
pub const MAX_VISIBILITY: Duration = Duration::from_hours(12);
/// How long a receive can wait for messages:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html>
pub const MAX_WAIT: Duration = Duration::from_secs(20);
/// How long a message can be delayed when it is sent:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
pub const MAX_DELAY: Duration = Duration::from_mins(15);
/// The largest number of receives after which a queue can move a message to the dead-letter queue:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>
pub const MAX_RECEIVE_COUNT: u32 = 1000;
/// The maximum rate of a redrive, in messages per second:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html>
pub const MAX_REDRIVE_RATE: u32 = 500;
/// The maximum length of a message group id or a deduplication id, in characters:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html>
pub const MAX_ID_LENGTH: usize = 128;

/// Returns whether SQS accepts the text as a message group id or a deduplication id: 1 to 128 letters, digits and
/// punctuation marks.
pub fn is_valid_id(text: &str) -> bool {
    (1..=MAX_ID_LENGTH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// SQS counts in whole seconds. Rounds up, so that no message becomes visible too early.
pub fn whole_seconds(duration: Duration) -> i32 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(seconds).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_up() {
        assert_eq!(whole_seconds(Duration::from_millis(1)), 1);
        assert_eq!(whole_seconds(Duration::from_secs(30)), 30);
        assert_eq!(whole_seconds(Duration::ZERO), 0);
    }

    #[test]
    fn an_id_has_1_to_128_printable_ascii_characters() {
        assert!(is_valid_id("group-0") && is_valid_id(&"x".repeat(128)));
        for text in ["", "a b", "ä", &"x".repeat(129)] {
            assert!(!is_valid_id(text), "{text:?}");
        }
    }
}
