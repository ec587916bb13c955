//! The consumer that RabbitMQ pushes messages to, as many as there are slots. It is open only while the worker polls: a
//! message that was pushed to a worker that does not poll would wait, although another worker is free.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicNackOptions};
use lapin::types::FieldTable;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error;
use super::session::Session;
use crate::error::QueueError;

/// How RabbitMQ gives a message to another consumer, or to the same again.
pub(super) const REQUEUE: BasicNackOptions = BasicNackOptions {
    multiple: false,
    requeue: true,
};

/// An open consumer.
#[derive(Debug)]
pub(super) struct Consumer {
    deliveries: lapin::Consumer,
    pub(super) epoch: u64,
    /// When it was last waited for.
    pub(super) last_used: Instant,
    /// Why nothing arrives any more.
    failure: Option<QueueError>,
}

impl Consumer {
    /// Opens a consumer.
    ///
    /// # Errors
    /// Returns an error if the queue does not exist, or RabbitMQ does not answer.
    pub(super) async fn open(session: &Session, queue: &str) -> Result<Self, QueueError> {
        let opening = session.channel.basic_consume(
            queue.into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let deliveries = error::answered(opening).await?;
        Ok(Self {
            deliveries,
            epoch: session.epoch,
            last_used: Instant::now(),
            failure: None,
        })
    }

    /// Waits up to `wait`, or until `stop`, for the first message, and returns it with at most `max - 1` others that have
    /// arrived.
    ///
    /// # Errors
    /// Returns an error if RabbitMQ has closed the consumer, its channel or the connection.
    pub(super) async fn take(
        &mut self,
        max: usize,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<Vec<Delivery>, QueueError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let mut taken = Vec::new();
        let mut next = tokio::select! {
            biased;
            arrived = self.deliveries.next() => Some(arrived),
            () = stop.cancelled() => None,
            () = tokio::time::sleep(wait) => None,
        };
        while let Some(arrived) = next {
            match arrived {
                Some(Ok(delivery)) => taken.push(delivery),
                Some(Err(error)) => self.failure = Some(error::explain(&error)),
                None => self.failure = Some(QueueError::Unavailable(CANCELLED.to_owned())),
            }
            next = (taken.len() < max && self.failure.is_none())
                .then(|| self.deliveries.next().now_or_never())
                .flatten();
        }
        self.last_used = Instant::now();
        // What has arrived can be settled, unless the connection is broken. The next call reports the failure.
        match self.failure.take_if(|_| taken.is_empty()) {
            Some(failure) => Err(failure),
            None => Ok(taken),
        }
    }

    /// Closes the consumer, and returns to the queue what has arrived and was not taken.
    pub(super) async fn close(mut self, session: &Session) {
        if self.failure.is_some() {
            return;
        }
        let tag = self.deliveries.tag();
        let cancelled = session
            .channel
            .basic_cancel(tag, BasicCancelOptions::default());
        if let Err(error) = error::answered(cancelled).await {
            log::debug!(error:%; "RabbitMQ had closed the consumer already");
            return;
        }
        // The stream ends here.
        while let Some(Ok(delivery)) = self.deliveries.next().await {
            if let Err(error) = delivery.nack(REQUEUE).await {
                log::debug!(error:%; "the connection broke; RabbitMQ returns the message to the queue");
            }
        }
    }
}

/// RabbitMQ cancels the consumers of a queue that is deleted, or that loses its servers.
const CANCELLED: &str = "RabbitMQ has cancelled the consumer";
