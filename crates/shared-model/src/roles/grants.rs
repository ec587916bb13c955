//! What each process needs.

use diesel::deserialize::QueryableByName;
use diesel::pg::PgConnection;
use diesel::sql_types::Text;
use diesel::{QueryResult, RunQueryDsl};

use super::{Process, Role, RoleError};

/// The privileges on one table, in alphabetical order. A process that needs none has an empty text.
struct Grant {
    table: &'static str,
    api: &'static str,
    worker: &'static str,
}

/// Every table of the database. Rows of `calendar_jobs` are created and deleted by the API; only a worker writes results,
/// which the API reads and deletes when they have expired.
const GRANTS: [Grant; 12] = [
    Grant {
        table: "__diesel_schema_migrations",
        api: "SELECT",
        worker: "SELECT",
    },
    Grant {
        table: "activity",
        api: "DELETE, INSERT, SELECT, UPDATE",
        worker: "INSERT, SELECT, UPDATE",
    },
    Grant {
        table: "api_sessions",
        api: "DELETE, INSERT, SELECT",
        worker: "",
    },
    Grant {
        table: "api_tokens",
        // Only the owner makes and revokes tokens. Locking a row takes the right to change one of its columns.
        api: "SELECT, UPDATE (created_at)",
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
        table: "event_deliveries",
        api: "DELETE, INSERT, SELECT, UPDATE",
        // a job that a worker ends leaves its events here
        worker: "INSERT",
    },
    Grant {
        table: "processes",
        api: "DELETE, INSERT, SELECT, UPDATE",
        worker: "INSERT, SELECT, UPDATE",
    },
    Grant {
        table: "processing",
        api: "SELECT, UPDATE",
        worker: "SELECT",
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

/// Gives a role exactly the privileges of its process in the schema. Changes only what differs.
///
/// # Errors
/// Returns an error if the role has other privileges then, because of somebody else's grants.
pub(super) fn apply(connection: &mut PgConnection, role: &Role) -> Result<(), RoleError> {
    let name = role.name.to_string();
    for grant in &GRANTS {
        let wanted = match role.process {
            Process::Api => grant.api,
            Process::Worker => grant.worker,
        };
        let table = grant.table;
        let granted = on_table(connection, table, &name)?;
        if granted == wanted {
            continue;
        }
        // also takes back what was granted on columns
        execute(connection, &format!("REVOKE ALL ON {table} FROM {name}"))?;
        if !wanted.is_empty() {
            execute(connection, &format!("GRANT {wanted} ON {table} TO {name}"))?;
        }
        let granted = on_table(connection, table, &name)?;
        verify(role, (table, "ALL"), &granted, wanted)?;
    }
    let schema = "SCHEMA public";
    if on_schema(connection, &name)? != "USAGE" {
        // before PostgreSQL 15, everyone may create tables
        let revoke = format!("REVOKE CREATE ON {schema} FROM PUBLIC, {name}");
        execute(connection, &revoke)?;
        execute(connection, &format!("GRANT USAGE ON {schema} TO {name}"))?;
        let granted = on_schema(connection, &name)?;
        verify(role, (schema, "CREATE"), &granted, "USAGE")?;
    }
    Ok(())
}

fn verify(
    role: &Role,
    (object, surplus): (&str, &'static str),
    granted: &str,
    wanted: &str,
) -> Result<(), RoleError> {
    if granted == wanted {
        return Ok(());
    }
    let or_nothing = |privileges: &str| match privileges {
        "" => "nothing".to_owned(),
        privileges => privileges.to_owned(),
    };
    Err(RoleError::OthersGrants {
        name: role.name.clone(),
        object: object.to_owned(),
        granted: or_nothing(granted),
        wanted: or_nothing(wanted),
        surplus,
    })
}

/// Returns the privileges of a role on a table, its own and everyone's, in the form of [`Grant`]. It has no others,
/// because it is a member of no role.
fn on_table(connection: &mut PgConnection, table: &str, role: &str) -> QueryResult<String> {
    let query = diesel::sql_query(
        r#"SELECT coalesce(string_agg(privilege, ', ' ORDER BY privilege COLLATE "C"), '') AS privileges
           FROM (SELECT privilege_type AS privilege
                 FROM pg_class, aclexplode(relacl)
                 WHERE pg_class.oid = $1::regclass AND grantee IN (0, $2::regrole::oid)
                 UNION
                 SELECT format('%s (%I)', privilege_type, attname)
                 FROM pg_attribute, aclexplode(attacl)
                 WHERE attrelid = $1::regclass AND grantee IN (0, $2::regrole::oid)) AS granted"#,
    );
    let row: Row = query
        .bind::<Text, _>(table)
        .bind::<Text, _>(role)
        .get_result(connection)?;
    Ok(row.privileges)
}

/// Returns the privileges of a role on the schema, in the same form.
fn on_schema(connection: &mut PgConnection, role: &str) -> QueryResult<String> {
    let query = diesel::sql_query(
        r#"SELECT coalesce(string_agg(DISTINCT privilege_type COLLATE "C", ', '), '') AS privileges
           FROM pg_namespace, aclexplode(coalesce(nspacl, acldefault('n', nspowner)))
           WHERE nspname = 'public' AND grantee IN (0, $1::regrole::oid)"#,
    );
    let row: Row = query.bind::<Text, _>(role).get_result(connection)?;
    Ok(row.privileges)
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    privileges: String,
}

fn execute(connection: &mut PgConnection, sql: &str) -> QueryResult<()> {
    diesel::sql_query(sql).execute(connection).map(drop)
}
