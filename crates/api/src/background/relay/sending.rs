//! Sends one batch of messages.

use std::time::Duration;

use job_queue::{Publisher, QueueError};
use shared_model::job_store::outbox::SendKey;
use shared_model::message::OutboundMessage;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::inbox::LeasedMessage;
use super::settlements::Settlements;
use crate::readiness::QueueState;
use crate::telemetry::{OUTBOX_FAILURES, OUTBOX_PUBLISHED};

/// The time limit for one call. A message is sent in the first half of its lease, so it is settled within the lease.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// What the sending of a batch needs.
#[derive(Debug)]
pub(super) struct Batches<'a> {
    pub(super) publisher: &'a dyn Publisher,
    pub(super) settlements: &'a Settlements,
    pub(super) queue: &'a watch::Sender<QueueState>,
    /// Cancelled when calls that have not ended are to be given up.
    pub(super) hurry: &'a CancellationToken,
}

impl Batches<'_> {
    /// Sends a batch, and notes which of its messages were sent. Messages that have waited too long are left to the relay
    /// that takes them from the table when their lease has run out.
    ///
    /// # Errors
    /// Returns an error if the call failed as a whole.
    pub(super) async fn send(&self, batch: Vec<LeasedMessage>) -> Result<(), QueueError> {
        let messages: Vec<OutboundMessage> = batch
            .into_iter()
            .filter(LeasedMessage::is_fresh)
            .map(|message| message.outbound)
            .collect();
        if messages.is_empty() {
            return Ok(());
        }
        let published = tokio::select! {
            published = self.publisher.publish(&messages) => published,
            () = tokio::time::sleep(CALL_TIMEOUT) => Err(no_response()),
            () = self.hurry.cancelled() => Err(QueueError::Unavailable("the process is stopping".to_owned())),
        };
        let published = published.inspect_err(|_| {
            self.queue.send_replace(QueueState::Unreachable);
            metrics::counter!(OUTBOX_FAILURES).increment(messages.len() as u64);
            self.settlements.unsent(messages.iter().map(SendKey::from));
        })?;
        self.queue.send_replace(QueueState::Reachable);
        metrics::counter!(OUTBOX_PUBLISHED).increment(published.sent.len() as u64);
        metrics::counter!(OUTBOX_FAILURES).increment(published.failed.len() as u64);
        for (key, reason) in &published.failed {
            log::warn!("job.id":% = key.id, error = reason; "the queue rejected a job; trying again");
        }
        self.settlements.sent(published.sent);
        self.settlements
            .unsent(published.failed.into_iter().map(|(key, _)| key));
        Ok(())
    }
}

fn no_response() -> QueueError {
    let seconds = CALL_TIMEOUT.as_secs();
    QueueError::Unavailable(format!("no response within {seconds} s"))
}
