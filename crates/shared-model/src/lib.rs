//! What the API and the worker share: todos, jobs and messages, how they are stored, every step in the life of a job,
//! and how a process starts and stops.
//!
//! # Layout, in the order a job travels
//! - [`mod@todo`]: a todo, and how todos are selected
//! - [`calendar_options`], [`job`]: what a client requests, and the state of a job
//! - [`message`]: the reference to a job that a queue carries
//! - [`job_store`]: the store of jobs, and the only code that changes the status of a job
//! - [`results`]: the finished calendars
//! - [`event_deliveries`]: the events that tell others how a job ended
//! - [`database`], [`migrations`], [`schema`], [`roles`]: the connection to PostgreSQL, its tables, and who may do what with
//!   them
//! - [`batch_lane`]: one statement for many callers
//! - [`notifier`], [`listener`]: hints between the processes, by PostgreSQL's NOTIFY
//! - [`processes`], [`mod@processing`], [`mod@activity`]: which processes run, whether the workers are paused, and what
//!   they do
//! - [`trace`]: the trace that a request or a job belongs to
//! - [`settings`], [`logging`], [`startup`], [`shutdown`], [`process`]: how a process starts and stops
//! - [`telemetry`]: the metrics of a process, for Prometheus and for CloudWatch
//! - [`mod@backoff`]: how long to wait before another attempt
//! - [`healthcheck`]: the command that asks a running process whether it is alive and ready
//!
//! An item belongs here only if both processes use it. Nothing here serves HTTP, and nothing knows the queue or the
//! format of calendars.

pub mod activity;
pub mod backoff;
pub mod batch_lane;
pub mod calendar_options;
pub mod database;
pub mod event_deliveries;
pub mod healthcheck;
pub mod job;
pub mod job_store;
pub mod listener;
pub mod logging;
pub mod message;
pub mod migrations;
pub mod notifier;
pub mod process;
pub mod processes;
pub mod processing;
pub mod results;
pub mod roles;
pub mod schema;
pub mod settings;
pub mod shutdown;
pub mod startup;
pub mod telemetry;
pub mod todo;
pub mod trace;
