//! Attributes of a queue that do not suit this worker.

use aws_sdk_sqs::types::QueueAttributeName;
use sqs_client::QueueAttributes;

/// In bytes. A job message has less than 200.
const MIN_MESSAGE_SIZE: u64 = 1024;

/// Describes the attributes of the queue that do not suit a worker that attempts each job `max_attempts` times.
pub(super) fn incompatibilities(attributes: &QueueAttributes, max_attempts: u32) -> Vec<String> {
    let mut found = Vec::new();
    match attributes.redrive_policy() {
        None => found.push(
            "the queue has no dead-letter queue (RedrivePolicy): a message that cannot be read is delivered again and \
             again until its retention period ends"
                .to_owned(),
        ),
        Some(policy) if policy.max_receive_count <= u64::from(max_attempts) => found.push(format!(
            "the queue's maxReceiveCount is {} and MAX_ATTEMPTS is {max_attempts}: messages will move to the dead-letter \
             queue before all attempts are made; set maxReceiveCount well above MAX_ATTEMPTS",
            policy.max_receive_count
        )),
        Some(_) => {}
    }
    let size = attributes.number(&QueueAttributeName::MaximumMessageSize);
    if let Some(size) = size.filter(|size| *size < MIN_MESSAGE_SIZE) {
        found.push(format!(
            "the queue's MaximumMessageSize of {size} bytes is too small for a job message"
        ));
    }
    let delay = attributes.number(&QueueAttributeName::DelaySeconds);
    if let Some(delay) = delay.filter(|delay| *delay > 0) {
        found.push(format!(
            "the queue delays every message by {delay} s (DelaySeconds): each job starts that much later"
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn found(attributes: &[(QueueAttributeName, &str)]) -> Vec<String> {
        let attributes: HashMap<_, _> = attributes
            .iter()
            .map(|(name, value)| (name.clone(), (*value).to_owned()))
            .collect();
        incompatibilities(&attributes.into(), 5)
    }

    #[test]
    fn each_attribute_that_does_not_suit_the_worker_is_described() {
        let policy = |count| format!(r#"{{"deadLetterTargetArn":"a","maxReceiveCount":{count}}}"#);
        assert_eq!(
            found(&[(QueueAttributeName::RedrivePolicy, &policy(10))]),
            [""; 0]
        );
        let all = found(&[
            (QueueAttributeName::RedrivePolicy, &policy(5)),
            (QueueAttributeName::MaximumMessageSize, "1023"),
            (QueueAttributeName::DelaySeconds, "10"),
        ]);
        assert_eq!(all.len(), 3, "{all:?}");
        let without_dead_letters = found(&[]);
        assert_eq!(without_dead_letters.len(), 1, "{without_dead_letters:?}");
    }
}
