//! The table `activity`. [`report`](crate::processes::report) writes it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Double, Integer, Timestamptz};

use super::tally::Tally;
use crate::database::{DatabaseError, prepared};
use crate::job_store::sweeps::BATCH;

/// How long one row counts.
pub const PERIOD: Duration = Duration::from_secs(10);
/// How long rows are kept: 2 hours, in seconds.
const KEPT_SECONDS: f64 = 2.0 * 3600.0;

/// What all processes did in one period.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// When the period began. It lasts for [`PERIOD`].
    pub at: DateTime<Utc>,
    /// The counts.
    pub tally: Tally,
}

/// Returns what all processes did in the periods that began less than `age` ago, in order of time. Periods in which nothing
/// happened are missing. The last one may not be over.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn since(connection: &mut PgConnection, age: Duration) -> Result<Vec<Point>, DatabaseError> {
    let query = diesel::sql_query(
        "SELECT period, accepted, published, started, succeeded, failed, retried, revoked, wait_seconds, run_seconds
         FROM activity WHERE period > now() - make_interval(secs => $1) ORDER BY period",
    )
    .bind::<Double, _>(age.as_secs_f64());
    let rows: Vec<Row> = prepared(query).load(connection)?;
    let mut points: Vec<Point> = Vec::new();
    for row in rows {
        let tally = row.tally();
        match points.last_mut() {
            Some(point) if point.at == row.period => point.tally.add(&tally),
            _ => points.push(Point {
                at: row.period,
                tally,
            }),
        }
    }
    Ok(points)
}

/// Deletes a batch of the rows that are older than two hours. Returns their number.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn delete_old(connection: &mut PgConnection) -> Result<usize, DatabaseError> {
    let query = diesel::sql_query(
        "WITH old AS MATERIALIZED (
             SELECT period, process_id FROM activity WHERE period < now() - make_interval(secs => $1)
             ORDER BY period, process_id LIMIT $2)
         DELETE FROM activity USING old
         WHERE activity.period = old.period AND activity.process_id = old.process_id",
    )
    .bind::<Double, _>(KEPT_SECONDS)
    .bind::<BigInt, _>(BATCH);
    Ok(query.execute(connection)?)
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Timestamptz)]
    period: DateTime<Utc>,
    #[diesel(sql_type = Integer)]
    accepted: i32,
    #[diesel(sql_type = Integer)]
    published: i32,
    #[diesel(sql_type = Integer)]
    started: i32,
    #[diesel(sql_type = Integer)]
    succeeded: i32,
    #[diesel(sql_type = Integer)]
    failed: i32,
    #[diesel(sql_type = Integer)]
    retried: i32,
    #[diesel(sql_type = Integer)]
    revoked: i32,
    #[diesel(sql_type = Array<Integer>)]
    wait_seconds: Vec<i32>,
    #[diesel(sql_type = Array<Integer>)]
    run_seconds: Vec<i32>,
}

impl Row {
    fn tally(&self) -> Tally {
        let count = |stored: i32| u64::try_from(stored).unwrap_or(0);
        let mut tally = Tally {
            accepted: count(self.accepted),
            published: count(self.published),
            started: count(self.started),
            succeeded: count(self.succeeded),
            failed: count(self.failed),
            retried: count(self.retried),
            revoked: count(self.revoked),
            ..Tally::default()
        };
        tally.wait.add_column(&self.wait_seconds);
        tally.run.add_column(&self.run_seconds);
        tally
    }
}
