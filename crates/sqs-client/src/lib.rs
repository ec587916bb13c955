//! What the services and the `queue` program both need to use AWS SQS, on top of the AWS SDK.
//!
//! # Layout, in the order a message travels
//! - [`config`], [`credentials`]: region, endpoint and credentials, and the client with its timeouts
//! - [`address`]: a queue's name or URL; [`arn`]: the ARN by which SQS names one queue in another's settings
//! - [`attributes`]: a queue's settings and counts, such as its redrive policy
//! - [`limits`]: what SQS allows
//! - [`batch`]: sending, deleting and hiding up to ten messages per call; [`poll`]: receiving up to ten
//! - [`failure`]: why a call failed, and what to do about it
//!
//! This crate never decides what to do about a failure, and it knows nothing about jobs.

pub mod address;
pub mod arn;
pub mod attributes;
pub mod batch;
pub mod config;
pub mod credentials;
pub mod failure;
pub mod limits;
pub mod poll;

pub use address::QueueAddress;
pub use arn::QueueArn;
pub use attributes::{QueueAttributes, RedrivePolicy};
pub use aws_config::SdkConfig;
pub use aws_sdk_sqs::Client;
pub use batch::EntryError;
pub use failure::Failure;
