//! How much is stored.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use shared_model::database::{DatabaseError, prepared};

use crate::limits::usage::{Amounts, MaxAmounts};

/// How many todos are counted. If there are more, the number is that of PostgreSQL's statistics.
const COUNTED_TODOS: i64 = 10_000;

/// Measures how much is stored. Counts at most as many jobs and feeds as there may be, because counting takes time, and
/// the jobs of each token only if `count_tokens`.
///
/// # Errors
/// Returns an error if a query fails.
pub fn measure(
    connection: &mut PgConnection,
    max: MaxAmounts,
    count_tokens: bool,
) -> Result<Amounts, DatabaseError> {
    let mut amounts = measure_tables(connection, max)?;
    for row in count_jobs(connection, max.outstanding_jobs, count_tokens)? {
        let jobs = from_count(row.jobs);
        amounts.outstanding_jobs += jobs;
        if let Some(token_name) = row.token_name {
            amounts.jobs_by_token.insert(token_name.into(), jobs);
        }
    }
    Ok(amounts)
}

#[derive(QueryableByName)]
struct JobsRow {
    #[diesel(sql_type = Nullable<Text>)]
    token_name: Option<String>,
    #[diesel(sql_type = BigInt)]
    jobs: i64,
}

/// Counts at most `max` jobs that have not ended, by their tokens or all together. The name of the token is not in the
/// index, so it costs more.
fn count_jobs(
    connection: &mut PgConnection,
    max: u64,
    by_token: bool,
) -> Result<Vec<JobsRow>, DatabaseError> {
    let query = if by_token {
        "SELECT token_name, count(*) AS jobs FROM (
             SELECT token_name FROM calendar_jobs WHERE status IN ('PENDING', 'STARTED', 'RETRY') LIMIT $1) AS jobs
         GROUP BY token_name"
    } else {
        "SELECT NULL::text AS token_name, count(*) AS jobs FROM (
             SELECT FROM calendar_jobs WHERE status IN ('PENDING', 'STARTED', 'RETRY') LIMIT $1) AS jobs"
    };
    let query = diesel::sql_query(query).bind::<BigInt, _>(to_limit(max));
    Ok(prepared(query).load(connection)?)
}

/// Measures everything but the jobs that have not ended.
fn measure_tables(
    connection: &mut PgConnection,
    max: MaxAmounts,
) -> Result<Amounts, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        counted_todos: i64,
        #[diesel(sql_type = BigInt)]
        estimated_todos: i64,
        #[diesel(sql_type = BigInt)]
        feeds: i64,
        #[diesel(sql_type = BigInt)]
        bytes: i64,
    }
    // PostgreSQL knows the number of live rows since it last counted them, and forgets that it has when it crashes. The
    // planner's number survives, but is as old as that count, so it does not know what was deleted.
    let query = diesel::sql_query(
        "SELECT (SELECT count(*) FROM (SELECT FROM todos LIMIT $1) AS todos) AS counted_todos,
                (SELECT CASE WHEN greatest(pg_stat_get_last_analyze_time(oid), pg_stat_get_last_autoanalyze_time(oid),
                                           pg_stat_get_last_vacuum_time(oid), pg_stat_get_last_autovacuum_time(oid))
                                  IS NOT NULL THEN pg_stat_get_live_tuples(oid)
                             ELSE greatest(reltuples::bigint, pg_stat_get_live_tuples(oid)) END
                 FROM pg_class WHERE oid = 'todos'::regclass) AS estimated_todos,
                (SELECT count(*) FROM (SELECT FROM calendar_feeds LIMIT $2) AS feeds) AS feeds,
                (SELECT sum(pg_total_relation_size(stored))::bigint
                 FROM unnest('{todos,calendar_jobs,calendar_results,calendar_feeds}'::regclass[]) AS stored) AS bytes",
    )
    .bind::<BigInt, _>(COUNTED_TODOS)
    .bind::<BigInt, _>(to_limit(max.feeds));
    let row: Row = prepared(query).get_result(connection)?;
    let todos = if row.counted_todos < COUNTED_TODOS {
        row.counted_todos
    } else {
        row.estimated_todos.max(COUNTED_TODOS)
    };
    Ok(Amounts {
        todos: from_count(todos),
        feeds: from_count(row.feeds),
        bytes: from_count(row.bytes),
        ..Amounts::default()
    })
}

fn to_limit(max: u64) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX)
}

fn from_count(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
