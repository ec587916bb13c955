//! What a role must not have, because no grant could limit it then.

use diesel::deserialize::QueryableByName;
use diesel::pg::PgConnection;
use diesel::sql_types::{Array, Bool, Text};
use diesel::{OptionalExtension, RunQueryDsl};

use super::{RoleError, RoleName};

/// What a role can do besides what it was granted.
#[derive(QueryableByName)]
pub(super) struct Powers {
    /// Whether it is this user, or owns a table, the schema or the database.
    #[diesel(sql_type = Bool)]
    is_owner: bool,
    /// Its attributes, such as `CREATEROLE`.
    #[diesel(sql_type = Array<Text>)]
    attributes: Vec<String>,
    /// The roles that it is a member of, as PostgreSQL quotes them.
    #[diesel(sql_type = Array<Text>)]
    groups: Vec<String>,
}

/// Returns the powers of a role, or `None` if it does not exist.
///
/// # Errors
/// Returns an error if the query fails.
pub(super) fn find(
    connection: &mut PgConnection,
    name: &RoleName,
) -> Result<Option<Powers>, RoleError> {
    let query = diesel::sql_query(
        "SELECT rolname = current_user
                OR EXISTS (SELECT FROM pg_class WHERE relowner = role.oid AND relnamespace = 'public'::regnamespace)
                OR EXISTS (SELECT FROM pg_namespace WHERE nspowner = role.oid AND nspname = 'public')
                OR EXISTS (SELECT FROM pg_database WHERE datdba = role.oid AND datname = current_database())
                AS is_owner,
                array_remove(ARRAY[
                    CASE WHEN rolsuper THEN 'SUPERUSER' END, CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
                    CASE WHEN rolcreatedb THEN 'CREATEDB' END, CASE WHEN rolreplication THEN 'REPLICATION' END,
                    CASE WHEN rolbypassrls THEN 'BYPASSRLS' END], NULL) AS attributes,
                ARRAY(SELECT DISTINCT roleid::regrole::text FROM pg_auth_members WHERE member = role.oid ORDER BY 1)
                AS groups
         FROM pg_roles AS role
         WHERE rolname = $1",
    );
    Ok(query
        .bind::<Text, _>(name.to_string())
        .get_result(connection)
        .optional()?)
}

impl Powers {
    /// Returns nothing if grants limit the role.
    ///
    /// # Errors
    /// Returns an error that says what to do.
    pub(super) fn check(&self, name: &RoleName) -> Result<(), RoleError> {
        if self.is_owner {
            return Err(RoleError::Owner(name.clone()));
        }
        let mut statements = Vec::new();
        if !self.attributes.is_empty() {
            let attributes = self.attributes.join(" NO");
            statements.push(format!("ALTER ROLE {name} NO{attributes}"));
        }
        if !self.groups.is_empty() {
            statements.push(format!("REVOKE {} FROM {name}", self.groups.join(", ")));
        }
        if statements.is_empty() {
            return Ok(());
        }
        let powers: Vec<_> = self
            .attributes
            .iter()
            .chain(&self.groups)
            .cloned()
            .collect();
        Err(RoleError::TooPowerful {
            name: name.clone(),
            powers: powers.join(", "),
            remedy: statements.join("; "),
        })
    }
}
