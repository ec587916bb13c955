//! A private PostgreSQL, a local SQS endpoint and other local queue servers, for the launcher and for the tests of every crate.
//!
//! The functions block the thread, except two in [`testing`]: call them before an async runtime has work to do, or from
//! a blocking thread.
//!
//! # Layout
//!
//! - [`child_guard`]: a child process that ends when its parent does
//! - [`postgres`]: finds or downloads PostgreSQL's programs, creates and runs a cluster
//! - [`sqs`]: installs and runs ministack, a local SQS, and manages its queues
//! - [`brokers`]: runs the servers of other queues that are installed
//! - [`http`]: requests to the services that run
//! - [`testing`]: what tests share: a timeout, waiting, a database for each test
//! - `environment`, `ports`, `waiting`, `error`: the environment variables that this crate reads, free ports, waiting
//!   for another process, errors
//!
//! A service started here never outlives the process that started it, not even after SIGKILL. It never listens on an
//! address that other machines can reach. This crate never knows about todos, jobs or migrations: its callers pass in
//! what they need.

pub mod brokers;
pub mod child_guard;
pub mod http;
pub mod postgres;
pub mod sqs;
pub mod testing;

mod environment;
mod error;
mod ports;
mod waiting;

pub use error::Error;
pub use ports::free_port;
