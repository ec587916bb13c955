//! How a delivery ends. The only place that maps outcomes to what the queue is told.

use std::time::Duration;

use job_queue::{Delivery, Settlement};

/// How long a delivery rests whose job could not even be claimed.
const CLAIM_RETRY_DELAY: Duration = Duration::from_secs(5);

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The job has a result.
    Succeeded,
    /// The job failed for good.
    Failed,
    /// The job was cancelled.
    Revoked,
    /// There was nothing to do: the job had ended, is gone, or has a newer message.
    Void,
    /// The attempt failed; another may begin after so long.
    Retry(Duration),
    /// Another worker has the job for so long.
    Leased(Duration),
    /// The database did not answer, so nothing is known to have been done.
    Undone,
    /// The body can't be read.
    Unreadable,
    /// The job is another worker's by now.
    Lost,
    /// It was never begun.
    GivenBack,
}

impl Outcome {
    /// What the queue is told. `None`: nothing; the delivery shows up again when its visibility ends.
    pub fn settlement(self, delivery: Delivery) -> Option<Settlement> {
        let release = |delivery: Delivery, delay| Settlement::Release(delivery.release(delay));
        match self {
            Self::Succeeded | Self::Failed | Self::Revoked | Self::Void => {
                Some(Settlement::Delete(delivery.delete()))
            }
            Self::Retry(delay) | Self::Leased(delay) => Some(release(delivery, delay)),
            Self::Undone => Some(release(delivery, CLAIM_RETRY_DELAY)),
            Self::GivenBack => Some(release(delivery, Duration::ZERO)),
            // the queue counts the receipts of the one and moves it to the dead-letter queue; whoever has the other settles it
            Self::Unreadable | Self::Lost => None,
        }
    }

    /// Whether the next message of an ordered group may begin.
    pub fn lets_the_next_begin(self) -> bool {
        match self {
            Self::Succeeded | Self::Failed | Self::Revoked | Self::Void | Self::Unreadable => true,
            Self::Retry(_) | Self::Leased(_) | Self::Undone | Self::Lost | Self::GivenBack => false,
        }
    }

    /// The label of its metric.
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Revoked => "revoked",
            Self::Void => "void",
            Self::Retry(_) => "retry",
            Self::Leased(_) => "leased",
            Self::Undone => "undone",
            Self::Unreadable => "unreadable",
            Self::Lost => "lost",
            Self::GivenBack => "given_back",
        }
    }
}
