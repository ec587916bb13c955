//! The fault suite: runs the real processes, injects faults, and checks that every guarantee is kept.
//!
//! # Layout
//! - [`cli`]: the commands of the program
//! - [`client`], [`history`]: requests, and the record of their outcomes and of the injected faults
//! - [`system`], [`process`]: the system under test; each process reaches the database and SQS through its own proxies
//! - [`database`], [`cluster`], [`queue`]: direct access to the database and the queue, without a proxy
//! - [`sqs_proxy`], [`postgres_proxy`], [`poison`]: the sources of faults, with the crate `tcp-proxy`
//! - [`supervisor`], [`soak`]: many jobs under a random mix of faults, with processes that are restarted when they end
//! - [`check`]: the checks of the guarantees G1 to G8
//!
//! This crate is never part of the service, and a check is never relaxed to make a run pass.

pub mod check;
pub mod cli;
pub mod client;
pub mod cluster;
pub mod database;
pub mod history;
pub mod poison;
pub mod postgres_proxy;
pub mod process;
pub mod queue;
pub mod soak;
pub mod sqs_proxy;
pub mod supervisor;
pub mod system;
