//! Takes and settles messages.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use lapin::Acker;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicNackOptions, ConfirmSelectOptions};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::arguments::DeadLetters;
use super::consumer::{Consumer, REQUEUE};
use super::error;
use super::inspect;
use super::publisher::{self, Sent};
use super::session::{Purpose, Session, Sessions};
use crate::broker_access::BrokerAccess;
use crate::broker_address::BrokerAddress;
use crate::error::QueueError;
use crate::findings::Findings;
use crate::held::{Broker, Taken};
use crate::subscription::{BatchOutcome, Receipt, WorkerNeeds};

/// How long the consumer stays open after the last poll.
const IDLE: Duration = Duration::from_secs(1);

/// How much of a message that has to be dropped is logged, in bytes.
const LOGGED: usize = 200;

/// How RabbitMQ moves a message to the dead letters, or drops it if its queue has none.
const BURY: BasicNackOptions = BasicNackOptions {
    multiple: false,
    requeue: false,
};

/// How many times a quorum queue has got the message back. RabbitMQ 3 does not send it with a first delivery.
const DELIVERY_COUNT: &str = "x-delivery-count";

/// A queue of RabbitMQ, as a worker uses it.
#[derive(Debug)]
pub(super) struct AmqpBroker {
    queue: Arc<Queue>,
    _idling: AbortOnDropHandle<()>,
}

/// What the task that closes an idle consumer shares.
#[derive(Debug)]
struct Queue {
    name: String,
    sessions: Sessions,
    slots: usize,
    consumer: tokio::sync::Mutex<Option<Consumer>>,
    /// What was taken and not settled. The ackers of a session that has ended settle nothing.
    unsettled: Mutex<HashMap<Receipt, Acker>>,
}

impl AmqpBroker {
    /// Creates a broker that has not connected yet.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime.
    pub(super) fn new(address: &BrokerAddress, access: &BrokerAccess, slots: usize) -> Self {
        let prefetch = u16::try_from(slots).unwrap_or(u16::MAX);
        let queue = Arc::new(Queue {
            name: address.name.clone(),
            sessions: Sessions::new(address, access, Purpose::Consume { prefetch }),
            slots,
            consumer: tokio::sync::Mutex::default(),
            unsettled: Mutex::default(),
        });
        let idling = tokio::spawn(Arc::clone(&queue).close_when_idle());
        Self {
            queue,
            _idling: AbortOnDropHandle::new(idling),
        }
    }
}

#[async_trait]
impl Broker for AmqpBroker {
    async fn take(
        &self,
        max: usize,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<Vec<Taken>, QueueError> {
        let queue = &self.queue;
        let session = queue.sessions.get().await?;
        let mut slot = queue.consumer.lock().await;
        let mut consumer = match slot.take() {
            Some(consumer) if consumer.epoch == session.epoch => consumer,
            _ => {
                queue.unsettled().retain(|_, acker| acker.usable());
                queue.open_consumer(&session).await?
            }
        };
        let arrived = consumer.take(max, wait, stop).await?;
        let taken = arrived.into_iter();
        let taken = taken
            .map(|delivery| queue.hold(&session, delivery))
            .collect();
        if stop.is_cancelled() {
            consumer.close(&session).await;
        } else {
            *slot = Some(consumer);
        }
        Ok(taken)
    }

    async fn settle(&self, receipts: &[Receipt]) -> Vec<BatchOutcome> {
        let settling = receipts.iter().map(|receipt| self.queue.settle(receipt));
        join_all(settling).await
    }

    async fn give_back(&self, receipts: &[Receipt]) -> Option<Vec<BatchOutcome>> {
        let returning = receipts
            .iter()
            .map(|receipt| self.queue.nack(receipt, REQUEUE));
        Some(join_all(returning).await)
    }

    async fn bury(&self, receipt: &Receipt, body: &[u8]) -> BatchOutcome {
        match self.queue.has_dead_letters().await {
            Ok(true) => return self.queue.nack(receipt, BURY).await,
            Ok(false) => {}
            Err(error) => return BatchOutcome::Failed(error.to_string()),
        }
        match self.queue.copy_to_dead_letters(body).await {
            Ok(()) => self.queue.settle(receipt).await,
            Err(error) => {
                let start = String::from_utf8_lossy(body.get(..LOGGED).unwrap_or(body));
                log::error!(error, body:% = start; "a message that can't be read is dropped, because there is no queue for it");
                // A policy may still name a queue for dead letters.
                self.queue.nack(receipt, BURY).await
            }
        }
    }

    async fn inspect(&self, worker: WorkerNeeds) -> Result<Findings, QueueError> {
        inspect::queue(&self.queue.sessions, &self.queue.name, Some(worker)).await
    }

    async fn close(&self) {
        // RabbitMQ returns to the queue what was pushed to the consumer and not settled.
        self.queue.consumer.lock().await.take();
        self.queue.sessions.close().await;
    }
}

impl Queue {
    fn unsettled(&self) -> MutexGuard<'_, HashMap<Receipt, Acker>> {
        self.unsettled
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the consumer. If that fails, the channel is of no use any more.
    async fn open_consumer(&self, session: &Session) -> Result<Consumer, QueueError> {
        let opened = Consumer::open(session, &self.name).await;
        if opened.is_err() {
            self.sessions.discard().await;
        }
        opened
    }

    /// Remembers how to settle a delivery.
    fn hold(&self, session: &Session, delivery: Delivery) -> Taken {
        let receipt = Receipt::new(format!("{}:{}", session.epoch, delivery.delivery_tag));
        let properties = &delivery.properties;
        let message_id = properties.message_id().as_ref().map(ToString::to_string);
        let taken = Taken {
            receipt: receipt.clone(),
            message_id: message_id.unwrap_or_else(|| receipt.as_str().to_owned()),
            receive_count: receive_count(&delivery),
            body: delivery.data,
        };
        self.unsettled().insert(receipt, delivery.acker);
        taken
    }

    async fn settle(&self, receipt: &Receipt) -> BatchOutcome {
        let Some(acker) = self.forget(receipt) else {
            return BatchOutcome::Lost;
        };
        outcome(&acker.ack(BasicAckOptions::default()).await)
    }

    async fn nack(&self, receipt: &Receipt, options: BasicNackOptions) -> BatchOutcome {
        let Some(acker) = self.forget(receipt) else {
            return BatchOutcome::Lost;
        };
        outcome(&acker.nack(options).await)
    }

    fn forget(&self, receipt: &Receipt) -> Option<Acker> {
        self.unsettled().remove(receipt)
    }

    /// Returns whether the queue's arguments say where its dead letters go.
    async fn has_dead_letters(&self) -> Result<bool, QueueError> {
        let session = self.sessions.get().await?;
        let arguments = session.arguments(&self.name).await?.known();
        let target = arguments.map(|arguments| arguments.dead_letters(&self.name));
        Ok(target.is_some_and(|target| target != DeadLetters::None))
    }

    /// Sends a copy to the queue that is named like this one, with the suffix `.dead`.
    async fn copy_to_dead_letters(&self, body: &[u8]) -> Result<(), String> {
        let session = self
            .sessions
            .get()
            .await
            .map_err(|error| error.to_string())?;
        let opening = async {
            let channel = session.connection.create_channel().await?;
            channel
                .confirm_select(ConfirmSelectOptions::default())
                .await?;
            Ok(channel)
        };
        let channel = error::answered(opening);
        let channel = channel.await.map_err(|error| error.to_string())?;
        let dead = format!("{}.dead", self.name);
        match publisher::send(&channel, &dead, String::new(), body).await {
            Ok(Sent::Confirmed) => Ok(()),
            Ok(Sent::Refused(why)) => Err(why),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Closes the consumer whenever nobody has polled for a while. If all slots are in use, nobody polls, and RabbitMQ
    /// pushes nothing.
    async fn close_when_idle(self: Arc<Self>) {
        loop {
            tokio::time::sleep(IDLE / 2).await;
            // A poll holds the lock.
            let Ok(mut slot) = self.consumer.try_lock() else {
                continue;
            };
            let is_idle = |consumer: &Consumer| consumer.last_used.elapsed() >= IDLE;
            if slot.as_ref().is_none_or(|consumer| !is_idle(consumer)) || self.is_full() {
                continue;
            }
            let session = self.sessions.open_one().await;
            if let (Some(consumer), Some(session)) = (slot.take(), session)
                && consumer.epoch == session.epoch
            {
                consumer.close(&session).await;
            }
        }
    }

    fn is_full(&self) -> bool {
        let unsettled = self.unsettled();
        unsettled.values().filter(|acker| acker.usable()).count() >= self.slots
    }
}

/// Returns what became of a settlement. RabbitMQ answers none: it is done when it was sent on the connection on which the
/// message arrived. If that connection breaks, the message is delivered again, and is stale.
fn outcome(sent: &lapin::Result<bool>) -> BatchOutcome {
    match sent {
        Ok(true) => BatchOutcome::Done,
        Ok(false) | Err(_) => BatchOutcome::Lost,
    }
}

fn receive_count(delivery: &Delivery) -> u32 {
    let headers = delivery.properties.headers().as_ref();
    let returned = headers
        .and_then(|headers| headers.inner().get(DELIVERY_COUNT))
        .and_then(super::arguments::integer)
        .unwrap_or_else(|| i64::from(delivery.redelivered));
    u32::try_from(returned)
        .unwrap_or_default()
        .saturating_add(1)
}
