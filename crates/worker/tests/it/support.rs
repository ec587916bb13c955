//! Databases, jobs, queues and worker processes for the tests.

mod database;
mod sqs;
mod worker;

pub(crate) use database::Database;
pub(crate) use sqs::{Sqs, body_of};
pub(crate) use worker::{BRIEF, Worker};
