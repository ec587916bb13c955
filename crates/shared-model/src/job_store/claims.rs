//! What a worker does with a job: claim it, renew the claim, and record how the attempt ended.
//!
//! # Layout
//! - [`ClaimKey`], [`Claim`]: a worker's right to a job
//! - `pending`: claims from the table itself, for the queue `postgres:`
//! - `delivered`: claims on jobs whose messages a queue has delivered
//! - `renew`: keeps claims from running out
//! - `complete`: stores results
//! - `finish`: the other ends of an attempt

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Double, Integer, Jsonb, Nullable, Text, Timestamptz};
use std::time::Duration;
use uuid::Uuid;

use crate::job::{CalendarRequest, JobId};
use crate::trace::{self, Trace};

mod complete;
mod delivered;
mod finish;
mod pending;
mod renew;

pub use complete::{Completion, Written, complete};
pub use delivered::{Claimed, Delivered, claim_delivered};
pub use finish::{fail, retry, revoke, unclaim};
pub use pending::{EndedJob, claim_due, claim_pending, end_unclaimable, find_claimed};
pub use renew::{ClaimRenewal, Renewal, renew};

/// How many workers may die while they run a job beside others. After that, the job is a suspect.
const MAX_SHARED_CRASHES: i32 = 2;

/// A worker's right to a job. Every write under it fails once another worker has claimed the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClaimKey {
    /// The job.
    pub id: JobId,
    /// The claim, which the worker chose before it claimed the job. So it can repeat a claim whose answer was lost.
    pub claim: Uuid,
}

/// A claimed job.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The right to it.
    pub key: ClaimKey,
    /// The job's generation.
    pub generation: i32,
    /// The number of the attempt, from 1.
    pub attempt: i32,
    /// Whether the job seems to crash its workers: several have died while they ran it.
    pub is_suspect: bool,
    /// The calendar that the client asked for.
    pub request: CalendarRequest,
    /// When the job was accepted.
    pub created_at: DateTime<Utc>,
    /// The job's trace.
    pub trace: Trace,
    /// How many seconds after its acceptance the job was claimed.
    pub waited_seconds: f64,
}

/// The conditions of a claim.
#[derive(Debug, Clone, Copy)]
pub struct ClaimOptions {
    /// How long the claim lasts unless it is renewed.
    pub lease: Duration,
    /// A job that has had this many attempts can't be claimed.
    pub max_attempts: i32,
    /// The process that claims: its id among the [`processes`](crate::processes), or `None` while it has none.
    pub worker_id: Option<i32>,
}

/// A row that a claim returns.
#[derive(QueryableByName)]
struct ClaimRow {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: Uuid,
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    claim: Uuid,
    #[diesel(sql_type = Integer)]
    generation: i32,
    #[diesel(sql_type = Integer)]
    attempt: i32,
    #[diesel(sql_type = Bool)]
    is_suspect: bool,
    #[diesel(sql_type = Jsonb)]
    request: serde_json::Value,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Text>)]
    traceparent: Option<String>,
    #[diesel(sql_type = Double)]
    waited_seconds: f64,
}

impl ClaimRow {
    /// Returns the claim, or `None` if this release can't read the request. The claims of the same statement must not fail
    /// with it. Its lease runs out, so that a worker of another release can claim the job.
    fn claim(self) -> Option<Claim> {
        let trace = Trace::of_job(self.id, self.traceparent.as_deref());
        let request = serde_json::from_value(self.request)
            .inspect_err(|error| {
                trace::within(Some(trace), || {
                    log::error!("job.id":% = self.id, error:%; "the request of a job can't be read; its claim will expire");
                });
            })
            .ok()?;
        Some(Claim {
            key: ClaimKey {
                id: JobId(self.id),
                claim: self.claim,
            },
            generation: self.generation,
            attempt: self.attempt,
            is_suspect: self.is_suspect,
            request,
            created_at: self.created_at,
            trace,
            waited_seconds: self.waited_seconds,
        })
    }
}

/// The assignments of every claim; the statement adds `claim`, `worker_id`, `claimed_at`, `attempt` and `lease_until`. The
/// attempt is counted before any work is done, so a job that kills its worker still runs out of attempts. A claim proves
/// that the job's message arrived, so there is nothing left to send.
const CLAIM: &str = "status = 'STARTED', version = version + 1, retry_at = NULL, send_after = NULL, \
                     started_at = coalesce(started_at, now()), progress_done = 0";

/// Whether the last attempt at a job in RETRY crashed in a process of its own, or panicked. A job that was given up before
/// its attempt began may have no error; it may be a suspect all the same.
const HAS_CRASHED: &str =
    "coalesce(job.error ->> 'code', 'worker_stopped') IN ('panic', 'worker_stopped')";

/// The columns of [`ClaimRow`], of the table `job`.
const CLAIM_ROW: &str = "job.id, job.claim, job.generation, job.attempt, job.request, job.created_at, job.traceparent,
     extract(epoch FROM coalesce(job.claimed_at, now()) - job.created_at)::float8 AS waited_seconds";
