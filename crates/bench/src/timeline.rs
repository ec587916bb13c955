//! The run second by second, from the jobs' own times.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double};
use serde::Serialize;

/// The run second by second.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Timeline {
    /// Every second from the first job to the last one.
    pub seconds: Vec<Second>,
    /// When each phase began, in seconds since the first of `seconds`.
    pub phases: Vec<(f64, &'static str)>,
}

/// One second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, QueryableByName)]
pub struct Second {
    /// When it began, in seconds since 1970.
    #[diesel(sql_type = Double)]
    pub epoch: f64,
    /// Jobs accepted in it.
    #[diesel(sql_type = BigInt)]
    pub accepted: i64,
    /// Jobs completed in it.
    #[diesel(sql_type = BigInt)]
    pub completed: i64,
    /// For jobs completed in it, the median time from acceptance to completion, in milliseconds.
    #[diesel(sql_type = Double)]
    pub p50_ms: f64,
    /// The 99th percentile of the same.
    #[diesel(sql_type = Double)]
    pub p99_ms: f64,
}

/// Names the phases of a run as they begin.
#[derive(Debug, Default)]
pub struct Phases(Vec<(f64, &'static str)>);

impl Phases {
    /// A phase begins now.
    ///
    /// # Errors
    /// Returns an error if the database does not answer.
    pub fn begin(&mut self, database: &mut PgConnection, name: &'static str) -> QueryResult<()> {
        self.0.push((epoch(database)?, name));
        Ok(())
    }

    /// Reads the timeline of all jobs that were accepted since the first phase began.
    ///
    /// # Errors
    /// Returns an error if the database does not answer.
    pub fn read(self, database: &mut PgConnection) -> QueryResult<Timeline> {
        let since = self.0.first().map_or(0.0, |(epoch, _)| *epoch);
        let seconds: Vec<Second> = diesel::sql_query(
            "WITH jobs AS (
                 SELECT extract(epoch FROM date_trunc('second', created_at))::float8 AS accepted_in,
                        extract(epoch FROM date_trunc('second', finished_at))::float8 AS completed_in,
                        extract(epoch FROM finished_at - created_at)::float8 * 1000 AS ms
                 FROM calendar_jobs WHERE created_at >= to_timestamp($1)),
             accepted AS (SELECT accepted_in AS epoch, count(*) AS accepted FROM jobs GROUP BY 1),
             completed AS (
                 SELECT completed_in AS epoch, count(*) AS completed,
                        percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY ms) AS ms
                 FROM jobs WHERE completed_in IS NOT NULL GROUP BY 1)
             SELECT epoch::float8, coalesce(accepted, 0) AS accepted, coalesce(completed, 0) AS completed,
                    coalesce(ms[1], 0) AS p50_ms, coalesce(ms[2], 0) AS p99_ms
             FROM generate_series((SELECT min(accepted_in) FROM jobs)::bigint,
                                  (SELECT max(greatest(accepted_in, completed_in)) FROM jobs)::bigint) AS epoch
             LEFT JOIN accepted USING (epoch) LEFT JOIN completed USING (epoch) ORDER BY epoch",
        )
        .bind::<Double, _>(since)
        .load(database)?;
        let first = seconds.first().map_or(since, |second| second.epoch);
        let phases = self.0.into_iter();
        Ok(Timeline {
            phases: phases
                .map(|(epoch, name)| ((epoch - first).max(0.0), name))
                .collect(),
            seconds,
        })
    }
}

/// Returns the database's time, in seconds since 1970.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn epoch(database: &mut PgConnection) -> QueryResult<f64> {
    diesel::select(diesel::dsl::sql::<Double>(
        "extract(epoch FROM clock_timestamp())::float8",
    ))
    .get_result(database)
}
