//! A subscriber of a comparison that deletes everything it receives.

use std::time::Duration;

use sqs_client::limits::MAX_BATCH;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::address::Address;
use super::record::{Arrival, Subscriber, arrived};
use crate::broker::Role;
use crate::error::Error;
use crate::message::Received;
use crate::transport::{ReceiveRequest, Transport};

/// How long one receive waits.
const WAIT: Duration = Duration::from_secs(1);

/// Returns a receive of at most `max` messages.
pub(super) fn request(max: usize, visibility: Duration) -> ReceiveRequest {
    ReceiveRequest {
        max: max.clamp(1, MAX_BATCH),
        wait: WAIT,
        visibility: Some(visibility),
    }
}

/// Deletes messages. Those that can't be deleted are delivered again, and counted.
pub(super) async fn delete(queue: &mut dyn Transport, messages: &[Received]) -> Result<(), Error> {
    let handles: Vec<&str> = messages
        .iter()
        .map(|message| message.receipt_handle.as_str())
        .collect();
    if !handles.is_empty() {
        queue.delete(&handles).await?;
    }
    Ok(())
}

/// Where a subscriber listens, and what it reports.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) address: Address,
    pub(super) run: String,
    pub(super) subscriber: Subscriber,
    pub(super) audience: usize,
    pub(super) visibility: Duration,
}

impl Listener {
    /// Connects.
    pub(super) async fn open(&self) -> Result<Box<dyn Transport>, Error> {
        self.address.open(Role::Subscriber).await
    }

    /// Receives and deletes until `stop`. Reports each delivery, and returns the number of calls.
    pub(super) async fn listen(
        self,
        mut queue: Box<dyn Transport>,
        arrivals: UnboundedSender<Arrival>,
        stop: CancellationToken,
    ) -> Result<u64, Error> {
        let calls_before = queue.calls().total();
        while !stop.is_cancelled() {
            let messages = queue.receive(request(MAX_BATCH, self.visibility)).await?;
            for (key, at) in messages
                .iter()
                .filter_map(|message| arrived(message, &self.run))
            {
                let arrival = Arrival {
                    key,
                    at,
                    subscriber: self.subscriber,
                    audience: self.audience,
                    is_completed: true,
                };
                // the receiver is gone only at the end of the run
                let _ = arrivals.send(arrival);
            }
            delete(queue.as_mut(), &messages).await?;
        }
        let calls = queue.calls().total() - calls_before;
        queue.close().await;
        Ok(calls)
    }
}
