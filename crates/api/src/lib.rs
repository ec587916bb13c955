//! The HTTP API of TaskOverflow, and the relay that publishes its jobs.
//!
//! # Layout, in the order a job travels
//! - [`config`], [`server`], [`preparation`]: the process, from its settings to its end
//! - [`observe`]: what every request gets: an id, a line in the log, metrics
//! - [`routes`]: what can be asked
//! - [`query`], [`request_headers`], [`json_body`], [`todo_input`], [`deadline`], [`job_request`]: what a client sends, checked
//! - [`state`]: the one door to the database, shut until the schema is there
//! - [`todo_store`]: the todos, which only the API writes; jobs are stored by [`shared_model::jobs`]
//! - [`job_watch`]: tells who waits of their jobs' changes
//! - [`relay`]: from the outbox to the queue
//! - [`sweeper`]: what time or a lost message has overtaken
//! - [`todo_view`], [`job_view`], [`links`], [`cursor`], [`download`], [`stored_calendar`]: what a client gets
//! - [`feed_store`], [`feed_token`]: calendars that programs subscribe to
//! - [`problem`]: every error, as `application/problem+json`
//! - [`page`]: the page in the browser, embedded
//! - `openapi`, `swagger_ui`: the API's description, and the page to read and try it
//! - [`telemetry`]: the metrics' names
//!
//! A 202 means that the job's row is committed. No request waits for the queue, and no error's cause leaves the
//! process except in its log.

pub mod config;
pub mod cursor;
pub mod deadline;
pub mod download;
pub mod feed_store;
pub mod feed_token;
pub mod job_request;
pub mod job_view;
pub mod job_watch;
pub mod json_body;
pub mod links;
pub mod observe;
mod openapi;
pub mod page;
pub mod preparation;
pub mod problem;
pub mod query;
pub mod relay;
pub mod request_headers;
pub mod routes;
pub mod server;
pub mod state;
pub mod stored_calendar;
mod swagger_ui;
pub mod sweeper;
pub mod telemetry;
pub mod todo_input;
pub mod todo_store;
pub mod todo_view;

pub use config::Config;
pub use routes::openapi_document;
pub use server::{run, run_process};
