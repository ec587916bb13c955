//! How many jobs there are in each status.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Nullable, Text};
use shared_model::database::{DatabaseError, prepared};
use shared_model::job::JobStatus;

/// How many jobs are in each status that is counted. Successful and cancelled jobs are not.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct JobCounts {
    /// Jobs that wait for their first attempt.
    pub pending: i64,
    /// Running jobs.
    pub started: i64,
    /// Jobs that wait for another attempt.
    pub retry: i64,
    /// Failed jobs that have not expired.
    pub failed: i64,
    /// Failed jobs that ended within the last ten minutes.
    pub failed_in_ten_minutes: i64,
    /// For how long a job could have been attempted and was not, in seconds: the longest time since a waiting job was
    /// accepted or redriven, or since the backoff of a job ended. 0 if none waits.
    pub oldest_waiting_seconds: f64,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    status: JobStatus,
    #[diesel(sql_type = BigInt)]
    jobs: i64,
    #[diesel(sql_type = BigInt)]
    in_ten_minutes: i64,
    #[diesel(sql_type = Nullable<Double>)]
    oldest_seconds: Option<f64>,
}

/// Counts the jobs in each status, up to `limit`, because counting takes time. It looks only at those `limit`
/// failed jobs that were accepted last, and at those `limit` jobs in PENDING that were accepted first.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn count(connection: &mut PgConnection, limit: i64) -> Result<JobCounts, DatabaseError> {
    // The row comparisons are ranges of the index by status, which is read in its order and only as far as the limit.
    let query = diesel::sql_query(
        "SELECT waiting.status, counted.jobs, 0::bigint AS in_ten_minutes,
                extract(epoch FROM now() - CASE waiting.status
                    WHEN 'PENDING' THEN counted.since
                    WHEN 'RETRY' THEN (SELECT min(retry_at) FROM calendar_jobs WHERE status = 'RETRY')
                END)::float8 AS oldest_seconds
         FROM unnest(ARRAY['PENDING', 'STARTED', 'RETRY']) AS waiting (status)
         CROSS JOIN LATERAL (
             -- a redrive gives a job its whole expiry again, so it may wait for less time than jobs that were accepted later
             SELECT count(*) AS jobs, min(expires_at - expiry) AS since FROM (
                 SELECT expires_at, expiry FROM calendar_jobs AS job
                 WHERE (job.status, job.id) > (waiting.status, '00000000-0000-0000-0000-000000000000')
                   AND job.status <= waiting.status AND job.status <> 'SUCCESS'
                 ORDER BY job.status, job.id LIMIT $1) AS job) AS counted
         UNION ALL
         SELECT 'FAILURE', count(*) FILTER (WHERE expires_at > now()),
                count(*) FILTER (WHERE finished_at > now() - interval '10 minutes'), NULL
         FROM (
             SELECT expires_at, finished_at FROM calendar_jobs AS job
             WHERE (job.status, job.id) < ('FAILURE', 'ffffffff-ffff-ffff-ffff-ffffffffffff')
               AND job.status >= 'FAILURE' AND job.status <> 'SUCCESS'
             ORDER BY job.status DESC, job.id DESC LIMIT $1) AS job",
    )
    .bind::<BigInt, _>(limit);
    let rows: Vec<Row> = prepared(query).load(connection)?;
    Ok(counts(rows))
}

fn counts(rows: Vec<Row>) -> JobCounts {
    let mut counts = JobCounts::default();
    for row in rows {
        let count = match row.status {
            JobStatus::Pending => &mut counts.pending,
            JobStatus::Started => &mut counts.started,
            JobStatus::Retry => &mut counts.retry,
            JobStatus::Failure => &mut counts.failed,
            JobStatus::Success | JobStatus::Revoked => continue,
        };
        *count = row.jobs;
        counts.failed_in_ten_minutes += row.in_ten_minutes;
        let oldest = row.oldest_seconds.unwrap_or_default();
        counts.oldest_waiting_seconds = counts.oldest_waiting_seconds.max(oldest);
    }
    counts
}
