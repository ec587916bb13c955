//! The HTTP API of TaskOverflow, and the relay that publishes its jobs to the queue.
//!
//! # Layout, in the order a job travels
//! - [`config`], [`allowed_hosts`], [`public_url`], [`server`]: the process, from its settings to its end
//! - [`migrate`]: the command that runs the migrations
//! - [`observe`]: the middleware around every request: request id, log, metrics
//! - [`admission`], [`limits`]: refuse requests while a limit is reached
//! - [`protection`]: refuses requests for other hosts, and changes by pages of other sites
//! - [`access`], [`authentication`]: who may call the API: tokens, and the middleware that checks them
//! - [`compression`]: compresses long responses
//! - [`routes`]: the endpoints of the API
//! - [`request`]: reads and checks what a client sends
//! - [`state`]: what all requests share, and their only access to the database
//! - [`connections`], [`lanes`]: the pools of connections, and the statements that many requests share
//! - [`store`]: todos, feeds, and what operators see; jobs are in [`shared_model::job_store`]
//! - [`background`]: the relay that publishes the job, the watch that reports its changes to waiting clients, and the
//!   sweeper that handles lost messages, overdue jobs and expired rows
//! - [`events`]: who is told when a job ends, and how; the background task `event_sender` sends the events
//! - [`response`]: what a client receives, errors included
//! - [`operations`]: the snapshots that operators watch
//! - [`feed_token`], [`fingerprint_cache`]: the secret in the URL of a feed, and whether its todos have changed
//! - [`random`]: how secrets are made
//! - [`host`]: the hosts in settings, headers and URLs
//! - [`page`]: the page in the browser, and Swagger UI
//! - [`readiness`], [`shared_check`], [`telemetry`]: how operators see the process
//!
//! A 202 means that the job is committed to the database. No request waits for the queue, and the cause of an internal
//! error appears only in the log, never in a response.

pub mod access;
pub mod admission;
pub mod allowed_hosts;
pub mod authentication;
pub mod background;
pub mod compression;
pub mod config;
pub mod connections;
pub mod events;
pub mod feed_token;
pub mod fingerprint_cache;
pub mod host;
pub mod lanes;
pub mod limits;
pub mod migrate;
pub mod observe;
pub mod operations;
pub mod page;
pub mod protection;
pub mod public_url;
pub mod random;
pub mod readiness;
pub mod request;
pub mod response;
pub mod routes;
pub mod server;
pub mod shared_check;
pub mod state;
pub mod store;
pub mod telemetry;

pub use config::Config;
pub use routes::openapi_document;
pub use server::{run, run_process};
