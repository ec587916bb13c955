//! The real `queue` program with a local SQS endpoint, with one that fails on demand, and with local brokers.

#[cfg(test)]
mod as_the_original;
#[cfg(test)]
mod brokers;
#[cfg(test)]
mod comparing;
#[cfg(feature = "kafka")]
#[cfg(test)]
mod kafka;
#[cfg(test)]
mod operating;
#[cfg(test)]
mod rabbitmq_and_activemq;
#[cfg(test)]
mod receiving;
#[cfg(test)]
mod redis;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod sending;
#[cfg(test)]
mod support;
