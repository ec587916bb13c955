//! Which queue is meant, in one URL.

use std::fmt;
use std::str::FromStr;

/// SQS's limit: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html>
const MAX_NAME_LENGTH: usize = 80;
/// FIFO queues, and no others, have names that end so.
const FIFO_SUFFIX: &str = ".fifo";

/// A queue, as `QUEUE_URL` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueUrl {
    /// `postgres:`: the table of jobs itself.
    Postgres,
    /// `sqs://NAME`: an SQS queue of the credentials' account and region.
    SqsName(String),
    /// A full SQS queue URL.
    SqsUrl(String),
}

impl QueueUrl {
    /// Whether it is an SQS FIFO queue: their names, and only theirs, end in `.fifo`.
    pub fn is_fifo(&self) -> bool {
        match self {
            Self::Postgres => false,
            Self::SqsName(name) => name.ends_with(FIFO_SUFFIX),
            Self::SqsUrl(url) => url.ends_with(FIFO_SUFFIX),
        }
    }
}

impl fmt::Display for QueueUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres => f.write_str("postgres:"),
            Self::SqsName(name) => write!(f, "sqs://{name}"),
            Self::SqsUrl(url) => f.write_str(url),
        }
    }
}

/// A text that names no queue.
#[derive(Debug, thiserror::Error)]
pub enum InvalidQueueUrl {
    /// Of no known form.
    #[error(
        "a queue is postgres:, sqs://NAME, sqs://NAME.fifo, or a full URL such as \
         https://sqs.us-east-1.amazonaws.com/123456789012/NAME"
    )]
    Form,
    /// Of the form of an SQS queue, with a name that SQS does not allow.
    #[error(
        "{0:?} can't be an SQS queue's name: 1 to 80 letters, digits, '-' and '_', and '.fifo' at the end of a FIFO queue's"
    )]
    Name(String),
}

impl FromStr for QueueUrl {
    type Err = InvalidQueueUrl;

    fn from_str(url: &str) -> Result<Self, InvalidQueueUrl> {
        if url == "postgres:" {
            return Ok(Self::Postgres);
        }
        if let Some(name) = url.strip_prefix("sqs://") {
            return valid_name(name).map(|name| Self::SqsName(name.to_owned()));
        }
        let Some(rest) = url
            .strip_prefix("https://")
            .or_else(|| url.strip_prefix("http://"))
        else {
            return Err(InvalidQueueUrl::Form);
        };
        // host / account / name, and with some endpoints a path before them
        match rest.rsplit_once('/') {
            Some((place, name)) if place.contains('/') => {
                valid_name(name).map(|_| Self::SqsUrl(url.to_owned()))
            }
            _ => Err(InvalidQueueUrl::Form),
        }
    }
}

fn valid_name(name: &str) -> Result<&str, InvalidQueueUrl> {
    let stem = name.strip_suffix(FIFO_SUFFIX).unwrap_or(name);
    let fits = !stem.is_empty()
        && name.len() <= MAX_NAME_LENGTH
        && stem
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if fits {
        Ok(name)
    } else {
        Err(InvalidQueueUrl::Name(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_forms_are_told_apart() {
        let cases = [
            ("postgres:", QueueUrl::Postgres, false),
            ("sqs://ical", QueueUrl::SqsName("ical".into()), false),
            (
                "sqs://ical.fifo",
                QueueUrl::SqsName("ical.fifo".into()),
                true,
            ),
            (
                "https://sqs.us-east-1.amazonaws.com/123456789012/ical.fifo",
                QueueUrl::SqsUrl(
                    "https://sqs.us-east-1.amazonaws.com/123456789012/ical.fifo".into(),
                ),
                true,
            ),
            (
                "http://127.0.0.1:9324/000000000000/ical",
                QueueUrl::SqsUrl("http://127.0.0.1:9324/000000000000/ical".into()),
                false,
            ),
        ];
        for (text, url, fifo) in cases {
            let parsed: QueueUrl = text.parse().unwrap();
            assert_eq!(parsed, url);
            assert_eq!(parsed.is_fifo(), fifo);
            assert_eq!(parsed.to_string(), text);
        }
    }

    #[test]
    fn what_names_no_queue_is_refused() {
        let long = format!("sqs://{}", "a".repeat(81));
        for text in [
            "",
            "postgres",
            "redis://x",
            "sqs://",
            "sqs://a b",
            "sqs://.fifo",
            "https://host/name",
            &long,
        ] {
            assert!(text.parse::<QueueUrl>().is_err(), "{text:?}");
        }
    }
}
