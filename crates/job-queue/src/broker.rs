//! Chooses the module of a broker by its kind.

use std::fmt;
use std::sync::Arc;

use shared_model::database::Pool;

use crate::broker_access::BrokerAccess;
use crate::broker_address::{BrokerAddress, BrokerKind};
use crate::publisher::Publisher;
use crate::stomp;
use crate::subscription::{Subscription, SubscriptionOptions};

/// Returns the module for brokers of this kind, or `None` if this program was built without it.
#[cfg_attr(
    all(feature = "redis", feature = "amqp", feature = "kafka"),
    expect(clippy::unnecessary_wraps, reason = "only with all features")
)]
fn module(kind: BrokerKind) -> Option<Module> {
    match kind {
        #[cfg(feature = "redis")]
        BrokerKind::Redis => Some(Module {
            publisher: crate::redis::publisher,
            subscription: crate::redis::subscription,
        }),
        #[cfg(not(feature = "redis"))]
        BrokerKind::Redis => None,
        BrokerKind::ActiveMq => Some(Module {
            publisher: stomp::publisher,
            subscription: stomp::subscription,
        }),
        #[cfg(feature = "amqp")]
        BrokerKind::RabbitMq => Some(Module {
            publisher: crate::amqp::publisher,
            subscription: crate::amqp::subscription,
        }),
        #[cfg(not(feature = "amqp"))]
        BrokerKind::RabbitMq => None,
        #[cfg(feature = "kafka")]
        BrokerKind::Kafka => Some(Module {
            publisher: crate::kafka::publisher,
            subscription: crate::kafka::subscription,
        }),
        #[cfg(not(feature = "kafka"))]
        BrokerKind::Kafka => None,
    }
}

/// How to connect to brokers of a kind. Neither function makes a call; the broker may be unreachable.
#[derive(Clone, Copy)]
struct Module {
    publisher: fn(&BrokerAddress, &BrokerAccess) -> Arc<dyn Publisher>,
    subscription:
        fn(&BrokerAddress, &BrokerAccess, &Pool, SubscriptionOptions) -> Arc<dyn Subscription>,
}

/// A queue in a broker that this program was built for.
#[derive(Clone)]
pub struct Broker {
    address: BrokerAddress,
    module: Module,
}

impl Broker {
    /// Returns the queue with this address, or `None` if this program was built without the kind of its broker.
    pub(crate) fn new(address: BrokerAddress) -> Option<Self> {
        let module = module(address.kind)?;
        Some(Self { address, module })
    }

    /// Returns where the queue is.
    pub fn address(&self) -> &BrokerAddress {
        &self.address
    }

    /// Returns the sending half of the queue. Makes no call yet.
    pub fn publisher(&self, access: &BrokerAccess) -> Arc<dyn Publisher> {
        (self.module.publisher)(&self.address, access)
    }

    /// Returns the receiving half of the queue. Makes no call yet. Call it within a tokio runtime.
    pub fn subscription(
        &self,
        access: &BrokerAccess,
        pool: &Pool,
        options: SubscriptionOptions,
    ) -> Arc<dyn Subscription> {
        (self.module.subscription)(&self.address, access, pool, options)
    }
}

/// The module depends on nothing but the address.
impl PartialEq for Broker {
    fn eq(&self, other: &Self) -> bool {
        self.address == other.address
    }
}

impl Eq for Broker {}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}
