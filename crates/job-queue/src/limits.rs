//! How calls to a queue are limited.

use std::time::Duration;

/// The maximum number of messages in one call that is billed. It is that of SQS:
/// [`sqs_client::limits::MAX_BATCH`].
pub const MAX_BATCH: usize = 10;
/// The maximum of `VISIBILITY_TIMEOUT`, on every queue. It is that of SQS: [`sqs_client::limits::MAX_VISIBILITY`].
pub const MAX_VISIBILITY: Duration = Duration::from_hours(12);
/// The maximum of `RECEIVE_WAIT`, on every queue. It is that of SQS: [`sqs_client::limits::MAX_WAIT`].
pub const MAX_WAIT: Duration = Duration::from_secs(20);

/// How calls to a queue are made economically.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// How many messages one call contains at most.
    pub batch: usize,
    /// Whether each call costs money, so that a call that is not full should wait a moment for more messages.
    pub is_billed: bool,
}

impl CallLimits {
    /// The limits of a service with a price for each call, which is SQS.
    pub const BILLED: Self = Self {
        batch: MAX_BATCH,
        is_billed: true,
    };
    /// The limits of a server on which calls are free. A batch of 100 job messages has less than 20 kB.
    pub const FREE: Self = Self {
        batch: 100,
        is_billed: false,
    };
}

const _: () = assert!(
    MAX_BATCH <= sqs_client::limits::MAX_BATCH
        && MAX_VISIBILITY.as_secs() <= sqs_client::limits::MAX_VISIBILITY.as_secs()
        && MAX_WAIT.as_secs() <= sqs_client::limits::MAX_WAIT.as_secs(),
    "SQS must accept what every queue accepts"
);
