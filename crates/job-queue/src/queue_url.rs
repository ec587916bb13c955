//! The URL that chooses the queue.

use std::fmt;
use std::str::FromStr;

use shared_model::trace::QueueName;
use sqs_client::QueueAddress;
use sqs_client::address::InvalidQueueAddress;

use crate::broker::Broker;
use crate::broker_address::{BrokerAddress, BrokerKind, InvalidBrokerAddress};

const POSTGRES: &str = "postgres:";
const SQS_SCHEMES: [&str; 3] = ["sqs", "https", "http"];

/// A queue, as `QUEUE_URL` names it. It is displayed without its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueUrl {
    /// `postgres:`, the table of jobs itself.
    Postgres,
    /// `sqs://NAME` or a full SQS queue URL.
    Sqs(QueueAddress),
    /// `redis://…`, `amqp://…`, `stomp://…`, `kafka://…`, and the same with TLS.
    Broker(Broker),
}

impl QueueUrl {
    /// Returns the name of the queue, which is the same in every form of its URL.
    pub fn name(&self) -> &str {
        match self {
            Self::Postgres => POSTGRES,
            Self::Sqs(address) => address.name(),
            Self::Broker(broker) => &broker.address().name,
        }
    }

    /// Returns how spans name the queue.
    pub fn in_traces(&self) -> QueueName {
        let (system, name) = match self {
            Self::Postgres => ("postgresql", "calendar_jobs"),
            Self::Sqs(address) => ("aws_sqs", address.name()),
            Self::Broker(broker) => (broker.address().kind.in_traces(), self.name()),
        };
        QueueName {
            system,
            name: name.to_owned(),
        }
    }

    /// Returns the URL with its password, if it has one: for the environment of another process, and never for a log.
    pub fn with_password(&self) -> String {
        match self {
            Self::Postgres | Self::Sqs(_) => self.to_string(),
            Self::Broker(broker) => broker.address().with_password(),
        }
    }
}

impl fmt::Display for QueueUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres => f.write_str(POSTGRES),
            Self::Sqs(address) => address.fmt(f),
            Self::Broker(broker) => broker.address().fmt(f),
        }
    }
}

/// A text that names no queue, or one that this program can't use.
#[derive(Debug, thiserror::Error)]
pub enum InvalidQueueUrl {
    /// The text has none of the forms of a queue URL.
    #[error(
        "a queue URL is postgres:, sqs://NAME, sqs://NAME.fifo, a full SQS queue URL such as \
         https://sqs.us-east-1.amazonaws.com/123456789012/NAME, redis://HOST/STREAM, amqp://HOST/QUEUE, \
         stomp://HOST/QUEUE or kafka://HOST/TOPIC; with TLS rediss, amqps, stomp+ssl or kafka+ssl"
    )]
    Form,
    /// The text has the form of an SQS queue URL, but cannot be one.
    #[error(transparent)]
    Sqs(#[from] InvalidQueueAddress),
    /// The text has the scheme of a broker, but cannot be its address.
    #[error(transparent)]
    Broker(#[from] InvalidBrokerAddress),
    /// The queue is in a broker of this kind.
    #[error("this program was built without {0}{hint}", hint = hint(*.0))]
    NotBuilt(BrokerKind),
}

/// Says how to build a program for this kind of broker.
fn hint(kind: BrokerKind) -> String {
    let feature = kind.feature();
    feature.map_or_else(String::new, |feature| {
        format!(": build it with --features {feature}")
    })
}

impl FromStr for QueueUrl {
    type Err = InvalidQueueUrl;

    fn from_str(url: &str) -> Result<Self, InvalidQueueUrl> {
        if url == POSTGRES {
            return Ok(Self::Postgres);
        }
        let (scheme, _) = url.split_once("://").ok_or(InvalidQueueUrl::Form)?;
        if SQS_SCHEMES.contains(&scheme) {
            return Ok(Self::Sqs(url.parse()?));
        }
        if BrokerKind::of_scheme(scheme).is_none() {
            return Err(InvalidQueueUrl::Form);
        }
        let address: BrokerAddress = url.parse()?;
        let kind = address.kind;
        let broker = Broker::new(address).ok_or(InvalidQueueUrl::NotBuilt(kind))?;
        Ok(Self::Broker(broker))
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
    fn a_broker_that_this_program_was_not_built_for_is_refused_with_the_way_to_build_it() {
        for (url, kind) in [
            ("redis://localhost/ical", BrokerKind::Redis),
            ("amqp://localhost/ical", BrokerKind::RabbitMq),
            ("stomp://localhost/ical", BrokerKind::ActiveMq),
            ("kafka://localhost/ical", BrokerKind::Kafka),
        ] {
            match url.parse::<QueueUrl>() {
                Ok(built) => assert_eq!(built.to_string(), url),
                Err(error) => {
                    let error = error.to_string();
                    let start = format!("this program was built without {kind}");
                    assert!(error.starts_with(&start), "{error}");
                    let flag = kind.feature().map(|name| format!("--features {name}"));
                    assert!(error.ends_with(&flag.unwrap_or_default()), "{error}");
                }
            }
        }
    }

    #[test]
    fn a_mistake_in_the_url_of_a_broker_is_named_whatever_this_program_was_built_for() {
        let error = "redis://me:s3cret@host:x/ical"
            .parse::<QueueUrl>()
            .unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("the port must be a number"), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }

    #[test]
    fn a_text_that_names_no_queue_is_refused() {
        for text in [
            "",
            "postgres",
            "ical",
            "redis",
            "redis:",
            "valkey://host/ical",
            "sqs://",
            "https://host/name",
        ] {
            assert!(text.parse::<QueueUrl>().is_err(), "{text:?}");
        }
    }
}
