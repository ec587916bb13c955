//! Queues of local brokers, reached directly, without the code of the services. The tests of this crate and the fault suite
//! use them.
//!
//! The conformance suite, in `tests/it`, tests what the API and the worker rely on, on each kind of queue.
//!
//! # Layout
//! - [`broker`]: a queue of a local broker, and what a test does with it
//! - `kafka`: a Kafka for tests, with the feature `kafka`

pub mod broker;
#[cfg(feature = "kafka")]
pub mod kafka;

pub use broker::{BrokerQueue, Depth, Server};
