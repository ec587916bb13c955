//! The seam to a queue. The API holds a [`Publisher`], the worker a [`Subscription`]; neither sees the other half, nor
//! which queue is behind it.
//!
//! A queue here is a way to wake a worker, never a store: Postgres holds every job, so a message that is lost, comes
//! twice or comes late costs nothing but time.
//!
//! # Layout, in the order a message travels
//! - [`config`], [`queue_url`]: which queue, from one URL
//! - [`publisher`]: what the API's relay sends through
//! - [`subscription`]: what the worker receives, and how a delivery is settled
//! - [`sqs`]: AWS SQS, standard and FIFO
//! - [`postgres`]: the jobs' own table as a queue
//!
//! It never creates or purges a queue: that is for who runs the service.

pub mod config;
pub mod error;
pub mod postgres;
pub mod publisher;
pub mod queue_url;
pub mod sqs;
pub mod subscription;

pub use config::QueueConfig;
pub use error::QueueError;
pub use publisher::{MAX_BATCH, Published, Publisher};
pub use queue_url::QueueUrl;
pub use subscription::{
    BatchOutcome, Deletion, Delivery, Receipt, Release, Settlement, Subscription,
    SubscriptionOptions,
};
