//! How many jobs are completed, from the database.

use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Text};
use indicatif::ProgressBar;

/// How long nothing may be completed before the run counts as stuck.
const PATIENCE: Duration = Duration::from_mins(1);
/// The least time between two counts.
const PAUSE: Duration = Duration::from_millis(200);
/// Counting may take this part of the time.
const SHARE: u32 = 50;

/// Returns how many jobs are completed.
pub(super) fn completed(database: &mut PgConnection) -> anyhow::Result<u64> {
    let count: i64 = diesel::select(diesel::dsl::sql::<BigInt>(
        "(SELECT count(*) FROM calendar_results)",
    ))
    .get_result(database)?;
    Ok(u64::try_from(count)?)
}

/// Waits until `jobs` jobs are completed.
///
/// # Errors
/// Returns an error if no job is completed for a minute.
pub(super) async fn wait_until_completed(
    database: &mut PgConnection,
    jobs: u64,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let mut progress = (0, Instant::now());
    loop {
        let start = Instant::now();
        let count = completed(database)?;
        bar.set_position(count);
        if count >= jobs {
            bar.finish_and_clear();
            return Ok(());
        }
        if count > progress.0 {
            progress = (count, start);
        }
        anyhow::ensure!(
            progress.1.elapsed() < PATIENCE,
            "{count} of {jobs} jobs are completed, and no other for {PATIENCE:?}"
        );
        tokio::time::sleep(PAUSE.max(start.elapsed() * SHARE)).await;
    }
}

/// Returns the time from the first claim to the last completion, in seconds, in all jobs so far.
pub(super) fn seconds(database: &mut PgConnection) -> QueryResult<f64> {
    diesel::select(diesel::dsl::sql::<Double>(
        "(SELECT extract(epoch FROM max(finished_at) - min(started_at))::float8 FROM calendar_jobs)",
    ))
    .get_result(database)
}

/// Returns the id of a completed job.
pub(super) fn any_completed(database: &mut PgConnection) -> QueryResult<String> {
    diesel::select(diesel::dsl::sql::<Text>(
        "(SELECT job_id::text FROM calendar_results LIMIT 1)",
    ))
    .get_result(database)
}
