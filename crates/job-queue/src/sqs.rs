//! AWS SQS, standard and FIFO. Nothing outside this module names the SDK.

mod client;
mod credentials;
mod publisher;
mod subscription;

pub use client::load_config;
pub use publisher::SqsPublisher;
pub use subscription::SqsSubscription;
