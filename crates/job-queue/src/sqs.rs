//! AWS SQS, standard and FIFO. Nothing outside this module names the SDK.

mod client;
mod publisher;
mod subscription;

pub use publisher::SqsPublisher;
pub use subscription::SqsSubscription;
