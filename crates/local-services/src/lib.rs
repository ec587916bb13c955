//! A private PostgreSQL and a local SQS endpoint, for the launcher and for the tests of every crate.
//!
//! Nothing started here outlives the process that started it, also when that process is killed with
//! SIGKILL, and nothing listens on an address that other machines can reach. The functions block; call
//! them before an async runtime has work to do, or from a blocking thread.
//!
//! # Layout
//!
//! - [`child_guard`]: a child process that ends when we do;
//! - [`postgres`]: finds PostgreSQL's programs, creates and runs a cluster;
//! - [`sqs`]: installs and runs ministack, an SQS of one process, and manages its queues;
//! - [`http`]: how to talk to what runs;
//! - [`testing`]: one cluster for a test process, and a fresh database for a test.
//!
//! Knows nothing of todos, jobs or migrations: whoever uses it passes those in.

pub mod child_guard;
pub mod http;
pub mod postgres;
pub mod sqs;
pub mod testing;

mod environment;
mod error;
mod ports;
mod waiting;

pub use error::{Error, explain};
pub use ports::free_port;
