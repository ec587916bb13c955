//! The stores against a real PostgreSQL.

mod lifecycle;
mod migrations;
mod outbox;
mod support;
