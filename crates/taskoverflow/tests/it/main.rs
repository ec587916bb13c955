//! Tests of the launcher with a real PostgreSQL, API and workers: settings, signals and exit codes.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests, and functions that only tests call, can do nothing else"
)]

mod existing;
#[cfg(target_os = "linux")]
mod isolation;
mod life;
mod lint;
mod metrics;
mod monitoring;
mod refusals;
mod roles;
mod settings;
mod support;
