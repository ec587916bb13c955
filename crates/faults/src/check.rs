//! Whether a run that is over kept what was promised. Reads the history and the database; changes nothing.
//!
//! The model is [Jepsen's](https://jepsen.io) total queue: nothing acknowledged is lost, nothing unexpected appears.
//!
//! # Layout
//! - `answers`: what the clients were told (G1, G2, G7)
//! - `changes`: how the jobs changed (G4, G5)
//! - `calendars`: what was stored (G3)
//! - [`check`]: all of it, and the dead letters (G8)

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use diesel::deserialize::QueryableByName;
use diesel::sql_types::{Jsonb, Nullable, Text};
use diesel::{PgConnection, RunQueryDsl};
use shared_model::job::{ErrorCode, JobError, JobId, JobStatus};
use shared_model::message::JobMessage;
use uuid::Uuid;

use crate::history::{Expected, History};
use crate::queue::Queue;
use crate::system::System;

mod answers;
mod calendars;
mod changes;

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which: G1 to G8.
    pub guarantee: &'static str,
    /// What happened instead.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.guarantee, self.what)
    }
}

/// What a run came to.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Jobs that were promised.
    pub jobs: usize,
    /// Jobs by the status that they ended in.
    pub ended: BTreeMap<&'static str, usize>,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, usize>,
    /// Promised jobs that are gone or have not ended.
    pub lost: usize,
    /// Second jobs for one request, second results for one job.
    pub duplicated: usize,
    /// Jobs that nobody asked for, failures that nothing explains.
    pub unexpected: usize,
    /// Jobs that went back.
    pub regressions: usize,
    /// The longest that a running job stood still after the last fault before it went on was over, whichever process
    /// that one struck.
    pub longest_recovery: Duration,
    /// The longest that a running job stood still at all, all the faults meanwhile included.
    pub longest_standstill: Duration,
    /// All that was broken.
    pub violations: Vec<Violation>,
}

impl Verdict {
    pub(crate) fn broken(&mut self, guarantee: &'static str, what: impl Into<String>) {
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

/// Checks a run whose faults are healed and whose queue is drained. `recovery` is the longest that a running job may
/// stand still once a fault is over.
///
/// # Errors
/// When the database or the queue can't be read; that is no verdict.
pub async fn check(system: &System, recovery: Duration) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    for fault in system.history.faults() {
        *verdict.faults.entry(fault.kind).or_default() += 1;
    }
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
    answers::check(&system.history, &jobs, &mut verdict);
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

/// Only what was made to fail has failed; and the queue gave up none but those (G8).
fn check_failures(expected: &Expected, jobs: &Jobs, verdict: &mut Verdict) {
    for (id, job) in jobs {
        let is_expected = expected.failures.contains(id);
        if job.status == JobStatus::Failure && !is_expected {
            verdict.unexpected += 1;
            let error = &job.error;
            verdict.broken("G1", format!("{id} failed, and nothing made it: {error:?}"));
            if error
                .as_ref()
                .is_some_and(|error| error.code == ErrorCode::DeadLettered)
            {
                verdict.broken("G8", format!("{id} is no poison, and the queue gave it up"));
            }
        }
        if job.status == JobStatus::Success && is_expected {
            verdict.broken("G1", format!("{id} was made to fail and succeeded"));
        }
    }
}

async fn check_dead_letters(system: &System, verdict: &mut Verdict) -> anyhow::Result<()> {
    let Queue::Sqs(queue) = &system.queue else {
        return Ok(());
    };
    let expected = system.history.expected();
    // a worker that has looked at one which it can't read hides it for minutes
    let hidden = queue.dead_letter_depth().await?.in_flight as usize;
    if hidden > expected.unreadable.len() {
        verdict.broken(
            "G8",
            format!(
                "{hidden} messages of the dead-letter queue are hidden; {} can't be read",
                expected.unreadable.len()
            ),
        );
    }
    for body in queue.take_dead_letters().await? {
        let is_poison = match JobMessage::decode(&body) {
            Ok(message) => expected.failures.contains(&message.job_id),
            Err(_) => expected.unreadable.contains(&body),
        };
        if !is_poison {
            verdict.broken(
                "G8",
                format!("an innocent message is in the dead-letter queue: {body}"),
            );
        }
    }
    Ok(())
}

/// As the client-side part of [`check`] alone, for a run that is still going on.
pub fn check_answers_so_far(history: &History) -> Vec<Violation> {
    let mut verdict = Verdict::default();
    answers::check_server_errors(&history.exchanges(), &mut verdict);
    answers::check_seen(&history.exchanges(), &mut verdict);
    verdict.violations
}
