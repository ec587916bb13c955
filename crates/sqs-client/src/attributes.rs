//! A queue's settings and counts.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::operation::get_queue_attributes::GetQueueAttributesError;
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};

/// The members of a redrive policy.
const DEAD_LETTER_TARGET_ARN: &str = "deadLetterTargetArn";
const MAX_RECEIVE_COUNT: &str = "maxReceiveCount";

/// When a queue moves a message to its dead-letter queue, and which queue that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedrivePolicy {
    /// The ARN of the dead-letter queue.
    pub dead_letters_arn: String,
    /// How many times a message is received before it is moved.
    pub max_receive_count: u64,
}

impl RedrivePolicy {
    /// Returns the name of the dead-letter queue.
    pub fn dead_letters_name(&self) -> &str {
        let arn = &self.dead_letters_arn;
        arn.rsplit(':').next().unwrap_or(arn)
    }

    /// Returns the policy as the value of the attribute `RedrivePolicy`.
    pub fn to_json(&self) -> String {
        json!({
            DEAD_LETTER_TARGET_ARN: self.dead_letters_arn,
            MAX_RECEIVE_COUNT: self.max_receive_count,
        })
        .to_string()
    }

    fn from_json(text: &str) -> Option<Self> {
        let policy: Value = serde_json::from_str(text).ok()?;
        let count = policy.get(MAX_RECEIVE_COUNT)?;
        Some(Self {
            dead_letters_arn: policy.get(DEAD_LETTER_TARGET_ARN)?.as_str()?.to_owned(),
            // a number or a string, depending on which tool set it
            max_receive_count: count.as_u64().or_else(|| count.as_str()?.parse().ok())?,
        })
    }
}

/// The attributes of a queue. Its counts are approximate.
#[derive(Debug, Default)]
pub struct QueueAttributes(HashMap<QueueAttributeName, String>);

impl QueueAttributes {
    /// Reads all attributes of the queue with this URL.
    ///
    /// # Errors
    /// Returns an error if the call fails.
    pub async fn read(
        client: &Client,
        url: &str,
    ) -> Result<Self, SdkError<GetQueueAttributesError>> {
        let call = client.get_queue_attributes().queue_url(url);
        let answer = call.attribute_names(QueueAttributeName::All).send().await?;
        Ok(Self(answer.attributes.unwrap_or_default()))
    }

    /// Returns an attribute as text.
    pub fn text(&self, name: &QueueAttributeName) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns an attribute as a number.
    pub fn number(&self, name: &QueueAttributeName) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// Returns when the queue was created.
    pub fn created_at(&self) -> Option<SystemTime> {
        let seconds = self.number(&QueueAttributeName::CreatedTimestamp)?;
        UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    }

    /// Returns the queue's own ARN.
    pub fn arn(&self) -> Option<&str> {
        self.text(&QueueAttributeName::QueueArn)
    }

    /// Returns the redrive policy, or `None` if the queue has no dead-letter queue.
    pub fn redrive_policy(&self) -> Option<RedrivePolicy> {
        RedrivePolicy::from_json(self.text(&QueueAttributeName::RedrivePolicy)?)
    }
}

impl From<HashMap<QueueAttributeName, String>> for QueueAttributes {
    fn from(attributes: HashMap<QueueAttributeName, String>) -> Self {
        Self(attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(text: &str) -> Option<RedrivePolicy> {
        let attributes = HashMap::from([(QueueAttributeName::RedrivePolicy, text.to_owned())]);
        QueueAttributes::from(attributes).redrive_policy()
    }

    #[test]
    fn the_count_of_a_redrive_policy_is_a_number_or_a_string() {
        let expected = RedrivePolicy {
            dead_letters_arn: "arn:aws:sqs:us-east-1:1:d".to_owned(),
            max_receive_count: 3,
        };
        for count in ["3", "\"3\""] {
            let text = format!(
                r#"{{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:1:d","maxReceiveCount":{count}}}"#
            );
            assert_eq!(policy(&text).as_ref(), Some(&expected));
        }
        assert_eq!(policy(&expected.to_json()), Some(expected));
        assert_eq!(policy("{}"), None);
        assert_eq!(QueueAttributes::default().redrive_policy(), None);
    }
}
