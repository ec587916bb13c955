//! The interface between the services and a queue. The API has a [`Publisher`], the worker a [`Subscription`]; neither
//! knows the other half, or which kind of queue is behind it.
//!
//! The queue only wakes a worker; no data would be lost with it. Every job is a row in Postgres, so a message that is
//! lost, late or delivered twice costs time and nothing else.
//!
//! # Layout, in the order a message travels
//! - [`config`], [`queue_url`], [`group_id`]: the settings that choose the queue
//! - `broker_address`, a crate of its own, and [`broker`]: the settings of a broker, and which module is for it
//! - [`publisher`]: what the API's relay sends messages with, and what counts the messages in the queue
//! - [`subscription`]: what the worker receives messages with, and how it settles a delivery
//! - [`postgres`]: the table of jobs itself as a queue
//! - [`sqs`]: AWS SQS, standard and FIFO
//! - `redis`: a Redis stream, with the feature `redis`
//! - [`stomp`]: ActiveMQ Classic
//! - `amqp`: RabbitMQ, in programs that were built for it
//! - `kafka`: Kafka, with the feature `kafka`
//! - `held`: visibility timeouts and delays for brokers that have neither
//! - [`mod@findings`]: what a look at a queue finds
//! - [`limits`], [`error`]: how many messages a call contains, and why a call failed
//!
//! This crate never creates or purges a queue. That is the operator's task.

#[cfg(feature = "amqp")]
pub mod amqp;
pub mod broker;
pub mod config;
pub mod error;
pub mod findings;
pub mod group_id;
mod held;
#[cfg(feature = "kafka")]
mod kafka;
pub mod limits;
pub mod postgres;
pub mod publisher;
pub mod queue_url;
#[cfg(feature = "redis")]
mod redis;
pub mod sqs;
pub mod stomp;
pub mod subscription;

pub use ::broker_address::{
    self, BrokerAccess, BrokerAddress, BrokerKind, access as broker_access,
};
pub use broker::Broker;
pub use config::QueueConfig;
pub use error::QueueError;
pub use findings::Findings;
pub use group_id::GroupId;
pub use limits::{CallLimits, MAX_BATCH, MAX_VISIBILITY, MAX_WAIT};
pub use publisher::{Published, Publisher, QueueDepth};
pub use queue_url::QueueUrl;
pub use subscription::{
    BatchOutcome, Deletion, Delivery, Receipt, Received, Rejection, Release, Settlement,
    Subscription, SubscriptionOptions, WorkerNeeds,
};
