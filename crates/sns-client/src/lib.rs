//! Publishes to an AWS SNS topic, and says why that failed.
//!
//! # Layout
//! - [`address`]: a topic's name or ARN
//! - [`message`]: what is published, and how much of it fits into one request
//! - [`topic`]: the client of one topic
//! - [`error`]: why a call failed, and what to do about it
//!
//! This crate never repeats a call by itself, and knows nothing about jobs.

pub mod address;
pub mod error;
pub mod message;
pub mod topic;

pub use address::TopicAddress;
pub use error::TopicError;
pub use message::{MAX_BATCH, Message};
pub use sqs_client::SdkConfig;
pub use topic::Topic;

/// Loads region, endpoint and credentials from where every AWS tool looks for them: see [`sqs_client::config::load`].
pub async fn load_config() -> SdkConfig {
    sqs_client::config::load(None).await
}
