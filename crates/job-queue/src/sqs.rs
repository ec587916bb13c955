//! AWS SQS, standard and FIFO.

mod incompatibilities;
mod publisher;
mod queue;
mod subscription;

pub use publisher::SqsPublisher;
pub use subscription::SqsSubscription;
