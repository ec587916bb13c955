//! How a delivery ends. No other module decides how an outcome is settled.

use std::time::Duration;

use job_queue::{Delivery, Settlement};

/// How long a message stays hidden after the database did not answer.
const UNKNOWN_RELEASE_DELAY: Duration = Duration::from_secs(5);

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The job has a result.
    Succeeded,
    /// The job failed for good.
    Failed,
    /// The job was cancelled.
    Revoked,
    /// The message needs no work any more: its job has ended, no longer exists, or has been redriven.
    Stale,
    /// The attempt failed. Another one may begin after this delay.
    Retry(Duration),
    /// No attempt may begin for this long: another worker has claimed the job, its backoff lasts, its row is locked, or it
    /// waits for a process of its own.
    Leased(Duration),
    /// The database did not answer, so the state of the job is unknown.
    Unknown,
    /// The message can't be read.
    Unreadable,
    /// The delivery or the job now belongs to another worker.
    Lost,
    /// The worker is shutting down, processing is paused, or an earlier message of the ordered group has to come first.
    NotStarted,
}

impl Outcome {
    /// Settles the delivery. Returns `None` if the queue should not be called; the message then becomes visible again
    /// after its visibility timeout.
    pub fn settlement(self, delivery: Delivery) -> Option<Settlement> {
        let release = |delivery: Delivery, delay| Settlement::Release(delivery.release(delay));
        match self {
            Self::Succeeded | Self::Failed | Self::Revoked | Self::Stale => {
                Some(Settlement::Delete(delivery.delete()))
            }
            Self::Retry(delay) | Self::Leased(delay) => Some(release(delivery, delay)),
            Self::Unknown => Some(release(delivery, UNKNOWN_RELEASE_DELAY)),
            Self::NotStarted => Some(release(delivery, Duration::ZERO)),
            Self::Unreadable => Some(Settlement::Reject(delivery.reject())),
            // It is settled by the worker that has it now.
            Self::Lost => None,
        }
    }

    /// Returns whether the next message of an ordered group may begin.
    pub fn lets_the_next_begin(self) -> bool {
        match self {
            Self::Succeeded | Self::Failed | Self::Revoked | Self::Stale | Self::Unreadable => true,
            Self::Retry(_) | Self::Leased(_) | Self::Unknown | Self::Lost | Self::NotStarted => {
                false
            }
        }
    }

    /// All names.
    pub const NAMES: [&str; 10] = [
        "succeeded",
        "failed",
        "revoked",
        "void",
        "retry",
        "leased",
        "undone",
        "unreadable",
        "lost",
        "given_back",
    ];

    /// Returns the value of the metric's label `outcome`: one of [`NAMES`](Self::NAMES).
    pub fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Revoked => "revoked",
            Self::Stale => "void",
            Self::Retry(_) => "retry",
            Self::Leased(_) => "leased",
            Self::Unknown => "undone",
            Self::Unreadable => "unreadable",
            Self::Lost => "lost",
            Self::NotStarted => "given_back",
        }
    }
}
