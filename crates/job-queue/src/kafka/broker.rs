//! Takes and settles messages.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::client::Place;
use super::dead_letters;
use super::error;
use super::inbox::Inbox;
use super::inspect;
use super::lookup::Lookup;
use super::progress::Progress;
use super::reader::Reader;
use super::sender::{Record, Sender};
use crate::broker_access::BrokerAccess;
use crate::broker_address::BrokerAddress;
use crate::error::QueueError;
use crate::findings::Findings;
use crate::held::{Broker, Taken};
use crate::subscription::{BatchOutcome, Receipt, WorkerNeeds};

/// How much of a message that has to be dropped is logged, in bytes.
const LOGGED: usize = 200;

/// A topic, as a worker uses it.
#[derive(Debug)]
pub(super) struct KafkaBroker {
    place: Place,
    lookup: Lookup,
    sender: Sender,
    progress: Progress,
    /// Started by the first call that takes messages.
    reader: Mutex<Option<Reader>>,
}

impl KafkaBroker {
    /// Makes no connection yet.
    pub(super) fn new(address: &BrokerAddress, access: &BrokerAccess) -> Self {
        let place = Place::new(address, access);
        Self {
            lookup: Lookup::new(place.clone()),
            sender: Sender::new(place.clone()),
            progress: Progress::default(),
            reader: Mutex::default(),
            place,
        }
    }

    /// Returns the inbox of the reader, and starts a reader first if none is running.
    async fn inbox(&self) -> Result<Arc<Inbox>, QueueError> {
        let mut slot = self.reader.lock().await;
        let reader = match slot.take().filter(|reader| !reader.has_ended()) {
            Some(reader) => reader,
            None => Reader::start(&self.place)?,
        };
        Ok(Arc::clone(slot.insert(reader).inbox()))
    }

    async fn copy_to_dead_letters(&self, body: &[u8]) -> Result<(), Undelivered> {
        let topic = dead_letters(self.place.topic());
        let for_now = |error: QueueError| Undelivered::ForNow(error.to_string());
        let obstacle = self.lookup.obstacle(&topic).await.map_err(for_now)?;
        if let Some(reason) = obstacle {
            return Err(Undelivered::Forever(reason));
        }
        let record = Record { key: "", body };
        let sent = self.sender.send(&topic, &[record]).await;
        let outcome = sent.map_err(for_now)?.pop().unwrap_or(Ok(()));
        outcome.map_err(|error| {
            if error::is_permanent(&error) {
                Undelivered::Forever(format!("the topic {topic} does not take it ({error})"))
            } else {
                Undelivered::ForNow(error.to_string())
            }
        })
    }
}

/// Why a message is not in the topic for dead letters.
enum Undelivered {
    /// Another attempt would fail, too, unless somebody changes the topic or the rights of the user.
    Forever(String),
    /// Another attempt may succeed.
    ForNow(String),
}

#[async_trait]
impl Broker for KafkaBroker {
    async fn take(
        &self,
        max: usize,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<Vec<Taken>, QueueError> {
        let inbox = self.inbox().await?;
        inbox.take(max, wait, stop).await
    }

    /// Kafka is told within about half a second. What was settled is done with before that, unless this process dies.
    async fn settle(&self, receipts: &[Receipt]) -> Vec<BatchOutcome> {
        match self.reader.lock().await.as_ref() {
            Some(reader) => reader.inbox().settle(receipts),
            None => vec![BatchOutcome::Lost; receipts.len()],
        }
    }

    /// A partition can't give back a single message.
    async fn give_back(&self, _receipts: &[Receipt]) -> Option<Vec<BatchOutcome>> {
        None
    }

    async fn bury(&self, receipt: &Receipt, body: &[u8]) -> BatchOutcome {
        match self.copy_to_dead_letters(body).await {
            Ok(()) => {}
            Err(Undelivered::ForNow(reason)) => return BatchOutcome::Failed(reason),
            // If it were kept, Kafka would deliver again, after a restart, every later message of its partition.
            Err(Undelivered::Forever(reason)) => {
                let start = String::from_utf8_lossy(body.get(..LOGGED).unwrap_or(body));
                log::error!(body:% = start; "a message that can't be read is dropped: {reason}");
            }
        }
        let outcomes = self.settle(std::slice::from_ref(receipt)).await;
        outcomes.into_iter().next().unwrap_or(BatchOutcome::Lost)
    }

    async fn inspect(&self, worker: WorkerNeeds) -> Result<Findings, QueueError> {
        inspect::topic(&self.lookup, &self.place, Some(worker)).await
    }

    /// Messages of different partitions come in any order, and another worker may not have come to its own yet.
    fn keeps_order(&self) -> bool {
        false
    }

    async fn drained_until(&self) -> Result<Option<Instant>, QueueError> {
        let asked = Instant::now();
        let parts = self.lookup.parts(self.place.topic()).await?;
        Ok(parts.and_then(|parts| self.progress.settled_until(asked, &parts)))
    }

    async fn close(&self) {
        let reader = self.reader.lock().await.take();
        if let Some(reader) = reader {
            reader.leave().await;
        }
    }
}
