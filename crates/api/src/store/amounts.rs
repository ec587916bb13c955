//! How much is stored.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use shared_model::database::{DatabaseError, prepared};

use crate::limits::usage::Amounts;

/// How many todos are counted. If there are more, the number is that of PostgreSQL's statistics.
const COUNTED_TODOS: i64 = 10_000;

/// Measures how much is stored. Counts at most as many jobs and feeds as there may be, because counting takes time.
///
/// # Errors
/// Returns an error if the query fails.
pub fn measure(connection: &mut PgConnection, max: Amounts) -> Result<Amounts, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        outstanding_jobs: i64,
        #[diesel(sql_type = BigInt)]
        counted_todos: i64,
        #[diesel(sql_type = BigInt)]
        estimated_todos: i64,
        #[diesel(sql_type = BigInt)]
        feeds: i64,
        #[diesel(sql_type = BigInt)]
        bytes: i64,
    }
    // the statistics of live rows are lost when PostgreSQL crashes; those of the planner are not, but they are older
    let query = diesel::sql_query(
        "SELECT (SELECT count(*) FROM (
                     SELECT FROM calendar_jobs WHERE status IN ('PENDING', 'STARTED', 'RETRY') LIMIT $1) AS jobs)
                     AS outstanding_jobs,
                (SELECT count(*) FROM (SELECT FROM todos LIMIT $2) AS todos) AS counted_todos,
                (SELECT greatest(reltuples::bigint, pg_stat_get_live_tuples(oid)) FROM pg_class
                 WHERE oid = 'todos'::regclass) AS estimated_todos,
                (SELECT count(*) FROM (SELECT FROM calendar_feeds LIMIT $3) AS feeds) AS feeds,
                (SELECT sum(pg_total_relation_size(stored))::bigint
                 FROM unnest('{todos,calendar_jobs,calendar_results,calendar_feeds}'::regclass[]) AS stored) AS bytes",
    )
    .bind::<BigInt, _>(to_limit(max.outstanding_jobs))
    .bind::<BigInt, _>(COUNTED_TODOS)
    .bind::<BigInt, _>(to_limit(max.feeds));
    let row: Row = prepared(query).get_result(connection)?;
    let todos = if row.counted_todos < COUNTED_TODOS {
        row.counted_todos
    } else {
        row.estimated_todos.max(COUNTED_TODOS)
    };
    Ok(Amounts {
        outstanding_jobs: from_count(row.outstanding_jobs),
        todos: from_count(todos),
        feeds: from_count(row.feeds),
        bytes: from_count(row.bytes),
    })
}

fn to_limit(max: u64) -> i64 {
    i64::try_from(max).unwrap_or(i64::MAX)
}

fn from_count(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
