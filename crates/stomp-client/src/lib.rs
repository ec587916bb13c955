//! A client of [STOMP 1.2](https://stomp.github.io/stomp-specification-1.2.html), the text protocol of ActiveMQ Classic
//! and other brokers. There is no other way to ActiveMQ from Rust: its own protocol, `OpenWire`, has no client, and the
//! STOMP clients on crates.io are abandoned or have a copyleft licence.
//!
//! # Layout, in the order of a connection
//! - [`endpoint`]: where to connect, as whom, and whose certificates to trust
//! - `tls`: a TLS session on a TCP connection
//! - [`frame`]: what both sides send to each other, as text
//! - [`decoder`]: frames from the bytes that a server sends, with limits
//! - [`connection`]: commands, their receipts, subscriptions, heart-beats
//! - [`error`]: why there is no connection, or why a command failed
//!
//! A connection is never repeated here: when it has ended, all its messages belong to the broker again, and its user
//! decides whether to open another one. No input from a server can make this crate panic, or keep more in memory
//! than the messages that were asked for and the beginning of the next one.

pub mod connection;
pub mod decoder;
pub mod endpoint;
pub mod error;
pub mod frame;

mod tls;

pub use connection::{Connection, Incoming};
pub use endpoint::{Endpoint, Login, Trust};
pub use error::{CommandError, ConnectError};
pub use frame::{Command, Frame};
