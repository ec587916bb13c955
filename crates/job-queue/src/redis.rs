//! A stream in Redis or Valkey as a queue.
//!
//! The messages are the entries of a stream, and all workers read it as one consumer group, [`GROUP`]. Redis keeps which
//! consumer holds an entry, for how long nobody has touched it (its idle time), and how often it was delivered. That gives
//! everything a queue needs:
//!
//! - A delivery is hidden for as long as its idle time is below the visibility timeout of the consumer that holds it, which
//!   is part of the consumer's name. Any worker takes over what is due ([`scripts::TAKE_OVER`]).
//! - Extending a delivery sets its idle time to zero.
//! - A worker tells the server which deliveries it knows of. It gets the others that it holds again ([`in_flight`]).
//! - Releasing it gives it to the consumer [`LATER`], whose visibility timeout is [`MAX_VISIBILITY`](crate::MAX_VISIBILITY),
//!   with so much idle time that it is due after the delay.
//! - A message that can't be read moves to the stream `{STREAM}:dead`. The braces put both into one slot of a cluster.
//!
//! # Layout
//! - [`address`]: which server, stream and credentials
//! - [`connection`]: one connection, made again after it is lost; [`connecting`] makes it
//! - [`error`]: what the errors of Redis mean
//! - [`publisher`], [`subscription`]: the two halves of the queue
//! - [`scripts`]: what has to happen at once in the server
//! - [`entries`]: entries as they are read
//! - [`in_flight`]: the deliveries that this worker knows of
//! - [`inspect`]: what does not suit

use std::sync::Arc;

use shared_model::database::Pool;

use self::address::Address;
use self::publisher::RedisPublisher;
use self::subscription::RedisSubscription;
use crate::broker_access::BrokerAccess;
use crate::broker_address::BrokerAddress;
use crate::publisher::Publisher;
use crate::subscription::{Subscription, SubscriptionOptions};

mod address;
mod connecting;
mod connection;
mod entries;
mod error;
mod in_flight;
mod inspect;
mod publisher;
mod scripts;
mod subscription;

/// The consumer group of all workers.
const GROUP: &str = "taskoverflow";

/// The consumer that holds what was released. No worker has this name.
const LATER: &str = "later";

/// Returns the sending half of the stream. Makes no call yet.
pub(crate) fn publisher(address: &BrokerAddress, access: &BrokerAccess) -> Arc<dyn Publisher> {
    let address = Arc::new(Address::new(address, access));
    Arc::new(RedisPublisher::new(address))
}

/// Returns the receiving half of the stream. Makes no call yet.
pub(crate) fn subscription(
    address: &BrokerAddress,
    access: &BrokerAccess,
    _pool: &Pool,
    options: SubscriptionOptions,
) -> Arc<dyn Subscription> {
    let address = Arc::new(Address::new(address, access));
    Arc::new(RedisSubscription::new(address, options))
}
