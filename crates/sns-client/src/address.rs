//! The address of a topic: its name, or its ARN.

use std::fmt;
use std::str::FromStr;

/// <https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html>
const NAME_MAX_LENGTH: usize = 256;
const SCHEME: &str = "sns://";
const FIFO_SUFFIX: &str = ".fifo";

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicAddress {
    /// `sns://NAME`: a topic in the account of the credentials and in the configured region.
    Name(String),
    /// An ARN.
    Arn(String),
}

/// A text that names no topic.
#[derive(Debug, thiserror::Error)]
#[error(
    "a topic is sns://NAME, sns://NAME.fifo, or an ARN such as arn:aws:sns:us-east-1:123456789012:NAME; a name has 1 to \
     256 letters, digits, hyphens and underscores"
)]
pub struct InvalidTopicAddress;

impl TopicAddress {
    /// Returns the name of the topic.
    pub fn name(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::Arn(arn) => arn.rsplit(':').next().unwrap_or_default(),
        }
    }

    /// Returns whether it is a FIFO topic.
    pub fn is_fifo(&self) -> bool {
        self.name().ends_with(FIFO_SUFFIX)
    }

    /// Returns the region in the ARN, if it is one.
    pub fn region(&self) -> Option<&str> {
        match self {
            Self::Name(_) => None,
            Self::Arn(arn) => arn.split(':').nth(3),
        }
    }
}

impl fmt::Display for TopicAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "{SCHEME}{name}"),
            Self::Arn(arn) => f.write_str(arn),
        }
    }
}

impl FromStr for TopicAddress {
    type Err = InvalidTopicAddress;

    fn from_str(text: &str) -> Result<Self, InvalidTopicAddress> {
        if let Some(name) = text.strip_prefix(SCHEME) {
            return if is_name(name) {
                Ok(Self::Name(name.to_owned()))
            } else {
                Err(InvalidTopicAddress)
            };
        }
        let parts: Vec<_> = text.split(':').collect();
        match parts.as_slice() {
            ["arn", partition, "sns", region, account, name]
                if !partition.is_empty()
                    && !region.is_empty()
                    && account.bytes().all(|byte| byte.is_ascii_digit())
                    && is_name(name) =>
            {
                Ok(Self::Arn(text.to_owned()))
            }
            _ => Err(InvalidTopicAddress),
        }
    }
}

fn is_name(name: &str) -> bool {
    let stem = name.strip_suffix(FIFO_SUFFIX).unwrap_or(name);
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !stem.is_empty() && name.len() <= NAME_MAX_LENGTH && stem.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_named_by_its_name_or_its_arn() {
        let arn = "arn:aws-cn:sns:cn-north-1:123456789012:ends.fifo";
        for (text, name, is_fifo, region) in [
            ("sns://ends", "ends", false, None),
            ("sns://ends.fifo", "ends.fifo", true, None),
            (arn, "ends.fifo", true, Some("cn-north-1")),
        ] {
            let address: TopicAddress = text.parse().unwrap();
            assert_eq!(
                (address.name(), address.is_fifo(), address.region()),
                (name, is_fifo, region)
            );
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn anything_else_names_no_topic() {
        for text in [
            "",
            "ends",
            "sns://",
            "sns://.fifo",
            "sns://a.b",
            "sns://a/b",
            "sqs://ends",
            "https://sns.us-east-1.amazonaws.com/",
            "arn:aws:sqs:us-east-1:123456789012:ends",
            "arn:aws:sns:us-east-1:123456789012",
            "arn:aws:sns:us-east-1:123456789012:ends:subscription",
            &format!("sns://{}", "a".repeat(257)),
        ] {
            assert!(text.parse::<TopicAddress>().is_err(), "{text:?}");
        }
    }
}
