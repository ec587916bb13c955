//! Receiving from ActiveMQ.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use stomp_client::Command;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::inspect;
use super::intake::{Intake, Message};
use super::link::Link;
use crate::broker_access::BrokerAccess;
use crate::broker_address::BrokerAddress;
use crate::error::QueueError;
use crate::findings::Findings;
use crate::held::{Broker, Taken};
use crate::subscription::{BatchOutcome, Receipt, WorkerNeeds};

/// How often it is checked whether the worker still asks for messages.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// The receiving half of a queue of ActiveMQ.
#[derive(Debug)]
pub(super) struct StompBroker {
    intake: Arc<Intake>,
    queue: String,
    _check: AbortOnDropHandle<()>,
}

impl StompBroker {
    /// Makes no connection yet. Must be called in an async runtime.
    pub(super) fn new(address: &BrokerAddress, access: &BrokerAccess, slots: usize) -> Self {
        let link = Link::new(address, access);
        let destination = super::destination(&address.name);
        let intake = Arc::new(Intake::new(link, destination, slots));
        let checked = Arc::clone(&intake);
        let check = tokio::spawn(async move {
            let mut checks = interval(CHECK_INTERVAL);
            checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                checks.tick().await;
                checked.end_if_abandoned().await;
            }
        });
        Self {
            intake,
            queue: address.name.clone(),
            _check: AbortOnDropHandle::new(check),
        }
    }
}

#[async_trait]
impl Broker for StompBroker {
    async fn take(
        &self,
        max: usize,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<Vec<Taken>, QueueError> {
        let messages = self.intake.take(max, wait, stop).await?;
        Ok(messages.into_iter().map(taken).collect())
    }

    async fn settle(&self, receipts: &[Receipt]) -> Vec<BatchOutcome> {
        self.intake.settle(Command::Ack, receipts).await
    }

    /// STOMP has no command for it: ActiveMQ treats a `NACK` as a failure of the message.
    async fn give_back(&self, _receipts: &[Receipt]) -> Option<Vec<BatchOutcome>> {
        None
    }

    /// ActiveMQ moves the message to its dead-letter queue, at once unless the redelivery plugin tries it again first.
    async fn bury(&self, receipt: &Receipt, _body: &[u8]) -> BatchOutcome {
        let outcomes = self
            .intake
            .settle(Command::Nack, std::slice::from_ref(receipt))
            .await;
        outcomes.into_iter().next().unwrap_or(BatchOutcome::Lost)
    }

    async fn inspect(&self, _worker: WorkerNeeds) -> Result<Findings, QueueError> {
        inspect::subscription(self.intake.link(), &self.queue).await
    }

    async fn close(&self) {
        self.intake.link().close().await;
    }
}

fn taken(message: Message) -> Taken {
    let Message { receipt, frame } = message;
    Taken {
        receipt,
        message_id: frame.header("message-id").unwrap_or_default().to_owned(),
        // ActiveMQ only tells that it has delivered the message before.
        receive_count: if frame.header("redelivered") == Some("true") {
            2
        } else {
            1
        },
        body: frame.body,
    }
}
