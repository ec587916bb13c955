//! The worker: receives deliveries from a queue, renders the calendars of their jobs, and stores them.
//!
//! # Layout, in the order a job travels
//! - [`config`]: the settings of the process
//! - [`process`]: startup, signals and shutdown
//! - [`database`]: the statements that many jobs share
//! - [`look`]: looks at the queue when the worker starts
//! - [`consumer`]: polls the queue for as many deliveries as there are free slots
//! - [`pause`]: whether an operator has paused processing
//! - [`in_flight`], [`heartbeat`]: the deliveries in flight, and the task that keeps them hidden from other workers
//! - `protection`: keeps ECS from stopping this task during long attempts
//! - [`handler`]: one delivery, from the claim on its job to its outcome
//! - [`isolation`]: runs a job that seems to crash its workers in a process of its own
//! - [`render`]: reads the todos and writes the calendar's bytes, with the crate [`calendar`]
//! - `rendered`: how that ended
//! - [`outcome`], [`settler`]: how a delivery ends, and how it is settled
//! - [`mod@evidence`]: what the worker knows about the queue, by which lost messages are found
//! - [`dead_letters`]: ends the jobs whose messages the queue moved to its dead-letter queue
//! - [`operations`]: what an operator can do about failed jobs
//! - [`health`], [`telemetry`]: the state of the worker, and its metrics
//! - [`admin`]: serves the health and the metrics at `/livez`, `/readyz`, `/startedz` and `/metrics`
//!
//! The worker never settles a delivery before the database has stored the job's new state, and never writes to a job
//! that it has not claimed.

pub mod admin;
pub mod config;
pub mod consumer;
pub mod database;
pub mod dead_letters;
pub mod evidence;
pub mod handler;
pub mod health;
pub mod heartbeat;
pub mod in_flight;
pub mod isolation;
pub mod look;
pub mod operations;
pub mod outcome;
pub mod pause;
pub mod process;
mod protection;
pub mod render;
mod rendered;
pub mod settler;
pub mod telemetry;

pub use process::{run_process, run_process_with};
