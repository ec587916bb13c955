//! Databases, jobs, queues and workers for the tests.

mod consumer;
mod database;
mod queue;
mod sqs;
mod worker;

pub(crate) use consumer::{Running, Setup, VISIBILITY};
pub(crate) use database::{CLAIM, Database, login};
pub(crate) use queue::StubQueue;
pub(crate) use sqs::Sqs;
pub(crate) use worker::{BRIEF, Worker};
