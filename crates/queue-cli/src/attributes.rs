//! A queue's attributes, read.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::Value;

/// Where messages go that were received too often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedrivePolicy {
    pub(crate) dead_letters_arn: String,
    pub(crate) max_receive_count: u64,
}

/// All that SQS says of a queue.
#[derive(Debug)]
pub(crate) struct Attributes(HashMap<QueueAttributeName, String>);

impl Attributes {
    pub(crate) fn new(attributes: HashMap<QueueAttributeName, String>) -> Self {
        Self(attributes)
    }

    pub(crate) fn text(&self, name: &QueueAttributeName) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn number(&self, name: &QueueAttributeName) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    pub(crate) fn seconds(&self, name: &QueueAttributeName) -> Option<Duration> {
        self.number(name).map(Duration::from_secs)
    }

    pub(crate) fn created_at(&self) -> Option<SystemTime> {
        let since = self.seconds(&QueueAttributeName::CreatedTimestamp)?;
        UNIX_EPOCH.checked_add(since)
    }

    pub(crate) fn arn(&self) -> Option<&str> {
        self.text(&QueueAttributeName::QueueArn)
    }

    pub(crate) fn redrive_policy(&self) -> Option<RedrivePolicy> {
        let policy: Value =
            serde_json::from_str(self.text(&QueueAttributeName::RedrivePolicy)?).ok()?;
        let count = policy.get("maxReceiveCount")?;
        Some(RedrivePolicy {
            dead_letters_arn: policy.get("deadLetterTargetArn")?.as_str()?.to_owned(),
            // a number or a text, depending on who set it
            max_receive_count: count.as_u64().or_else(|| count.as_str()?.parse().ok())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_redrive_policy_has_its_count_as_number_or_text() {
        for count in ["3", "\"3\""] {
            let policy = format!(
                r#"{{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:1:d","maxReceiveCount":{count}}}"#
            );
            let attributes = HashMap::from([(QueueAttributeName::RedrivePolicy, policy)]);
            let policy = Attributes::new(attributes).redrive_policy().unwrap();
            assert_eq!(policy.max_receive_count, 3);
            assert!(policy.dead_letters_arn.ends_with(":d"));
        }
        assert_eq!(Attributes::new(HashMap::new()).redrive_policy(), None);
    }
}
