//! The connections of a pool: their settings, their statements, and what happens when one breaks.

use diesel::sql_types::{BigInt, Text};
use diesel::{PgConnection, QueryableByName, RunQueryDsl};
use shared_model::database::DatabaseError;
use shared_model::job_store::outbox;

use crate::support::{STATEMENT_TIMEOUT, connect, database_url, pool};

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

fn number(connection: &mut PgConnection, sql: &str) -> Result<i64, DatabaseError> {
    let row: Number = diesel::sql_query(sql).get_result(connection)?;
    Ok(row.number)
}

fn setting(connection: &mut PgConnection, name: &str) -> Result<String, DatabaseError> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        value: String,
    }
    let sql = format!("SELECT current_setting('{name}') AS value");
    let row: Row = diesel::sql_query(sql).get_result(connection)?;
    Ok(row.value)
}

#[tokio::test]
async fn a_session_limits_statements_locks_and_idle_transactions_and_scans_no_tables() {
    let pool = pool(&database_url(), 1);
    let settings = pool.run(|connection| {
        [
            "statement_timeout",
            "lock_timeout",
            "idle_in_transaction_session_timeout",
            "enable_seqscan",
            "jit",
        ]
        .into_iter()
        .map(|name| setting(connection, name))
        .collect::<Result<Vec<_>, DatabaseError>>()
    });
    let expected = [
        &format!("{}s", STATEMENT_TIMEOUT.as_secs()),
        "3s",
        "10s",
        "off",
        "off",
    ];
    assert_eq!(settings.await.unwrap(), expected);
}

#[tokio::test]
async fn a_connection_that_broke_is_replaced() {
    const PID: &str = "SELECT pg_backend_pid()::bigint AS number";
    let url = database_url();
    let pool = pool(&url, 1);
    let broken = pool
        .run(|connection| number(connection, PID))
        .await
        .unwrap();
    let end = format!("SELECT pg_terminate_backend({broken}, 60000)::int::bigint AS number");
    assert_eq!(number(&mut connect(&url), &end).unwrap(), 1);
    let first = pool.run(|connection| number(connection, PID)).await;
    assert!(
        matches!(first, Ok(pid) if pid != broken)
            || matches!(first, Err(DatabaseError::Unavailable(_))),
        "at most one call fails: {first:?}"
    );
    let next = pool
        .run(|connection| number(connection, PID))
        .await
        .unwrap();
    assert_ne!(next, broken);
}

#[tokio::test]
async fn a_statement_that_is_used_often_is_prepared_once() {
    let pool = pool(&database_url(), 1);
    let prepared = pool.run(|connection| {
        for _ in 0..3 {
            outbox::take(connection, 10)?;
        }
        number(
            connection,
            "SELECT count(*) AS number FROM pg_prepared_statements WHERE statement LIKE 'WITH due AS%'",
        )
    });
    assert_eq!(prepared.await.unwrap(), 1);
}

#[tokio::test]
async fn a_rejected_statement_does_not_cost_the_connection() {
    const PID: &str = "SELECT pg_backend_pid()::bigint AS number";
    let pool = pool(&database_url(), 1);
    let first = pool
        .run(|connection| number(connection, PID))
        .await
        .unwrap();
    let rejected = pool
        .run(|connection| number(connection, "SELECT 1 / 0 AS number"))
        .await;
    assert!(matches!(rejected, Err(DatabaseError::Query(_))));
    let second = pool
        .run(|connection| number(connection, PID))
        .await
        .unwrap();
    assert_eq!(second, first);
}
