//! The HTTP API of TaskOverflow, and the relay that publishes its jobs to the queue.
//!
//! # Layout, in the order a job travels
//! - [`config`], [`server`]: the process, from its settings to its end
//! - [`background`]: waiting for the database, the relay to the queue, the sweeper, and news of jobs for clients that wait
//! - [`observe`]: what every request gets: an id, a line in the log, metrics
//! - [`routes`]: the calls of the API
//! - [`request`]: what a client sends, checked
//! - [`state`]: what all requests share, and their only way to the database
//! - [`store`]: the todos and the feeds; jobs are stored by [`shared_model::job_store`]
//! - [`response`]: what a client receives, errors included
//! - [`feed_token`]: the secret in the URL of a calendar that programs subscribe to
//! - [`page`]: the page in the browser and Swagger UI, embedded
//! - [`telemetry`]: the metrics' names
//!
//! A 202 means that the job's row is committed. No request waits for the queue, and the cause of an internal error
//! never leaves the process except in its log.

pub mod background;
pub mod config;
pub mod feed_token;
pub mod observe;
pub mod page;
pub mod public_url;
pub mod readiness;
pub mod request;
pub mod response;
pub mod routes;
pub mod server;
pub mod state;
pub mod store;
pub mod telemetry;

pub use config::Config;
pub use routes::openapi_document;
pub use server::{run, run_process};
