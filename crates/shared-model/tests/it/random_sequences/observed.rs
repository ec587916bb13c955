//! The rows as they are stored.

use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};
use diesel::{PgConnection, QueryableByName, RunQueryDsl};
use job_model::row::{Outbox, Row, Status};
use shared_model::job::{JobId, JobStatus};
use uuid::Uuid;

/// What a row shows of the model's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Observed {
    pub(super) status: JobStatus,
    pub(super) version: i64,
    pub(super) generation: i32,
    pub(super) attempt: i32,
    pub(super) claim: Option<Uuid>,
    /// Whether the lease of a running job has run out.
    pub(super) lease_lapsed: Option<bool>,
    /// Whether the pause of a job that waits for another attempt is over.
    pub(super) retry_due: Option<bool>,
    pub(super) outbox: Outbox,
    pub(super) sends: i32,
    pub(super) cancel_requested: bool,
    pub(super) results: i64,
    pub(super) history: History,
}

/// What the row still tells about what it has forgotten. The model has no history, so the world counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct History {
    /// Attempts that were followed by another one, lost messages, and redrives.
    pub(super) entries: i32,
    /// Whether the row names the worker and the time of its attempt.
    pub(super) has_attempt: bool,
}

impl Observed {
    /// What the model expects to see.
    pub(super) fn expected(row: &Row, tokens: &[Uuid], history: History) -> Self {
        Self {
            status: status(row.status),
            version: row.version.into(),
            generation: row.generation.into(),
            attempt: row.attempt.into(),
            claim: row.claim.map(|token| tokens[usize::from(token)]),
            lease_lapsed: (row.status == Status::Started).then_some(row.lease_lapsed),
            retry_due: (row.status == Status::Retry).then_some(row.retry_due),
            outbox: row.outbox,
            sends: row.sends.into(),
            cancel_requested: row.cancel_requested,
            results: row.results.into(),
            history,
        }
    }
}

pub(super) fn status(status: Status) -> JobStatus {
    match status {
        Status::Pending => JobStatus::Pending,
        Status::Started => JobStatus::Started,
        Status::Retry => JobStatus::Retry,
        Status::Success => JobStatus::Success,
        Status::Failure => JobStatus::Failure,
        Status::Revoked => JobStatus::Revoked,
    }
}

/// All rows.
pub(super) fn observe(connection: &mut PgConnection) -> Vec<(JobId, Observed)> {
    #[derive(QueryableByName)]
    struct Stored {
        #[diesel(sql_type = diesel::sql_types::Uuid)]
        id: Uuid,
        #[diesel(sql_type = Text)]
        status: JobStatus,
        #[diesel(sql_type = BigInt)]
        version: i64,
        #[diesel(sql_type = Integer)]
        generation: i32,
        #[diesel(sql_type = Integer)]
        attempt: i32,
        #[diesel(sql_type = Nullable<diesel::sql_types::Uuid>)]
        claim: Option<Uuid>,
        #[diesel(sql_type = Nullable<Bool>)]
        lease_lapsed: Option<bool>,
        #[diesel(sql_type = Nullable<Bool>)]
        retry_due: Option<bool>,
        #[diesel(sql_type = Nullable<Bool>)]
        send_due: Option<bool>,
        #[diesel(sql_type = Integer)]
        sends: i32,
        #[diesel(sql_type = Bool)]
        cancel_requested: bool,
        #[diesel(sql_type = BigInt)]
        results: i64,
        #[diesel(sql_type = Integer)]
        entries: i32,
        #[diesel(sql_type = Bool)]
        has_attempt: bool,
    }
    let rows: Vec<Stored> = diesel::sql_query(
        "SELECT id, status, version, generation, attempt, claim, lease_until <= now() AS lease_lapsed,
                retry_at <= now() AS retry_due, send_after <= now() AS send_due, sends, cancel_requested,
                (SELECT count(*) FROM calendar_results WHERE job_id = id) AS results,
                coalesce(jsonb_array_length(history), 0) AS entries,
                worker_id IS NOT NULL AND claimed_at IS NOT NULL AS has_attempt
         FROM calendar_jobs",
    )
    .load(connection)
    .unwrap();
    let observed = |row: Stored| Observed {
        status: row.status,
        version: row.version,
        generation: row.generation,
        attempt: row.attempt,
        claim: row.claim,
        lease_lapsed: row.lease_lapsed,
        retry_due: row.retry_due,
        outbox: match row.send_due {
            None => Outbox::Nothing,
            Some(false) => Outbox::Leased,
            Some(true) => Outbox::Due,
        },
        sends: row.sends,
        cancel_requested: row.cancel_requested,
        results: row.results,
        history: History {
            entries: row.entries,
            has_attempt: row.has_attempt,
        },
    };
    rows.into_iter()
        .map(|row| (JobId(row.id), observed(row)))
        .collect()
}
