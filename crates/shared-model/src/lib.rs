//! The contract between the API and the worker: what a todo, a job and a message are, how they are stored, and
//! every step of a job's life.
//!
//! # Layout, in the order a job travels
//! - [`mod@todo`]: what a user wrote, and how todos are selected
//! - [`calendar_options`], [`job`]: what a client asked for, and how it stands
//! - [`message`]: the reference to a job that a queue carries
//! - [`job_store`]: the store, and the only place that changes a job's status
//! - [`results`]: the finished calendars
//! - [`database`], [`listener`], [`migrations`], [`schema`]: the way to Postgres
//! - [`settings`], [`logging`], [`startup`], [`shutdown`], [`process`]: how both processes start, stop and report their end
//! - [`mod@backoff`]: how long to wait for what does not answer
//! - [`healthcheck`]: how an image asks its process how it is
//!
//! An item belongs here only if both processes compile it. Nothing here serves HTTP or knows a queue or a calendar's
//! format.

pub mod backoff;
pub mod calendar_options;
pub mod database;
pub mod healthcheck;
pub mod job;
pub mod job_store;
pub mod listener;
pub mod logging;
pub mod message;
pub mod migrations;
pub mod process;
pub mod results;
pub mod schema;
pub mod settings;
pub mod shutdown;
pub mod startup;
pub mod todo;
