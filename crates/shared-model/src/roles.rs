//! The database roles of the API and the worker: each may do in the database what its process needs, and nothing else.
//!
//! # Layout
//! - `database`: who may connect
//! - `grants`: what each process needs
//! - `powers`: what a role must not have
//! - `verifier`: the form in which PostgreSQL stores a password

mod database;
mod grants;
mod powers;
mod verifier;

use std::fmt;
use std::str::FromStr;

use diesel::pg::PgConnection;
use diesel::{Connection, QueryResult, RunQueryDsl};
use uuid::Uuid;

use crate::database::{DatabaseError, Secret};

/// Roles belong to the whole server. While two databases of one server are migrated at the same time, one may change a
/// role just before the other does, and PostgreSQL refuses the second change.
const MAX_ATTEMPTS: u32 = 20;

/// A process that has a role of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// The API.
    Api,
    /// The worker.
    Worker,
}

/// The login role of a process.
#[derive(Debug, Clone)]
pub struct Role {
    /// The process that logs in with it.
    pub process: Process,
    /// Its name.
    pub name: RoleName,
    /// Its new password. Without one, the role keeps its password, if it has one.
    pub password: Option<Secret>,
}

/// The name of a role: lower-case letters, digits and underscores, so that it needs no quotes anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleName(String);

/// The text is not the name of a role.
#[derive(Debug, thiserror::Error)]
#[error(
    "the name of a role has at most 63 lower-case letters, digits and underscores, and does not begin with a digit or pg_"
)]
pub struct InvalidRoleName;

impl FromStr for RoleName {
    type Err = InvalidRoleName;

    fn from_str(name: &str) -> Result<Self, InvalidRoleName> {
        let is_plain = name
            .bytes()
            .all(|byte| byte == b'_' || byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let begins_well =
            !name.starts_with("pg_") && !name.starts_with(|c: char| c.is_ascii_digit());
        if is_plain && begins_well && (1..=63).contains(&name.len()) {
            Ok(Self(name.to_owned()))
        } else {
            Err(InvalidRoleName)
        }
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a role can't be prepared.
#[derive(Debug, thiserror::Error)]
pub enum RoleError {
    /// The database did not answer, or refused a statement.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The role does not exist, and this user may not create it.
    #[error(
        "the role {name} does not exist, and this user may not create it ({reason}): create it with CREATE ROLE {name} \
         LOGIN PASSWORD '…', or give this user the right to (CREATEROLE)"
    )]
    CannotCreate {
        /// The role.
        name: RoleName,
        /// PostgreSQL's message.
        reason: String,
    },
    /// The role may do everything with the tables.
    #[error(
        "the role {0} is this user, or owns the tables, so it can't be limited: choose another role"
    )]
    Owner(RoleName),
    /// The role can do more than it is granted.
    #[error(
        "the role {name} can't be limited, because it has {powers}: run `{remedy}` as an administrator of the database \
         server, or choose another role"
    )]
    TooPowerful {
        /// The role.
        name: RoleName,
        /// Its attributes, and the roles that it is a member of.
        powers: String,
        /// The statements that take them away.
        remedy: String,
    },
    /// Everyone, or this role by somebody else, was granted more than its process needs.
    #[error(
        "the role {name} has the wrong privileges on {object}, and this user can't change that: {granted} instead of \
         {wanted}. Run `REVOKE {surplus} ON {object} FROM PUBLIC, {name}` as the user who granted them, or as an \
         administrator of the database server"
    )]
    OthersGrants {
        /// The role.
        name: RoleName,
        /// The table or the schema.
        object: String,
        /// The privileges that it has.
        granted: String,
        /// The privileges that it should have.
        wanted: String,
        /// What nobody else may grant it.
        surplus: &'static str,
    },
    /// The password has characters that could be encoded in more than one way.
    #[error("the password of the role {0} must consist of printable ASCII characters")]
    InvalidPassword(RoleName),
}

impl From<diesel::result::Error> for RoleError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Database(error.into())
    }
}

/// Creates the roles that do not exist, sets their passwords, and gives them exactly the privileges of their processes. If
/// this user owns the database, nobody else may connect to it then.
///
/// # Errors
/// Returns an error if a role can't be created or limited, or if the database does not answer.
pub(crate) fn prepare(connection: &mut PgConnection, roles: &[Role]) -> Result<(), RoleError> {
    for role in roles {
        ensure_exists(connection, &role.name)?;
        if let Some(powers) = powers::find(connection, &role.name)? {
            powers.check(&role.name)?;
        }
        if let Some(password) = &role.password {
            set_password(connection, &role.name, password.expose())?;
        }
        // a process that runs never sees its role without privileges
        connection.transaction(|connection| grants::apply(connection, role))?;
    }
    connection.transaction(|connection| database::limit(connection, roles))?;
    Ok(())
}

fn ensure_exists(connection: &mut PgConnection, name: &RoleName) -> Result<(), RoleError> {
    if powers::find(connection, name)?.is_some() {
        return Ok(());
    }
    // in another database of the server, another process may create it at this moment
    let create = format!(
        "DO $$ BEGIN CREATE ROLE {name} LOGIN;
         EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
    );
    match diesel::sql_query(create).execute(connection) {
        Err(error) if error.to_string().contains("permission denied") => {
            Err(RoleError::CannotCreate {
                name: name.clone(),
                reason: error.to_string(),
            })
        }
        created => Ok(created.map(drop)?),
    }
}

/// Sets a password. The statement contains its hash only, because PostgreSQL may log statements.
fn set_password(
    connection: &mut PgConnection,
    name: &RoleName,
    password: &str,
) -> Result<(), RoleError> {
    if !password.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(RoleError::InvalidPassword(name.clone()));
    }
    let verifier = verifier::scram_sha_256(password, Uuid::now_v7().as_bytes());
    let statement = format!("ALTER ROLE {name} LOGIN PASSWORD '{verifier}'");
    for _ in 1..MAX_ATTEMPTS {
        let outcome: QueryResult<usize> = diesel::sql_query(&statement).execute(connection);
        match outcome {
            Err(error) if error.to_string().contains("tuple concurrently updated") => {}
            outcome => return Ok(outcome.map(drop)?),
        }
    }
    diesel::sql_query(statement).execute(connection)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_has_a_name_that_needs_no_quotes() {
        for name in ["taskoverflow_api", "_", "api2"] {
            assert_eq!(name.parse::<RoleName>().unwrap().to_string(), name);
        }
        let long = "a".repeat(64);
        for name in [
            "", "Api", "2api", "pg_api", "a-b", "a b", "a\"; --", "é", &long,
        ] {
            assert!(name.parse::<RoleName>().is_err(), "{name:?}");
        }
    }
}
