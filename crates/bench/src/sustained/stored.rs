//! Finished jobs from before the run.

use diesel::prelude::*;
use diesel::sql_types::Integer;

use crate::progress;

/// Rows in one statement.
const CHUNK: u32 = 100_000;

/// Stores jobs that were accepted and finished in the last day: 98 % completed, 1 % failed, 1 % cancelled. They expire in
/// two days, so that no sweep deletes them during the run. The results are small, to save disk space.
pub(super) fn insert(database: &mut PgConnection, jobs: u32) -> anyhow::Result<()> {
    let bar = progress::bar("finished jobs are stored", jobs.into());
    let mut stored = 0;
    while stored < jobs {
        let chunk = CHUNK.min(jobs - stored);
        diesel::sql_query(
            "WITH numbers AS (
                 SELECT n, now() - interval '1 day' + n * (interval '23 hours' / $3) AS at
                 FROM generate_series($1, $1 + $2 - 1) AS n),
             jobs AS (
                 INSERT INTO calendar_jobs (id, status, version, attempt, request, error, created_at, started_at,
                                            finished_at, expiry, expires_at)
                 SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7'
                         || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid,
                        CASE n % 100 WHEN 0 THEN 'FAILURE' WHEN 1 THEN 'REVOKED' ELSE 'SUCCESS' END,
                        3, 1, '{}',
                        CASE n % 100 WHEN 0 THEN '{\"code\":\"timeout\",\"detail\":\"stored\"}'::jsonb END,
                        at, at + interval '10 ms', at + interval '20 ms', interval '2 days', now() + interval '2 days'
                 FROM numbers RETURNING id, status, expires_at)
             INSERT INTO calendar_results (job_id, content, sha256, gzip_sha256, byte_length, event_count,
                                           skipped_count, todos_fingerprint, expires_at)
             SELECT id, '\\x00', sha256('\\x00'), sha256('\\x00'), 1, 0, 0, '', expires_at
             FROM jobs WHERE status = 'SUCCESS'",
        )
        .bind::<Integer, _>(i32::try_from(stored)?)
        .bind::<Integer, _>(i32::try_from(chunk)?)
        .bind::<Integer, _>(i32::try_from(jobs)?)
        .execute(database)?;
        stored += chunk;
        bar.inc(chunk.into());
    }
    if jobs > 0 {
        bar.set_message("vacuum");
        diesel::sql_query("VACUUM ANALYZE calendar_jobs, calendar_results").execute(database)?;
    }
    bar.finish_and_clear();
    Ok(())
}
