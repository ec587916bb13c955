//! Checks the guarantees after a run, from the history, the database and the dead-letter queue.
//!
//! The model is [Jepsen's](https://jepsen.io) total queue: nothing acknowledged is lost, and nothing unexpected appears.
//!
//! # Layout
//! - `responses`: what the clients were told (G1, G2, G4, G7)
//! - `changes`: how the jobs changed (G4, G5)
//! - `recovery`: how soon they continued after a fault
//! - `calendars`: the stored results (G3)
//! - [`check`]: all of these, the failures (G1) and the dead letters (G8)

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use diesel::deserialize::QueryableByName;
use diesel::sql_types::{Jsonb, Nullable, Text};
use diesel::{PgConnection, RunQueryDsl};
use shared_model::job::{ErrorCode, JobError, JobId, JobStatus};
use shared_model::message::JobMessage;
use uuid::Uuid;

use crate::history::Expected;
use crate::queue::Queue;
use crate::system::System;

mod calendars;
mod changes;
mod recovery;
mod responses;

pub use recovery::Recovery;

/// A guarantee that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The guarantee: G1 to G8.
    pub guarantee: &'static str,
    /// What happened instead.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.guarantee, self.what)
    }
}

/// The result of the checks.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// How many jobs were accepted.
    pub accepted: usize,
    /// The number of jobs by status.
    pub ended: BTreeMap<&'static str, usize>,
    /// The injected faults by kind, and how soon the jobs continued after them.
    pub faults: BTreeMap<&'static str, Recovery>,
    /// Accepted jobs that do not exist or have not ended.
    pub lost: usize,
    /// Second jobs for one key, and second results for one job.
    pub duplicated: usize,
    /// Jobs that no client requested, and unexpected failures.
    pub unexpected: usize,
    /// How many times the state of a job went back.
    pub regressions: usize,
    /// The longest time that a running job made no progress, counted from the end of the last fault in that time. The
    /// fault may be in any process.
    pub longest_recovery: Duration,
    /// The longest time that a running job made no progress, including the time that faults lasted.
    pub longest_standstill: Duration,
    /// Every violation.
    pub violations: Vec<Violation>,
}

impl Verdict {
    pub(crate) fn add_violation(&mut self, guarantee: &'static str, what: impl Into<String>) {
        self.violations.push(Violation {
            guarantee,
            what: what.into(),
        });
    }
}

/// A job's row.
#[derive(Debug, Clone, QueryableByName)]
struct JobRow {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: Uuid,
    #[diesel(sql_type = Text)]
    status: JobStatus,
    #[diesel(sql_type = Nullable<Jsonb>)]
    error: Option<JobError>,
    #[diesel(sql_type = Nullable<Text>)]
    idempotency_key: Option<String>,
}

type Jobs = HashMap<JobId, JobRow>;

/// Checks a run after its faults are healed and its queue is drained. `recovery` is the longest time that a running job
/// may make no progress after a fault is over.
///
/// # Errors
/// Returns an error if the database or the queue cannot be read.
pub async fn check(system: &System, recovery: Duration) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    let jobs: Jobs = system
        .database
        .run(load_jobs)
        .await?
        .into_iter()
        .map(|job| (JobId(job.id), job))
        .collect();
    for job in jobs.values() {
        *verdict.ended.entry(job.status.name()).or_default() += 1;
    }
    responses::check(&system.history, &jobs, &mut verdict);
    check_failures(&system.history.expected(), &jobs, &mut verdict);
    let changes = system.database.job_changes().await?;
    changes::check(&system.history, &changes, recovery, &mut verdict);
    calendars::check(&system.database, &mut verdict).await?;
    check_dead_letters(system, &mut verdict).await?;
    Ok(verdict)
}

fn load_jobs(connection: &mut PgConnection) -> anyhow::Result<Vec<JobRow>> {
    let query = "SELECT id, status, error, idempotency_key FROM calendar_jobs";
    Ok(diesel::sql_query(query).load(connection)?)
}

/// G1: only jobs that were made to fail have failed. G8: the queue dead-lettered only those.
fn check_failures(expected: &Expected, jobs: &Jobs, verdict: &mut Verdict) {
    for (id, job) in jobs {
        let is_expected = expected.failures.contains(id);
        if job.status == JobStatus::Failure && !is_expected {
            verdict.unexpected += 1;
            let error = &job.error;
            verdict.add_violation("G1", format!("{id} failed unexpectedly: {error:?}"));
            if error
                .as_ref()
                .is_some_and(|error| error.code == ErrorCode::DeadLettered)
            {
                verdict.add_violation("G8", format!("{id} is not poison and was dead-lettered"));
            }
        }
        if job.status == JobStatus::Success && is_expected {
            verdict.add_violation("G1", format!("{id} was made to fail and succeeded"));
        }
    }
}

async fn check_dead_letters(system: &System, verdict: &mut Verdict) -> anyhow::Result<()> {
    let expected = system.history.expected();
    let hidden = match &system.queue {
        // A worker that receives an unreadable message from the dead-letter queue hides it for minutes.
        Queue::Sqs(queue) => queue.dead_letter_depth().await?.in_flight as usize,
        Queue::Postgres | Queue::Broker(_) => 0,
    };
    if hidden > expected.unreadable.len() {
        verdict.add_violation(
            "G8",
            format!(
                "{hidden} messages of the dead-letter queue are in flight, but only {} are unreadable",
                expected.unreadable.len()
            ),
        );
    }
    for body in system.queue.take_dead_letters().await? {
        let is_poison = match JobMessage::decode(&body) {
            Ok(message) => expected.failures.contains(&message.job_id),
            Err(_) => expected.unreadable.contains(&body),
        };
        if !is_poison {
            verdict.add_violation(
                "G8",
                format!("an unexpected message is in the dead-letter queue: {body}"),
            );
        }
    }
    Ok(())
}
