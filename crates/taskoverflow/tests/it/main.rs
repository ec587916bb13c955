//! The launcher for real: PostgreSQL, the API and workers as processes, signals, exit codes.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests, and functions that only tests call, can do nothing else"
)]

mod given;
mod life;
mod lint;
mod refusals;
mod settings;
mod support;
