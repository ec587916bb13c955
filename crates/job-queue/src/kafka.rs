//! Kafka. It has no visibility timeouts and no delays: [`HeldSubscription`] adds them.
//!
//! Workers share a topic as a consumer group: each partition belongs to one of them. A partition remembers only up to
//! which message everything is settled, while jobs end in any order. So the worker keeps account of each message
//! (`offsets`). A message that has to come again is sent again through the outbox, so it never holds up its partition.
//!
//! # Layout
//! - `client`: the settings of librdkafka, the client of Kafka
//! - `error`: why a call failed
//! - `lookup`: questions about a topic: its partitions, its length, and what the group has settled
//! - `progress`: until when everything is settled
//! - `inspect`: what does not suit in a topic
//! - `sender`: sends messages and waits for the confirmations
//! - `publisher`: the sending half of the queue
//! - `broker`: takes and settles messages
//! - `reader`: the thread that receives messages and reports what is settled
//! - `inbox`: what the reader has received
//! - `waiting`: the messages that the worker has not asked for yet
//! - `offsets`: which messages of a partition are settled

use std::sync::Arc;

use shared_model::database::Pool;

use self::broker::KafkaBroker;
use self::publisher::KafkaPublisher;
use crate::broker_access::BrokerAccess;
use crate::broker_address::BrokerAddress;
use crate::held::HeldSubscription;
use crate::publisher::Publisher;
use crate::subscription::{Subscription, SubscriptionOptions};

mod broker;
mod client;
mod error;
mod inbox;
mod inspect;
mod lookup;
mod offsets;
mod progress;
mod publisher;
mod reader;
mod sender;
mod waiting;

/// Returns the sending half of the queue. Makes no call yet.
pub(crate) fn publisher(address: &BrokerAddress, access: &BrokerAccess) -> Arc<dyn Publisher> {
    Arc::new(KafkaPublisher::new(address, access))
}

/// Returns the receiving half of the queue. Makes no call yet.
///
/// # Panics
/// Panics outside of a tokio runtime.
pub(crate) fn subscription(
    address: &BrokerAddress,
    access: &BrokerAccess,
    pool: &Pool,
    options: SubscriptionOptions,
) -> Arc<dyn Subscription> {
    let broker = KafkaBroker::new(address, access);
    Arc::new(HeldSubscription::new(broker, pool.clone(), options))
}

/// Returns the name of the topic for messages that can't be read.
fn dead_letters(topic: &str) -> String {
    format!("{topic}.dead")
}
