//! The queue that the options name: of SQS, or of a broker.

use std::fmt;
use std::str::FromStr;

use broker_address::BrokerAccess;
use sqs_client::QueueAddress;

use crate::broker::{self, BrokerUrl, Role, has_scheme};
use crate::error::Error;
use crate::queue::Queue;
use crate::transport::Transport;

/// A queue of any service.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    Sqs(QueueAddress),
    Broker(BrokerUrl),
}

impl Target {
    /// Connects to the queue, which must exist.
    pub(crate) async fn open(&self, role: Role) -> Result<Box<dyn Transport>, Error> {
        match self {
            Self::Sqs(address) => Ok(Box::new(Queue::open(address).await?)),
            Self::Broker(url) => broker::open(url, role).await,
        }
    }

    /// Sets the files with the password and the authorities of a broker.
    ///
    /// # Errors
    /// Returns an error if the URL has no user for the password.
    pub(crate) fn set_access(&mut self, access: &BrokerAccess) -> Result<(), Error> {
        match self {
            Self::Sqs(_) => Ok(()),
            Self::Broker(url) => url.set_access(access),
        }
    }

    pub(crate) fn is_fifo(&self) -> bool {
        matches!(self, Self::Sqs(address) if address.is_fifo())
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if has_scheme(text) {
            let url = text.parse().map(Self::Broker);
            return url.map_err(|error: broker::InvalidBrokerUrl| error.to_string());
        }
        let address = text.parse().map(Self::Sqs);
        address.map_err(|error: sqs_client::address::InvalidQueueAddress| error.to_string())
    }
}

/// Does not show a password.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqs(address) => f.write_str(address.name()),
            Self::Broker(url) => url.fmt(f),
        }
    }
}

/// Parses the name of a queue of SQS, for a command that works only with SQS.
pub(crate) fn only_sqs(text: &str) -> Result<QueueAddress, String> {
    match text.parse()? {
        Target::Sqs(address) => Ok(address),
        Target::Broker(url) => Err(format!(
            "this works only with SQS, and this is a queue of {}",
            url.kind.service()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_of_a_broker_tells_its_queues_from_those_of_sqs() {
        let is_broker = |text: &str| matches!(text.parse().unwrap(), Target::Broker(_));
        assert!(is_broker("redis://h/q") && is_broker("redis+pubsub://h/q"));
        assert!(!is_broker("demo") && !is_broker("demo.fifo"));
        assert!("demo.fifo".parse::<Target>().unwrap().is_fifo());
        assert!(
            only_sqs("redis://h/q")
                .unwrap_err()
                .contains("only with SQS")
        );
        assert!(only_sqs("a b").unwrap_err().contains("letters"));
    }
}
