//! PostgreSQL's counters.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Text};
use serde::Serialize;

/// Counts of the database server. The benchmark's own statements are not among them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, QueryableByName)]
pub struct Counters {
    /// Statements of TaskOverflow, including `BEGIN`, `COMMIT` and `SELECT 1`. Each is a round trip. A statement that
    /// is not prepared in advance needs a second one, which PostgreSQL does not count.
    #[diesel(sql_type = BigInt)]
    pub statements: i64,
    /// Notifications sent.
    #[diesel(sql_type = BigInt)]
    pub notifications: i64,
    /// Transactions that wrote rows. The commit of each one waits until the WAL is on the disk. A transaction that only
    /// sends notifications gets a transaction id too, but does not wait, and is not counted.
    #[diesel(sql_type = BigInt)]
    pub writing_commits: i64,
    /// Bytes of WAL.
    #[diesel(sql_type = BigInt)]
    pub wal_bytes: i64,
    /// Bytes of stored calendars, gzipped.
    #[diesel(sql_type = BigInt)]
    pub result_bytes: i64,
    /// Times the WAL was flushed to the disk. One flush can serve several commits.
    #[diesel(sql_type = BigInt)]
    pub wal_flushes: i64,
    /// Rows inserted and new versions of updated rows, in all tables except TOAST tables.
    #[diesel(sql_type = BigInt)]
    pub row_versions: i64,
    /// Rows inserted into TOAST tables, where PostgreSQL stores long values in pieces of 2 KB.
    #[diesel(sql_type = BigInt)]
    pub toast_rows: i64,
}

subtract_by_field!(
    Counters: statements, notifications, writing_commits, wal_bytes, result_bytes, wal_flushes, row_versions, toast_rows
);

/// A kind of statement, with parameters in place of constants.
#[derive(Debug, Clone, PartialEq, Serialize, QueryableByName)]
pub struct Statement {
    /// The text, on one line.
    #[diesel(sql_type = Text)]
    pub query: String,
    /// How many times it was executed.
    #[diesel(sql_type = BigInt)]
    pub calls: i64,
    /// Rows returned or written.
    #[diesel(sql_type = BigInt)]
    pub rows: i64,
    /// The time of all executions, in milliseconds.
    #[diesel(sql_type = Double)]
    pub total_ms: f64,
    /// The time of the longest execution, in milliseconds.
    #[diesel(sql_type = Double)]
    pub max_ms: f64,
}

#[derive(QueryableByName)]
struct Reported {
    #[diesel(sql_type = BigInt)]
    wal_flushes: i64,
    #[diesel(sql_type = BigInt)]
    row_versions: i64,
    #[diesel(sql_type = BigInt)]
    toast_rows: i64,
}

/// From this version, flushes of the WAL are counted in another view.
const FLUSHES_IN_PG_STAT_IO: i32 = 180_000;

/// Forgets all statements.
pub(super) fn reset_statements(connection: &mut PgConnection) -> QueryResult<()> {
    diesel::sql_query("SELECT pg_stat_statements_reset()")
        .execute(connection)
        .map(drop)
}

/// Reads the counters that are always up to date. The others are 0.
pub(super) fn immediate(connection: &mut PgConnection) -> QueryResult<Counters> {
    diesel::sql_query(
        "WITH own AS (
             SELECT calls, rows, toplevel, query ~* '(^|\\W)(notify\\s|pg_notify)' AS is_notify
             FROM pg_stat_statements
             WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
               AND userid = (SELECT oid FROM pg_roles WHERE rolname = session_user)),
         sums AS (
             SELECT coalesce(sum(calls) FILTER (WHERE toplevel), 0)::bigint AS statements,
                    coalesce(sum(greatest(calls, rows)) FILTER (WHERE is_notify), 0)::bigint AS notifications,
                    coalesce(sum(calls) FILTER (WHERE toplevel AND is_notify), 0)::bigint AS notifying_commits
             FROM own)
         SELECT statements, notifications,
                pg_snapshot_xmax(pg_current_snapshot())::text::bigint - notifying_commits AS writing_commits,
                (pg_current_wal_insert_lsn() - '0/0')::bigint AS wal_bytes,
                (SELECT coalesce(sum(octet_length(content)), 0)::bigint FROM calendar_results) AS result_bytes,
                0::bigint AS wal_flushes, 0::bigint AS row_versions, 0::bigint AS toast_rows
         FROM sums",
    )
    .get_result(connection)
}

impl Counters {
    /// Adds the counters that server processes report some time after they have become idle.
    pub(super) fn add_reported(&mut self, connection: &mut PgConnection) -> QueryResult<()> {
        let version: i32 = diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>(
            "current_setting('server_version_num')::integer",
        ))
        .get_result(connection)?;
        let flushes = if version < FLUSHES_IN_PG_STAT_IO {
            "SELECT wal_sync FROM pg_stat_wal"
        } else {
            "SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal'"
        };
        let reported: Reported = diesel::sql_query(format!(
            "SELECT ({flushes})::bigint AS wal_flushes,
                    coalesce(sum(n_tup_ins + n_tup_upd) FILTER (WHERE schemaname = 'public'), 0)::bigint
                        AS row_versions,
                    coalesce(sum(n_tup_ins) FILTER (WHERE schemaname = 'pg_toast'), 0)::bigint AS toast_rows
             FROM pg_stat_all_tables"
        ))
        .get_result(connection)?;
        self.wal_flushes = reported.wal_flushes;
        self.row_versions = reported.row_versions;
        self.toast_rows = reported.toast_rows;
        Ok(())
    }
}

/// Returns TaskOverflow's statements, most frequent first.
pub(super) fn statements(connection: &mut PgConnection) -> QueryResult<Vec<Statement>> {
    diesel::sql_query(
        "SELECT left(regexp_replace(query, '\\s+', ' ', 'g'), 400) AS query, sum(calls)::bigint AS calls,
                sum(rows)::bigint AS rows, sum(total_exec_time)::float8 AS total_ms,
                max(max_exec_time)::float8 AS max_ms
         FROM pg_stat_statements
         WHERE toplevel AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
           AND userid = (SELECT oid FROM pg_roles WHERE rolname = session_user)
         GROUP BY 1 ORDER BY calls DESC, query LIMIT 40",
    )
    .load(connection)
}
