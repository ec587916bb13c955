//! Who may connect to the database.

use diesel::deserialize::QueryableByName;
use diesel::pg::PgConnection;
use diesel::sql_types::{Bool, Text};
use diesel::{QueryResult, RunQueryDsl};

use super::Role;

#[derive(QueryableByName)]
struct Database {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Bool)]
    is_ours: bool,
    #[diesel(sql_type = Bool)]
    is_public: bool,
}

/// Lets the roles connect, and takes from everyone else the right to connect and to create temporary tables. Does nothing
/// if this user is not the owner of the database.
pub(super) fn limit(connection: &mut PgConnection, roles: &[Role]) -> QueryResult<()> {
    let database: Database = diesel::sql_query(
        "SELECT quote_ident(datname) AS name, pg_has_role(datdba, 'USAGE') AS is_ours,
                EXISTS (SELECT FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) WHERE grantee = 0) AS is_public
         FROM pg_database
         WHERE datname = current_database()",
    )
    .get_result(connection)?;
    if !database.is_ours {
        return Ok(());
    }
    let name = &database.name;
    for role in roles {
        let role = &role.name;
        if on_database(connection, &role.to_string())? != "CONNECT" {
            execute(
                connection,
                &format!("REVOKE ALL ON DATABASE {name} FROM {role}"),
            )?;
            execute(
                connection,
                &format!("GRANT CONNECT ON DATABASE {name} TO {role}"),
            )?;
        }
    }
    if database.is_public && !roles.is_empty() {
        execute(
            connection,
            &format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC"),
        )?;
    }
    Ok(())
}

/// Returns what was granted to this role, in alphabetical order.
fn on_database(connection: &mut PgConnection, role: &str) -> QueryResult<String> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        privileges: String,
    }
    let query = diesel::sql_query(
        r#"SELECT coalesce(string_agg(DISTINCT privilege_type COLLATE "C", ', '), '') AS privileges
           FROM pg_database, aclexplode(datacl)
           WHERE datname = current_database() AND grantee = $1::regrole::oid"#,
    );
    let row: Row = query.bind::<Text, _>(role).get_result(connection)?;
    Ok(row.privileges)
}

fn execute(connection: &mut PgConnection, sql: &str) -> QueryResult<()> {
    diesel::sql_query(sql).execute(connection).map(drop)
}
