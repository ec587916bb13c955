//! Jobs whose message is in the dead-letter queue.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Integer, Jsonb};

use crate::database::DatabaseError;
use crate::job::{ErrorCode, JobError, JobId};
use crate::job_store::end::END;

/// What happened to a job whose message is in the dead-letter queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenUp {
    /// The job is now in FAILURE.
    Failed,
    /// The message was stale: the job had ended, is gone, or was redriven since.
    Stale,
    /// The job has been claimed, so another copy of its message is at work, or the message will count as lost.
    Claimed,
}

/// Ends a job in FAILURE because its message of this generation is in the dead-letter queue. Only a job that was never
/// claimed ends: copies of the message of a running job can get there too.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn give_up(
    connection: &mut PgConnection,
    id: JobId,
    generation: i32,
) -> Result<GivenUp, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Bool)]
        failed: bool,
    }
    let error = JobError::new(
        ErrorCode::DeadLettered,
        "the queue moved the job's message to the dead-letter queue: it was delivered too often without being completed",
    );
    let row: Option<Row> = diesel::sql_query(format!(
        "WITH job AS MATERIALIZED (
             SELECT id, status FROM calendar_jobs
             WHERE id = $1 AND generation = $2 AND status IN ('PENDING', 'RETRY', 'STARTED') FOR NO KEY UPDATE),
         failed AS (
             UPDATE calendar_jobs SET status = 'FAILURE', error = $3, {END}
             WHERE id IN (SELECT id FROM job WHERE status = 'PENDING') RETURNING id)
         SELECT EXISTS (SELECT FROM failed) AS failed FROM job"
    ))
    .bind::<diesel::sql_types::Uuid, _>(id.0)
    .bind::<Integer, _>(generation)
    .bind::<Jsonb, _>(&error)
    .get_result(connection)
    .optional()?;
    Ok(match row {
        None => GivenUp::Stale,
        Some(Row { failed: true }) => GivenUp::Failed,
        Some(Row { failed: false }) => GivenUp::Claimed,
    })
}
