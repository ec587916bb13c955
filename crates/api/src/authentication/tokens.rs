//! The `api_tokens` table.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{Double, Nullable, Timestamptz};
use shared_model::database::DatabaseError;
use shared_model::schema::api_tokens;

use super::scope::Scope;
use super::secret::SecretHash;

/// A token, without its secret.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = api_tokens, check_for_backend(Pg))]
pub struct TokenRow {
    /// The name, which is unique.
    pub name: String,
    /// The name of its scope.
    pub scope: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// From when on it is invalid, or `None` if it does not expire.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Stores a new token, which is valid for `lifetime`, or until it is revoked. Returns `None` if the name or the hash is
/// taken.
///
/// # Errors
/// Returns an error if the statement fails.
pub fn create(
    connection: &mut PgConnection,
    name: &str,
    hash: &SecretHash,
    scope: Scope,
    lifetime: Option<Duration>,
) -> Result<Option<TokenRow>, DatabaseError> {
    let expires_at = diesel::dsl::sql::<Nullable<Timestamptz>>("now() + interval '1 second' * ")
        .bind::<Nullable<Double>, _>(lifetime.map(|lifetime| lifetime.as_secs_f64()));
    Ok(diesel::insert_into(api_tokens::table)
        .values((
            api_tokens::name.eq(name),
            api_tokens::sha256.eq(hash.as_bytes()),
            api_tokens::scope.eq(scope.name()),
            api_tokens::expires_at.eq(expires_at),
        ))
        .on_conflict_do_nothing()
        .returning(TokenRow::as_returning())
        .get_result(connection)
        .optional()?)
}

/// Returns all tokens by name, also those that have expired.
///
/// # Errors
/// Returns an error if the query fails.
pub fn list(connection: &mut PgConnection) -> Result<Vec<TokenRow>, DatabaseError> {
    Ok(api_tokens::table
        .select(TokenRow::as_select())
        .order(api_tokens::name)
        .load(connection)?)
}

/// Deletes a token, and ends its sessions. Returns whether it existed.
///
/// # Errors
/// Returns an error if the statement fails.
pub fn revoke(connection: &mut PgConnection, name: &str) -> Result<bool, DatabaseError> {
    Ok(diesel::delete(api_tokens::table.find(name)).execute(connection)? == 1)
}
