//! The fault suite: the real processes under every fault that they were built to survive, and the checks that they did.
//!
//! # Layout
//! - [`cli`]: what the program can do
//! - [`system`], [`process`]: a database, a queue, APIs and workers, each process with its own way to both
//! - [`database`], [`cluster`], [`queue`]: the same, past every fault
//! - [`sqs_proxy`], [`tcp_proxy`], [`poison`]: what goes wrong
//! - [`client`], [`history`]: what clients ask and are told
//! - [`supervisor`], [`soak`]: many jobs under a random mix of faults
//! - [`check`]: whether the guarantees G1 to G8 were kept
//!
//! Nothing here is part of the service, and no check is ever loosened to make a run pass.

pub mod check;
pub mod cli;
pub mod client;
pub mod cluster;
pub mod database;
pub mod history;
pub mod poison;
pub mod process;
pub mod queue;
pub mod soak;
pub mod sqs_proxy;
pub mod supervisor;
pub mod system;
pub mod tcp_proxy;
