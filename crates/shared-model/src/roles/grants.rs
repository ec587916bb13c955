//! What each process needs.

use diesel::deserialize::QueryableByName;
use diesel::pg::PgConnection;
use diesel::sql_types::{Bool, Text};
use diesel::{QueryResult, RunQueryDsl};

use super::{Process, Role};

/// The privileges on one table, in alphabetical order. A process that needs none has an empty text.
struct Grant {
    table: &'static str,
    api: &'static str,
    worker: &'static str,
}

/// Every table of the database. Rows of `calendar_jobs` are created and deleted by the API; only a worker writes results,
/// which the API reads and deletes when they have expired.
const GRANTS: [Grant; 8] = [
    Grant {
        table: "__diesel_schema_migrations",
        api: "SELECT",
        worker: "SELECT",
    },
    Grant {
        table: "api_sessions",
        api: "DELETE, INSERT, SELECT",
        worker: "",
    },
    Grant {
        table: "api_tokens",
        // UPDATE for locks; no statement changes a token
        api: "DELETE, INSERT, SELECT, UPDATE",
        worker: "",
    },
    Grant {
        table: "calendar_feeds",
        api: "DELETE, INSERT, SELECT, UPDATE",
        worker: "",
    },
    Grant {
        table: "calendar_jobs",
        api: "DELETE, INSERT, SELECT, UPDATE",
        worker: "SELECT, UPDATE",
    },
    Grant {
        table: "calendar_results",
        api: "DELETE, SELECT",
        worker: "INSERT",
    },
    Grant {
        table: "queue_evidence",
        api: "SELECT",
        worker: "INSERT, SELECT, UPDATE",
    },
    Grant {
        table: "todos",
        api: "DELETE, INSERT, SELECT, UPDATE",
        worker: "SELECT",
    },
];

/// Gives a role exactly the privileges of its process. Changes only what differs.
pub(super) fn apply(connection: &mut PgConnection, role: &Role) -> QueryResult<()> {
    let name = &role.name;
    for grant in &GRANTS {
        let wanted = match role.process {
            Process::Api => grant.api,
            Process::Worker => grant.worker,
        };
        let table = grant.table;
        let granted = granted(connection, table, &name.to_string())?;
        if granted == wanted {
            continue;
        }
        if !granted.is_empty() {
            execute(connection, &format!("REVOKE ALL ON {table} FROM {name}"))?;
        }
        if !wanted.is_empty() {
            execute(connection, &format!("GRANT {wanted} ON {table} TO {name}"))?;
        }
    }
    // before PostgreSQL 15, everyone may create tables
    if may_create_tables(connection, &name.to_string())? {
        execute(connection, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")?;
    }
    Ok(())
}

/// Returns the privileges of a role on a table, in the form of [`Grant`].
fn granted(connection: &mut PgConnection, table: &str, role: &str) -> QueryResult<String> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        privileges: String,
    }
    let row: Row = diesel::sql_query(
        "SELECT coalesce(string_agg(privilege_type, ', ' ORDER BY privilege_type), '') AS privileges
         FROM pg_class, aclexplode(relacl)
         WHERE pg_class.oid = $1::regclass AND grantee = $2::regrole",
    )
    .bind::<Text, _>(table)
    .bind::<Text, _>(role)
    .get_result(connection)?;
    Ok(row.privileges)
}

fn may_create_tables(connection: &mut PgConnection, role: &str) -> QueryResult<bool> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Bool)]
        may_create: bool,
    }
    let row: Row =
        diesel::sql_query("SELECT has_schema_privilege($1, 'public', 'CREATE') AS may_create")
            .bind::<Text, _>(role)
            .get_result(connection)?;
    Ok(row.may_create)
}

fn execute(connection: &mut PgConnection, sql: &str) -> QueryResult<()> {
    diesel::sql_query(sql).execute(connection).map(drop)
}
