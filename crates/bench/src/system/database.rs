//! PostgreSQL's settings, and the benchmark's own connections to it.

use diesel::prelude::*;
use diesel::sql_types::Integer;
use local_services::postgres::Cluster;

/// PostgreSQL's settings, apart from its defaults, among which are those for durability (`fsync`, `full_page_writes` and
/// `synchronous_commit` are on). The sizes are those of a small server. The extension counts statements.
pub const POSTGRES: [(&str, &str); 6] = [
    ("shared_preload_libraries", "pg_stat_statements"),
    ("pg_stat_statements.track", "all"),
    ("pg_stat_statements.max", "50000"),
    ("shared_buffers", "512MB"),
    ("max_wal_size", "4GB"),
    ("max_connections", "200"),
];

/// The role of the benchmark's own statements, which are not counted.
const ROLE: &str = "bench";

/// Stores the todos, and installs the extension that counts statements.
pub(super) fn prepare(cluster: &Cluster, todos: u32) -> anyhow::Result<()> {
    let role = format!("CREATE ROLE {ROLE} SUPERUSER");
    cluster.execute("postgres", &role)?;
    let mut connection = connect(cluster)?;
    diesel::sql_query("CREATE EXTENSION pg_stat_statements").execute(&mut connection)?;
    insert_todos(&mut connection, todos)
}

/// Inserts the todos that every calendar contains, and brings the statistics of the database up to date.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn insert_todos(connection: &mut PgConnection, todos: u32) -> anyhow::Result<()> {
    diesel::sql_query(
        "INSERT INTO todos (title, description, deadline_at)
         SELECT 'Todo ' || n, 'What has to be done for todo ' || n,
                timestamp '2026-01-01' + n * interval '1 hour'
         FROM generate_series(1, $1) AS n",
    )
    .bind::<Integer, _>(i32::try_from(todos)?)
    .execute(connection)?;
    // Autovacuum would do it sooner or later.
    diesel::sql_query("VACUUM ANALYZE").execute(connection)?;
    Ok(())
}

/// Connects to TaskOverflow's database.
///
/// # Errors
/// Returns an error if the server refuses.
pub fn connect(cluster: &Cluster) -> anyhow::Result<PgConnection> {
    connect_to(&cluster.url())
}

/// Connects to a database of the cluster.
///
/// # Errors
/// Returns an error if the server refuses.
pub fn connect_to(url: &str) -> anyhow::Result<PgConnection> {
    let mut connection = PgConnection::establish(url)?;
    diesel::sql_query(format!("SET ROLE {ROLE}")).execute(&mut connection)?;
    Ok(connection)
}
