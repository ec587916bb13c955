//! Sends one batch of messages.

use std::time::Duration;

use job_queue::{Publisher, QueueError};
use shared_model::activity::Activity;
use shared_model::job_store::outbox::SendKey;
use shared_model::message::{JobMessage, OutboundMessage};
use shared_model::trace::{self, Operation, Span};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::inbox::LeasedMessage;
use super::settlements::Settlements;
use crate::readiness::QueueState;
use crate::telemetry::{OUTBOX_FAILURES, OUTBOX_PUBLISHED};

/// The time limit for one call. A message is sent in the first half of its lease, so it is settled within the lease. A
/// call that is given up here reports nothing of what the queue has confirmed, so a publisher whose messages are confirmed
/// one by one keeps to a shorter limit of its own.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// What the sending of a batch needs.
#[derive(Debug)]
pub(super) struct Batches<'a> {
    pub(super) publisher: &'a dyn Publisher,
    pub(super) settlements: &'a Settlements,
    pub(super) activity: &'a Activity,
    pub(super) queue: &'a watch::Sender<QueueState>,
    /// Cancelled when calls that have not ended are to be given up.
    pub(super) hurry: &'a CancellationToken,
}

impl Batches<'_> {
    /// Sends a batch, and notes which of its messages were sent. Messages that have waited too long are left to the relay
    /// that takes them from the table when their lease has run out. Returns whether the queue was called.
    ///
    /// # Errors
    /// Returns an error if the call failed as a whole.
    pub(super) async fn send(&self, batch: Vec<LeasedMessage>) -> Result<bool, QueueError> {
        let messages: Vec<OutboundMessage> = batch
            .into_iter()
            .filter(LeasedMessage::is_fresh)
            .map(|message| message.outbound)
            .collect();
        if messages.is_empty() {
            return Ok(false);
        }
        let mut spans = spans(&messages);
        let published = tokio::select! {
            published = self.publisher.publish(&messages) => published,
            () = tokio::time::sleep(CALL_TIMEOUT) => Err(no_response()),
            () = self.hurry.cancelled() => Err(QueueError::Unavailable("the process is stopping".to_owned())),
        };
        let published = published.inspect_err(|_| {
            self.queue.send_replace(QueueState::Unreachable);
            metrics::counter!(OUTBOX_FAILURES).increment(messages.len() as u64);
            for (_, span) in &mut spans {
                span.fail("queue");
            }
            self.settlements.unsent(messages.iter().map(SendKey::from));
        })?;
        self.queue.send_replace(QueueState::Reachable);
        self.activity.published(published.sent.len());
        metrics::counter!(OUTBOX_PUBLISHED).increment(published.sent.len() as u64);
        metrics::counter!(OUTBOX_FAILURES).increment(published.failed.len() as u64);
        for (key, reason) in &published.failed {
            for (_, span) in spans.iter_mut().filter(|(of, _)| of == key) {
                span.fail("rejected");
            }
            let message = messages
                .iter()
                .find(|message| SendKey::from(*message) == *key);
            trace::within(message.map(|message| message.message.trace()), || {
                log::warn!("job.id":% = key.id, error = reason; "the queue did not accept a job; trying again");
            });
        }
        self.settlements.sent(published.sent);
        self.settlements
            .unsent(published.failed.into_iter().map(|(key, _)| key));
        Ok(true)
    }
}

/// Begins a span for each message whose trace is recorded.
fn spans(messages: &[OutboundMessage]) -> Vec<(SendKey, Span)> {
    let recorded = messages.iter().filter(|outbound| {
        let context = outbound.message.traceparent;
        context.is_some_and(|context| context.is_sampled)
    });
    let span = |outbound: &OutboundMessage| {
        let JobMessage {
            job_id,
            traceparent,
            ..
        } = outbound.message;
        let mut span = Span::operation_below(Operation::Publish, traceparent, Duration::ZERO);
        span.set_job(job_id.0);
        let count = i64::try_from(messages.len()).unwrap_or(i64::MAX);
        span.set("messaging.batch.message_count", count);
        (SendKey::from(outbound), span)
    };
    recorded.map(span).collect()
}

fn no_response() -> QueueError {
    let seconds = CALL_TIMEOUT.as_secs();
    QueueError::Unavailable(format!("no response within {seconds} s"))
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use job_queue::{Findings, Published, QueueDepth};
    use shared_model::job::JobId;

    use super::*;
    use crate::background::relay::RelayInbox;

    #[derive(Debug)]
    struct NeverCalled;

    #[async_trait]
    impl Publisher for NeverCalled {
        async fn publish(&self, _: &[OutboundMessage]) -> Result<Published, QueueError> {
            panic!("nothing may be sent")
        }

        async fn inspect(&self) -> Result<Findings, QueueError> {
            panic!("nothing may be inspected")
        }

        async fn depth(&self) -> Result<QueueDepth, QueueError> {
            panic!("nothing may be counted")
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_is_not_called_with_messages_whose_lease_is_too_old() {
        let (inbox, mut reader) = RelayInbox::new();
        let slots = inbox.reserve(1).unwrap();
        slots.fill([(JobId::new(), None)], chrono::DateTime::UNIX_EPOCH);
        let message = reader.messages.try_recv().unwrap();
        while message.is_fresh() {
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        let batches = Batches {
            publisher: &NeverCalled,
            settlements: &Settlements::default(),
            activity: &Activity::default(),
            queue: &watch::channel(QueueState::Unreachable).0,
            hurry: &CancellationToken::new(),
        };
        assert!(!batches.send(vec![message]).await.unwrap());
        assert_eq!(*batches.queue.borrow(), QueueState::Unreachable);
    }
}
