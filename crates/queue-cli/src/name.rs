//! A queue's name, as SQS allows it.

use std::str::FromStr;

/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html>
const MAX_LENGTH: usize = 80;
/// FIFO queues, and no others, have names that end so.
const FIFO_SUFFIX: &str = ".fifo";

/// The name of a queue or its full URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueueName {
    name: String,
    url: Option<String>,
}

impl QueueName {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// `None`: still to be looked up.
    pub(crate) fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    pub(crate) fn is_fifo(&self) -> bool {
        is_fifo(&self.name)
    }

    /// The queue for what this one gives up: `ical-dead-letters` for `ical`, `ical-dead-letters.fifo` for `ical.fifo`.
    pub(crate) fn dead_letters(&self) -> String {
        match self.name.strip_suffix(FIFO_SUFFIX) {
            Some(stem) => format!("{stem}-dead-letters{FIFO_SUFFIX}"),
            None => format!("{}-dead-letters", self.name),
        }
    }
}

impl FromStr for QueueName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix("sqs://") {
            return name.parse();
        }
        let is_url = text.starts_with("https://") || text.starts_with("http://");
        let name = if is_url {
            text.rsplit('/').next().unwrap_or_default()
        } else {
            text
        };
        let stem = name.strip_suffix(FIFO_SUFFIX).unwrap_or(name);
        let fits = !stem.is_empty()
            && name.len() <= MAX_LENGTH
            && stem
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !fits {
            return Err(
                "SQS names have 1 to 80 letters, digits, '-' and '_', and '.fifo' at the end of a FIFO queue's"
                    .to_owned(),
            );
        }
        Ok(Self {
            name: name.to_owned(),
            url: is_url.then(|| text.to_owned()),
        })
    }
}

fn is_fifo(name: &str) -> bool {
    name.ends_with(FIFO_SUFFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_named_by_its_name_or_its_url() {
        let name: QueueName = "csse6400_prac.fifo".parse().unwrap();
        assert!(name.is_fifo() && name.url().is_none());
        assert_eq!(name.dead_letters(), "csse6400_prac-dead-letters.fifo");
        assert_eq!("sqs://ical".parse::<QueueName>().unwrap().name(), "ical");
        let url = "http://127.0.0.1:9324/000000000000/ical";
        let name: QueueName = url.parse().unwrap();
        assert_eq!((name.name(), name.url()), ("ical", Some(url)));
        assert_eq!(name.dead_letters(), "ical-dead-letters");
    }

    #[test]
    fn what_sqs_would_not_allow_is_refused() {
        let long = "a".repeat(81);
        for text in [
            "",
            ".fifo",
            "a b",
            "a.b",
            "über",
            "a.FIFO",
            "https://host/",
            &long,
        ] {
            assert!(text.parse::<QueueName>().is_err(), "{text:?}");
        }
    }
}
