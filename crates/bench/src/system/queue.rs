//! The queue of a run that is not the table of jobs.

use std::collections::BTreeMap;
use std::path::Path;

use tcp_proxy::Traffic;

mod sqs;

pub use sqs::SqsQueue;

use super::broker::Broker;
#[cfg(feature = "kafka")]
use super::kafka::Kafka;
#[cfg(feature = "kafka")]
use crate::options::QueueKind;
use crate::options::SystemOptions;

/// The name of the queue.
const NAME: &str = "bench";

/// A queue.
#[derive(Debug)]
pub enum Queue {
    /// Of an SQS endpoint.
    Sqs(SqsQueue),
    /// Of a broker.
    Broker(Broker),
    /// Of Kafka.
    #[cfg(feature = "kafka")]
    Kafka(Kafka),
}

impl Queue {
    /// Starts the endpoint or the broker, and creates the queue. Returns `None` if the table of jobs is the queue.
    ///
    /// # Errors
    /// Returns an error if something does not start or refuses.
    pub async fn start(executable: &Path, options: &SystemOptions) -> anyhow::Result<Option<Self>> {
        if let Some(kind) = options.queue.broker() {
            return Ok(Some(Self::Broker(Broker::start(kind, &[NAME]).await?)));
        }
        #[cfg(feature = "kafka")]
        if options.queue == QueueKind::Kafka {
            return Ok(Some(Self::Kafka(Kafka::start().await?)));
        }
        if options.queue.is_sqs() {
            let queue = SqsQueue::start(executable, options).await?;
            return Ok(Some(Self::Sqs(queue)));
        }
        Ok(None)
    }

    /// Returns the settings that make a process use this queue.
    pub fn settings(&self) -> Vec<(String, String)> {
        match self {
            Self::Sqs(queue) => queue.settings(),
            Self::Broker(broker) => vec![("QUEUE_URL".to_owned(), broker.url(NAME))],
            #[cfg(feature = "kafka")]
            Self::Kafka(kafka) => vec![("QUEUE_URL".to_owned(), kafka.url())],
        }
    }

    /// Returns how many calls of each action the stub of SQS has answered that move messages. Empty for another queue.
    ///
    /// # Errors
    /// Returns an error if the stub does not answer.
    pub async fn calls(&self) -> anyhow::Result<BTreeMap<String, u64>> {
        let Self::Sqs(queue) = self else {
            return Ok(BTreeMap::new());
        };
        queue.calls().await
    }

    /// Returns what has passed between the processes and the broker. Zero for SQS.
    pub fn traffic(&self) -> Traffic {
        match self {
            Self::Sqs(_) => Traffic::default(),
            Self::Broker(broker) => broker.traffic(),
            #[cfg(feature = "kafka")]
            Self::Kafka(kafka) => kafka.traffic(),
        }
    }

    /// Returns the process id of the stub of SQS.
    pub fn stub_pid(&self) -> Option<u32> {
        let Self::Sqs(queue) = self else {
            return None;
        };
        queue.stub_pid()
    }

    /// Returns the process id of the broker, if it is a program of its own.
    pub fn broker_pid(&self) -> Option<u32> {
        let Self::Broker(broker) = self else {
            return None;
        };
        broker.pid()
    }
}
