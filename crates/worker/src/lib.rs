//! The worker: takes deliveries from a queue, renders the calendars that they ask for, and stores them.
//!
//! # Layout, in the order a job travels
//! - [`config`]: the settings of the process
//! - [`process`]: start, the signals, the end
//! - [`consumer`]: polls the queue for as much as there are hands for
//! - [`held`], [`heartbeat`]: what this worker holds, and how it keeps it
//! - [`handler`], [`room`]: one delivery from its claim to its outcome, beside others or alone
//! - [`render`]: from the todos' rows to the calendar's bytes, with the crate [`calendar`]
//! - [`outcome`], [`settler`]: how a delivery ends, told to the queue in batches
//! - [`dead_letters`]: what the queue gave up
//! - [`operations`]: what a person does about failed jobs
//! - [`admin`]: `/livez`, `/readyz`, `/metrics`
//!
//! It never settles a delivery before the database has the job's new state, and never writes to a job that it has no
//! claim to.

pub mod admin;
pub mod config;
pub mod consumer;
pub mod dead_letters;
pub mod handler;
pub mod heartbeat;
pub mod held;
pub mod operations;
pub mod outcome;
pub mod process;
pub mod render;
pub mod room;
pub mod settler;

pub use process::{run_process, run_process_with};
