//! The outbox of completion events: one row for each end of a job and each destination.
//!
//! A trigger stores the rows in the transaction that ends the job, so an event exists if and only if its job has ended. A
//! dispatcher takes rows under a lease, so that it holds no lock while a receiver answers, and deletes them when they
//! are delivered. If it dies between the two, another one delivers the event again, with the same id: delivery is at least
//! once. The events of one job reach a destination in order, because an event can't be taken while an earlier one waits.
//!
//! A receiver that does not answer delays only its own events. Each destination in the settings is a receiver, and so are
//! all clients' URLs with the same scheme, host and port. No client can name a receiver of the operators.
//!
//! # Layout, in the order an event travels
//! - [`EndOfJob`], [`Delivery`]: what is delivered, and where
//! - [`take`]: takes what is due, a share for each receiver
//! - [`settle`]: delivered, or failed
//! - [`overdue`]: how long those that should have been sent have waited
//! - [`operate`]: counts, lists and retries deliveries, for operators

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::job::{JobId, JobStatus};

pub mod operate;
pub mod overdue;
pub mod settle;
pub mod take;

/// The destination that stands for the topic.
pub const TOPIC: &str = "sns";

/// What precedes the URL of a webhook that the settings name. Clients' receivers are less, and those of
/// operators are not.
pub const OWN: &str = "own:";

/// How a job ended: what an event tells its receiver.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct EndOfJob {
    /// The job.
    pub task_id: JobId,
    /// Its status: one of those that are final.
    pub task_status: JobStatus,
    /// How many attempts were made.
    pub attempt: i32,
    /// Why it failed, as its status shows it. Not parsed, because a newer release may know more errors.
    pub error: Option<serde_json::Value>,
    /// How many todos the calendar leaves out, because they have no deadline.
    pub skipped_count: Option<i32>,
    /// When the job was accepted.
    pub created_at: DateTime<Utc>,
    /// When its first attempt began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
    /// The time until which it is kept.
    pub expires_at: DateTime<Utc>,
    /// The W3C trace context of the request, if it is stored.
    pub traceparent: Option<String>,
}

/// One attempt to deliver an event to a destination.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// The id of the row. Ids of one job are in the order of its events.
    pub id: i64,
    /// The job that ended.
    pub job_id: JobId,
    /// The id of the event: the same in each attempt and for each destination. It contains no dot, as Standard Webhooks
    /// require.
    pub event_id: String,
    /// Where it goes: [`TOPIC`], [`OWN`] and the URL of a webhook in the settings, or the URL that a client named.
    pub destination: String,
    /// The scheme, the host and the port in a client's URL, and otherwise the whole destination.
    pub receiver: String,
    /// What is sent: an [`EndOfJob`].
    pub event: serde_json::Value,
    /// The number of this attempt, from 1. It begins again when an operator retries the delivery.
    pub attempt: i32,
    /// How long ago the first attempt began: nothing if this is the first.
    pub tried_for: Duration,
    /// The version of the row that belongs to this attempt alone. Settling names it.
    pub version: i32,
}
