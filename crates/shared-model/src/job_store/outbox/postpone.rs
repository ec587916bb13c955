//! Messages that workers have received and that are to be sent again later.

use std::collections::HashMap;
use std::time::Duration;

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, Bool, Double, Integer};
use uuid::Uuid;

use crate::database::{DatabaseError, prepared};
use crate::job::JobId;
use crate::job_store::column::column;

/// A message that a worker has received and that is to be sent again later, because its queue can't delay it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Postponed {
    /// The job.
    pub id: JobId,
    /// The generation in the message.
    pub generation: i32,
    /// How long from now it is to be sent at the latest. A message that is to be sent earlier anyway is sent then.
    pub delay: Duration,
}

/// What became of a message that was to be postponed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostponedAs {
    /// A relay will send it again, so it may be deleted.
    Written,
    /// The message is stale: the job has ended, no longer exists, or has been redriven. The message may be deleted.
    Stale,
    /// Another session has locked the job's row for a moment. The message must not be deleted.
    Busy,
}

/// Writes into the rows of jobs that their messages are to be sent again, in one statement. Returns one answer for each, in
/// the same order. Several copies of one message become one.
///
/// The number of sends grows: a relay may still be about to record that it has sent the message that was received, and must
/// not take that for the message that is to be sent.
///
/// # Errors
/// Returns an error if the database does not answer. The messages must then not be deleted.
pub fn postpone(
    connection: &mut PgConnection,
    messages: &[Postponed],
) -> Result<Vec<PostponedAs>, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Uuid)]
        id: Uuid,
        #[diesel(sql_type = Integer)]
        generation: i32,
        #[diesel(sql_type = Bool)]
        is_written: bool,
        #[diesel(sql_type = Bool)]
        is_open: bool,
    }
    let query = diesel::sql_query(
        "WITH wanted AS MATERIALIZED (
             SELECT * FROM unnest($1, $2, $3) AS wanted (id, generation, seconds)),
         free AS MATERIALIZED (
             SELECT job.id, min(wanted.seconds) AS seconds
             FROM wanted CROSS JOIN LATERAL (
                 SELECT job.id FROM calendar_jobs AS job
                 WHERE job.id = wanted.id AND job.generation = wanted.generation AND job.finished_at IS NULL
                 FOR NO KEY UPDATE SKIP LOCKED) AS job
             GROUP BY job.id),
         written AS (
             UPDATE calendar_jobs AS job
             SET sends = sends + 1, send_after = least(job.send_after, now() + make_interval(secs => free.seconds))
             FROM free WHERE job.id = free.id RETURNING job.id, job.generation)
         SELECT wanted.id, wanted.generation,
                (wanted.id, wanted.generation) IN (SELECT id, generation FROM written) AS is_written,
                coalesce(job.generation = wanted.generation AND job.finished_at IS NULL, false) AS is_open
         FROM wanted LEFT JOIN calendar_jobs AS job ON job.id = wanted.id",
    )
    .bind::<Array<diesel::sql_types::Uuid>, _>(column(messages, |one| one.id.0))
    .bind::<Array<Integer>, _>(column(messages, |one| one.generation))
    .bind::<Array<Double>, _>(column(messages, |one| one.delay.as_secs_f64()));
    let rows: Vec<Row> = prepared(query).load(connection)?;
    let answers: HashMap<(JobId, i32), PostponedAs> = rows
        .into_iter()
        .map(|row| {
            let answer = match (row.is_written, row.is_open) {
                (true, _) => PostponedAs::Written,
                (false, false) => PostponedAs::Stale,
                (false, true) => PostponedAs::Busy,
            };
            ((JobId(row.id), row.generation), answer)
        })
        .collect();
    let answer = |one: &Postponed| answers.get(&(one.id, one.generation)).copied();
    Ok(messages
        .iter()
        .map(|one| answer(one).unwrap_or(PostponedAs::Busy))
        .collect())
}
