//! The URL that chooses the queue.

use std::fmt;
use std::str::FromStr;

use shared_model::trace::QueueName;
use sqs_client::QueueAddress;
use sqs_client::address::InvalidQueueAddress;

const POSTGRES: &str = "postgres:";

/// A queue, as `QUEUE_URL` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueUrl {
    /// `postgres:`, the table of jobs itself.
    Postgres,
    /// `sqs://NAME` or a full SQS queue URL.
    Sqs(QueueAddress),
}

impl QueueUrl {
    /// Returns the name of the queue, which is the same in every form of its URL.
    pub fn name(&self) -> &str {
        match self {
            Self::Postgres => POSTGRES,
            Self::Sqs(address) => address.name(),
        }
    }
}

impl QueueUrl {
    /// Returns how spans name the queue.
    pub fn in_traces(&self) -> QueueName {
        let (system, name) = match self {
            Self::Postgres => ("postgresql", "calendar_jobs"),
            Self::Sqs(address) => ("aws_sqs", address.name()),
        };
        QueueName {
            system,
            name: name.to_owned(),
        }
    }
}

impl fmt::Display for QueueUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres => f.write_str(POSTGRES),
            Self::Sqs(address) => address.fmt(f),
        }
    }
}

/// A text that names no queue.
#[derive(Debug, thiserror::Error)]
pub enum InvalidQueueUrl {
    /// The text has none of the forms of a queue URL.
    #[error(
        "a queue URL is postgres:, sqs://NAME, sqs://NAME.fifo, or a full SQS queue URL such as \
         https://sqs.us-east-1.amazonaws.com/123456789012/NAME"
    )]
    Form,
    /// The text has the form of an SQS queue URL, but cannot be one.
    #[error(transparent)]
    Sqs(#[from] InvalidQueueAddress),
}

impl FromStr for QueueUrl {
    type Err = InvalidQueueUrl;

    fn from_str(url: &str) -> Result<Self, InvalidQueueUrl> {
        if url == POSTGRES {
            return Ok(Self::Postgres);
        }
        let schemes = ["sqs://", "https://", "http://"];
        if !schemes.iter().any(|scheme| url.starts_with(scheme)) {
            return Err(InvalidQueueUrl::Form);
        }
        Ok(Self::Sqs(url.parse()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_a_queue_url_is_recognized() {
        assert_eq!("postgres:".parse::<QueueUrl>().unwrap(), QueueUrl::Postgres);
        for text in [
            "sqs://ical",
            "sqs://ical.fifo",
            "https://sqs.us-east-1.amazonaws.com/123456789012/ical.fifo",
            "http://127.0.0.1:9324/000000000000/ical",
        ] {
            let url: QueueUrl = text.parse().unwrap();
            assert!(matches!(url, QueueUrl::Sqs(_)), "{url:?}");
            assert_eq!(url.to_string(), text);
        }
    }

    #[test]
    fn a_queue_has_one_name_in_every_form_of_its_url() {
        for text in [
            "sqs://ical",
            "https://sqs.us-east-1.amazonaws.com/123456789012/ical",
            "http://127.0.0.1:9324/000000000000/ical",
        ] {
            assert_eq!(text.parse::<QueueUrl>().unwrap().name(), "ical");
        }
    }

    #[test]
    fn a_text_that_names_no_queue_is_refused() {
        for text in [
            "",
            "postgres",
            "ical",
            "redis://x",
            "sqs://",
            "https://host/name",
        ] {
            assert!(text.parse::<QueueUrl>().is_err(), "{text:?}");
        }
    }
}
