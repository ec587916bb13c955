//! A queue's name or URL.

use std::fmt;
use std::str::FromStr;

/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html>
const MAX_NAME_LENGTH: usize = 80;
/// The suffix of a FIFO queue's name. No other queue's name ends with it.
const FIFO_SUFFIX: &str = ".fifo";
const SCHEME: &str = "sqs://";

/// Where a queue is: a name, to be looked up in the account and region of the credentials, or a full URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueAddress {
    name: String,
    url: Option<String>,
}

/// A text that cannot be a queue's name or URL.
#[derive(Debug, thiserror::Error)]
pub enum InvalidQueueAddress {
    /// SQS does not allow this name.
    #[error(
        "{0:?} is not a valid SQS queue name: use 1 to 80 letters, digits, '-' and '_'; the name of a FIFO queue ends with '.fifo'"
    )]
    Name(String),
    /// The URL does not have the form of a queue's URL.
    #[error(
        "{0:?} is not an SQS queue URL: an example of one is https://sqs.us-east-1.amazonaws.com/123456789012/NAME"
    )]
    Url(String),
}

impl QueueAddress {
    /// Returns the queue's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the queue's URL, or `None` if it has to be looked up by name.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// Returns whether the queue is a FIFO queue.
    pub fn is_fifo(&self) -> bool {
        self.name.ends_with(FIFO_SUFFIX)
    }

    /// Returns the name that the dead-letter queue of this queue conventionally has: `ical-dead-letters` for `ical`,
    /// `ical-dead-letters.fifo` for `ical.fifo`.
    pub fn dead_letters_name(&self) -> String {
        match self.name.strip_suffix(FIFO_SUFFIX) {
            Some(stem) => format!("{stem}-dead-letters{FIFO_SUFFIX}"),
            None => format!("{}-dead-letters", self.name),
        }
    }
}

impl fmt::Display for QueueAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.url {
            Some(url) => f.write_str(url),
            None => write!(f, "{SCHEME}{}", self.name),
        }
    }
}

impl FromStr for QueueAddress {
    type Err = InvalidQueueAddress;

    /// Parses `NAME`, `sqs://NAME` or a full queue URL.
    fn from_str(text: &str) -> Result<Self, InvalidQueueAddress> {
        let after_scheme = text
            .strip_prefix("https://")
            .or_else(|| text.strip_prefix("http://"));
        let (name, url) = match after_scheme.map(|rest| rest.rsplit_once('/')) {
            None => (text.strip_prefix(SCHEME).unwrap_or(text), None),
            // host, account and name; some endpoints have a path before the account
            Some(Some((before, name))) if before.contains('/') => (name, Some(text)),
            Some(_) => return Err(InvalidQueueAddress::Url(text.to_owned())),
        };
        if !is_valid_name(name) {
            return Err(InvalidQueueAddress::Name(name.to_owned()));
        }
        Ok(Self {
            name: name.to_owned(),
            url: url.map(str::to_owned),
        })
    }
}

fn is_valid_name(name: &str) -> bool {
    let stem = name.strip_suffix(FIFO_SUFFIX).unwrap_or(name);
    !stem.is_empty()
        && name.len() <= MAX_NAME_LENGTH
        && stem
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> QueueAddress {
        text.parse().unwrap()
    }

    #[test]
    fn a_queue_is_addressed_by_its_name_or_its_url() {
        let name = parse("csse6400_prac.fifo");
        assert!(name.is_fifo() && name.url().is_none());
        assert_eq!(name, parse("sqs://csse6400_prac.fifo"));
        assert_eq!(name.to_string(), "sqs://csse6400_prac.fifo");
        for url in [
            "http://127.0.0.1:9324/000000000000/ical",
            "https://sqs.us-east-1.amazonaws.com/123456789012/ical",
        ] {
            let address = parse(url);
            assert_eq!((address.name(), address.url()), ("ical", Some(url)));
            assert_eq!(address.to_string(), url);
            assert!(!address.is_fifo());
        }
        assert!(parse("https://host/123456789012/ical.fifo").is_fifo());
    }

    #[test]
    fn a_dead_letter_queue_is_named_after_its_source_and_has_the_same_type() {
        assert_eq!(parse("ical").dead_letters_name(), "ical-dead-letters");
        assert_eq!(
            parse("ical.fifo").dead_letters_name(),
            "ical-dead-letters.fifo"
        );
    }

    #[test]
    fn an_address_that_sqs_would_not_accept_is_refused() {
        let long = "a".repeat(81);
        for text in [
            "",
            ".fifo",
            "a b",
            "a.b",
            "über",
            "a.FIFO",
            "sqs://",
            "sqs://a b",
            "redis://x",
            "https://host/",
            "https://host/name",
            "https://host/123456789012/a b",
            &long,
        ] {
            assert!(text.parse::<QueueAddress>().is_err(), "{text:?}");
        }
    }
}
