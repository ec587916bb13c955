//! ActiveMQ Classic, over STOMP.
//!
//! ActiveMQ pushes messages, at most as many as the worker has slots, and keeps each until the connection that has received
//! it acknowledges it or ends. It has no visibility timeout and no delay (a message is delayed in the outbox), and does
//! not return a single message.

mod broker;
mod inspect;
mod intake;
mod link;
mod publisher;

use std::sync::Arc;

use shared_model::database::Pool;

use crate::broker_access::BrokerAccess;
use crate::broker_address::BrokerAddress;
use crate::held::HeldSubscription;
use crate::publisher::Publisher;
use crate::subscription::{Subscription, SubscriptionOptions};

/// Returns the sending half of a queue. Makes no connection yet.
pub fn publisher(address: &BrokerAddress, access: &BrokerAccess) -> Arc<dyn Publisher> {
    Arc::new(publisher::StompPublisher::new(address, access))
}

/// Returns the receiving half of a queue. Makes no connection yet.
pub fn subscription(
    address: &BrokerAddress,
    access: &BrokerAccess,
    pool: &Pool,
    options: SubscriptionOptions,
) -> Arc<dyn Subscription> {
    let broker = broker::StompBroker::new(address, access, options.slots);
    Arc::new(HeldSubscription::new(broker, pool.clone(), options))
}

/// Returns how STOMP names a queue of ActiveMQ.
fn destination(queue: &str) -> String {
    format!("/queue/{queue}")
}

/// Returns the name of the dead-letter queue that ActiveMQ uses if its `individualDeadLetterStrategy` has the usual
/// prefix.
fn dead_letters(queue: &str) -> String {
    format!("DLQ.{queue}")
}
