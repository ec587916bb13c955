//! What the API and the worker rely on, tested on each kind of queue.

#[cfg(test)]
mod activemq;
#[cfg(test)]
mod brokers;
#[cfg(test)]
mod conformance;
#[cfg(feature = "kafka")]
#[cfg(test)]
mod kafka;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod rabbitmq;
#[cfg(test)]
mod redis;
#[cfg(test)]
mod setup;
#[cfg(test)]
mod sqs;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tls;
