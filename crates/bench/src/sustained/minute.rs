//! What one minute looked like.

use std::time::Instant;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Text};
use serde::Serialize;

use crate::http::Connection;
use crate::load::JOBS;
use crate::measure::Memory;
use crate::system::System;

const STATUSES: [&str; 6] = [
    "PENDING", "STARTED", "RETRY", "SUCCESS", "FAILURE", "REVOKED",
];

/// One minute.
#[derive(Debug, Clone, Serialize)]
pub struct Minute {
    /// Jobs completed, per second.
    pub rate: f64,
    /// The median time from acceptance to completion, in milliseconds.
    pub p50_ms: f64,
    /// The 99th percentile of the same.
    pub p99_ms: f64,
    /// The tables of jobs and results, at the end.
    pub tables: Vec<Table>,
    /// Their indexes, at the end.
    pub indexes: Vec<Index>,
    /// Memory at the end.
    pub memory: Memory,
    /// How long the lists of jobs took, at the end.
    pub listings: Vec<Listing>,
}

/// A table.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub struct Table {
    /// The name.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// Rows that nobody needs any more and vacuum has not removed yet.
    #[diesel(sql_type = BigInt)]
    pub dead_rows: i64,
    /// The size without indexes, in bytes, including TOAST.
    #[diesel(sql_type = BigInt)]
    pub bytes: i64,
    /// How many times autovacuum has processed it.
    #[diesel(sql_type = BigInt)]
    pub autovacuums: i64,
}

/// An index.
#[derive(Debug, Clone, Serialize, QueryableByName)]
pub struct Index {
    /// The name.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// The size in bytes.
    #[diesel(sql_type = BigInt)]
    pub bytes: i64,
}

/// A list of the newest jobs with one status.
#[derive(Debug, Clone, Serialize)]
pub struct Listing {
    /// The status.
    pub status: &'static str,
    /// The response time, in milliseconds.
    pub ms: f64,
}

#[derive(QueryableByName)]
struct Completed {
    #[diesel(sql_type = BigInt)]
    jobs: i64,
    #[diesel(sql_type = Double)]
    p50_ms: f64,
    #[diesel(sql_type = Double)]
    p99_ms: f64,
}

/// Reads the minute between two times, in seconds since 1970.
pub(super) async fn read(
    system: &System,
    database: &mut PgConnection,
    since: f64,
    until: f64,
) -> anyhow::Result<Minute> {
    let completed = completed(database, since, until)?;
    let tables = diesel::sql_query(
        "SELECT relname::text AS name, n_dead_tup AS dead_rows, pg_table_size(relid) AS bytes,
                autovacuum_count AS autovacuums
         FROM pg_stat_user_tables WHERE relname IN ('calendar_jobs', 'calendar_results') ORDER BY 1",
    )
    .load(database)?;
    let indexes = diesel::sql_query(
        "SELECT indexrelname::text AS name, pg_relation_size(indexrelid) AS bytes FROM pg_stat_user_indexes
         WHERE relname IN ('calendar_jobs', 'calendar_results') ORDER BY 1",
    )
    .load(database)?;
    #[expect(clippy::cast_precision_loss, reason = "a rate is not that exact")]
    Ok(Minute {
        rate: completed.jobs as f64 / (until - since),
        p50_ms: completed.p50_ms,
        p99_ms: completed.p99_ms,
        tables,
        indexes,
        memory: Memory::read(system),
        listings: listings(system).await?,
    })
}

/// A job's id begins with the milliseconds of its acceptance, so the primary key finds the jobs of the last minutes
/// among millions.
fn completed(database: &mut PgConnection, since: f64, until: f64) -> QueryResult<Completed> {
    diesel::sql_query(
        "SELECT jobs, coalesce(ms[1], 0) AS p50_ms, coalesce(ms[2], 0) AS p99_ms FROM (
             SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY ms) AS ms, count(*) AS jobs FROM (
                 SELECT extract(epoch FROM finished_at - created_at)::float8 * 1000 AS ms FROM calendar_jobs
                 WHERE id >= rpad(lpad(to_hex((($1 - 120) * 1000)::bigint), 12, '0'), 32, '0')::uuid
                   AND finished_at >= to_timestamp($1) AND finished_at < to_timestamp($2)) AS times) AS summary",
    )
    .bind::<Double, _>(since)
    .bind::<Double, _>(until)
    .get_result(database)
}

async fn listings(system: &System) -> anyhow::Result<Vec<Listing>> {
    let mut listings = Vec::new();
    for address in system.addresses().into_iter().take(1) {
        let mut connection = Connection::open(address).await?;
        for status in STATUSES {
            let start = Instant::now();
            let path = format!("{JOBS}?status={status}&limit=100");
            let response = connection.get(&path).await?;
            anyhow::ensure!(response.status == 200, "GET {path}: {}", response.status);
            let ms = start.elapsed().as_secs_f64() * 1000.0;
            listings.push(Listing { status, ms });
        }
    }
    Ok(listings)
}
