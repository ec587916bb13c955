//! The ARN by which SQS names one queue in another's settings.

use std::str::FromStr;

use crate::address::QueueAddress;

/// The ARN of a queue: `arn:aws:sqs:REGION:ACCOUNT:NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueArn {
    text: String,
    account: String,
    name: QueueAddress,
}

/// A text that is not the ARN of a queue.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not the ARN of an SQS queue")]
pub struct InvalidQueueArn(String);

impl QueueArn {
    /// Returns the whole ARN.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the id of the account that owns the queue.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Returns the queue's name, to be looked up in that account.
    pub fn address(&self) -> &QueueAddress {
        &self.name
    }
}

impl FromStr for QueueArn {
    type Err = InvalidQueueArn;

    fn from_str(text: &str) -> Result<Self, InvalidQueueArn> {
        let invalid = || InvalidQueueArn(text.to_owned());
        let mut parts = text.rsplit(':');
        let (Some(name), Some(account)) = (parts.next(), parts.next()) else {
            return Err(invalid());
        };
        let Ok(name) = name.parse() else {
            return Err(invalid());
        };
        Ok(Self {
            text: text.to_owned(),
            account: account.to_owned(),
            name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_names_an_account_and_a_queue() {
        let text = "arn:aws:sqs:us-east-1:123456789012:ical.fifo";
        let arn: QueueArn = text.parse().unwrap();
        assert_eq!(
            (arn.as_str(), arn.account(), arn.address().name()),
            (text, "123456789012", "ical.fifo")
        );
        for text in ["", "ical", "arn:aws:sqs:us-east-1:123456789012:"] {
            assert!(text.parse::<QueueArn>().is_err(), "{text:?}");
        }
    }
}
