//! All privileges of the API and of a worker, as PostgreSQL sees them: a new table, or a grant that nobody thought of, is
//! missing here.

use diesel::connection::SimpleConnection;
use diesel::sql_types::Text;
use diesel::{PgConnection, QueryableByName, RunQueryDsl};
use shared_model::migrations;
use shared_model::roles::Process;

use crate::roles::{migrated, role};
use crate::support::{connect, login};

/// Every table, view and sequence, with the privileges on it or on some of its columns.
const API: &str = "\
__diesel_schema_migrations: SELECT
activity: DELETE INSERT SELECT UPDATE
api_sessions: DELETE INSERT SELECT
api_tokens: SELECT created_at:UPDATE
calendar_feeds: DELETE INSERT SELECT UPDATE
calendar_jobs: DELETE INSERT SELECT UPDATE
calendar_results: DELETE SELECT
event_deliveries: DELETE INSERT SELECT UPDATE
event_deliveries_id_seq:
processes: DELETE INSERT SELECT UPDATE
processes_id_seq:
processing: SELECT UPDATE
queue_evidence: SELECT
todos: DELETE INSERT SELECT UPDATE
todos_id_seq:";
const WORKER: &str = "\
__diesel_schema_migrations: SELECT
activity: INSERT SELECT UPDATE
api_sessions:
api_tokens:
calendar_feeds:
calendar_jobs: SELECT UPDATE
calendar_results: INSERT
event_deliveries: INSERT
event_deliveries_id_seq:
processes: INSERT SELECT UPDATE
processes_id_seq:
processing: SELECT
queue_evidence: INSERT SELECT UPDATE
todos: SELECT
todos_id_seq:";
/// The same for everything that is not a table.
const AROUND: &str = "CONNECT on the database, USAGE on public";

/// Returns a text that an expression of SQL calculates, in which `$1` is a role.
fn text(connection: &mut PgConnection, sql: &str, role: &str) -> String {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        text: String,
    }
    let query = diesel::sql_query(format!("SELECT {sql} AS text"));
    let row: Row = query.bind::<Text, _>(role).get_result(connection).unwrap();
    row.text
}

/// Asks PostgreSQL what the role may do, by whatever grants.
fn on_tables(connection: &mut PgConnection, role: &str) -> String {
    text(
        connection,
        r#"(WITH privileges AS MATERIALIZED (
                SELECT privilege
                FROM unnest('{DELETE,INSERT,MAINTAIN,REFERENCES,SELECT,TRIGGER,TRUNCATE,UPDATE}'::text[]) AS privilege
                WHERE privilege <> 'MAINTAIN' OR current_setting('server_version_num')::int >= 170000),
            relations AS (
                SELECT oid, relname FROM pg_class
                WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')),
            granted AS (
                SELECT oid, privilege AS text FROM relations, privileges WHERE has_table_privilege($1, oid, privilege)
                UNION ALL
                SELECT attrelid, attname || ':' || privilege
                FROM relations JOIN pg_attribute ON attrelid = oid AND attnum > 0 AND NOT attisdropped, privileges
                WHERE privilege IN ('INSERT', 'REFERENCES', 'SELECT', 'UPDATE')
                  AND has_column_privilege($1, oid, attnum, privilege) AND NOT has_table_privilege($1, oid, privilege)
                UNION ALL
                SELECT oid, privilege FROM pg_class, unnest('{SELECT,UPDATE,USAGE}'::text[]) AS privilege
                WHERE relkind = 'S' AND has_sequence_privilege($1, oid, privilege)),
            objects AS (
                SELECT oid, relname FROM relations
                UNION ALL
                SELECT oid, relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S')
            SELECT string_agg(rtrim(relname || ': ' || texts), E'\n' ORDER BY relname COLLATE "C")
            FROM (SELECT relname, coalesce(string_agg(text, ' ' ORDER BY text COLLATE "C"), '') AS texts
                  FROM objects LEFT JOIN granted USING (oid) GROUP BY relname) AS lines)"#,
        role,
    )
}

fn around(connection: &mut PgConnection, role: &str) -> String {
    text(
        connection,
        "(SELECT string_agg(privilege, ', ' ORDER BY privilege) FROM (
              SELECT privilege || ' on the database' AS privilege
              FROM unnest('{CONNECT,CREATE,TEMPORARY}'::text[]) AS privilege
              WHERE has_database_privilege($1, current_database(), privilege)
              UNION ALL
              SELECT privilege || ' on public' FROM unnest('{CREATE,USAGE}'::text[]) AS privilege
              WHERE has_schema_privilege($1, 'public', privilege)) AS granted)",
        role,
    )
}

fn assert_exact(owner: &str, api: &str, worker: &str) {
    let connection = &mut connect(owner);
    let advice = "if the new ones are right, add them here and in src/roles/grants.rs";
    assert_eq!(on_tables(connection, api), API, "{advice}");
    assert_eq!(on_tables(connection, worker), WORKER, "{advice}");
    for role in [api, worker] {
        assert_eq!(around(connection, role), AROUND);
    }
}

#[test]
fn each_process_has_exactly_the_privileges_in_this_list() {
    let [owner, ..] = migrated("listed_api", "listed_worker");
    assert_exact(&owner, "listed_api", "listed_worker");
}

#[test]
fn a_second_run_takes_back_whatever_else_was_granted() {
    let [owner, ..] = migrated("greedy_api", "greedy_worker");
    connect(&owner)
        .batch_execute(
            "GRANT ALL ON ALL TABLES IN SCHEMA public TO greedy_api, greedy_worker;
             GRANT UPDATE (sha256, scope) ON api_tokens TO greedy_api; GRANT SELECT (sha256) ON api_tokens TO greedy_worker;
             GRANT ALL ON SCHEMA public TO greedy_worker;
             DO $$ BEGIN
                 EXECUTE format('GRANT ALL ON DATABASE %I TO PUBLIC, greedy_api, greedy_worker', current_database());
             END $$",
        )
        .unwrap();
    let roles = [
        role(Process::Api, "greedy_api", None),
        role(Process::Worker, "greedy_worker", None),
    ];
    migrations::run_for(&mut connect(&owner), &roles).unwrap();
    assert_exact(&owner, "greedy_api", "greedy_worker");
}

#[test]
fn nobody_else_can_connect_and_nobody_can_fill_the_disk_with_temporary_tables() {
    let [owner, api, _] = migrated("alone_api", "alone_worker");
    connect(&owner)
        .batch_execute("CREATE ROLE stranger LOGIN PASSWORD 'x'")
        .unwrap();
    let stranger: Result<PgConnection, _> =
        diesel::Connection::establish(&login(&owner, "stranger", "x"));
    let refusal = stranger.map(|_| ()).unwrap_err().to_string();
    assert!(
        refusal.contains("permission denied for database"),
        "{refusal}"
    );
    let refusal = connect(&api)
        .batch_execute("CREATE TEMPORARY TABLE x ()")
        .unwrap_err()
        .to_string();
    assert!(refusal.contains("temporary tables"), "{refusal}");
}
