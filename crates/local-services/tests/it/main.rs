//! Tests of the real services: PostgreSQL from this machine, ministack from the Python package index.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "tests, and functions that only tests call, can do nothing else"
)]

mod child_guard;
mod postgres;
mod sqs;
mod support;
mod testing;
