//! The address of a queue in a broker: a URL with a scheme for each kind of broker. The services and the program `queue`
//! read it by the same rules, and display it without its password.
//!
//! # Layout
//! - [`address`]: the URL, the kinds of brokers, and the parts of a URL
//! - [`access`]: the files with the password and the authorities to trust
//! - [`kafka`]: the same for the client of Kafka

pub mod access;
pub mod address;
pub mod kafka;

pub use access::{AccessError, BrokerAccess};
pub use address::{BrokerAddress, BrokerKind, InvalidBrokerAddress};
pub use kafka::kafka_settings;
