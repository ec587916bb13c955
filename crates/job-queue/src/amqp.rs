//! RabbitMQ, by AMQP 0-9-1. It has no visibility timeouts and no delays: `HeldSubscription` adds them.
//!
//! # Layout
//! - `connection`: connects, with a time limit
//! - `session`: a connection with one channel, opened when it is needed
//! - `publisher`: sends batches of messages and waits for the confirmations
//! - `broker`: takes and settles messages
//! - `consumer`: the consumer that RabbitMQ pushes messages to
//! - `queue`: looks up a queue: its length and its arguments
//! - `arguments`: reads the arguments of a queue from RabbitMQ's answers
//! - `creation`: the command that creates a queue
//! - `inspect`: what does not suit in the settings of a queue
//! - `error`: why a call failed

use std::sync::Arc;

use shared_model::database::Pool;

use self::broker::AmqpBroker;
use self::publisher::AmqpPublisher;
use crate::broker_access::BrokerAccess;
use crate::broker_address::BrokerAddress;
use crate::held::HeldSubscription;
use crate::publisher::Publisher;
use crate::subscription::{Subscription, SubscriptionOptions};

mod arguments;
mod broker;
mod connection;
mod consumer;
mod creation;
mod error;
mod inspect;
mod publisher;
mod queue;
mod session;

/// Returns the sending half of the queue. Makes no call yet.
pub fn publisher(address: &BrokerAddress, access: &BrokerAccess) -> Arc<dyn Publisher> {
    Arc::new(AmqpPublisher::new(address, access))
}

/// Returns the receiving half of the queue. Makes no call yet.
///
/// # Panics
/// Panics outside of a tokio runtime.
pub fn subscription(
    address: &BrokerAddress,
    access: &BrokerAccess,
    pool: &Pool,
    options: SubscriptionOptions,
) -> Arc<dyn Subscription> {
    let broker = AmqpBroker::new(address, access, options.slots);
    Arc::new(HeldSubscription::new(broker, pool.clone(), options))
}
