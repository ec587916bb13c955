//! The `api_sessions` table.

use diesel::dsl::{now, sql};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text, Timestamptz};
use shared_model::database::DatabaseError;
use shared_model::schema::{api_sessions, api_tokens};

use super::secret::SecretHash;

/// How many sessions of a token are kept. The next one ends the oldest.
pub const MAX_SESSIONS_PER_TOKEN: i64 = 100;

/// Stores a new session of a token, which ends after 24 hours. Also deletes the token's expired sessions, and its oldest if
/// there are too many. Returns whether the token still exists.
///
/// # Errors
/// Returns an error if a statement fails.
pub fn create(
    connection: &mut PgConnection,
    token: &SecretHash,
    session: &SecretHash,
) -> Result<bool, DatabaseError> {
    connection.transaction(|connection| {
        // Found by its secret: its name may belong to another token by now. The lock keeps it from being revoked before the
        // session is stored, and others from signing in with it at the same time.
        let token_name: Option<String> = api_tokens::table
            .filter(api_tokens::sha256.eq(token.as_bytes()))
            .select(api_tokens::name)
            .for_no_key_update()
            .first(connection)
            .optional()?;
        let Some(token_name) = token_name else {
            return Ok(false);
        };
        let is_surplus =
            sql::<Bool>("sha256 IN (SELECT sha256 FROM api_sessions WHERE token_name = ")
                .bind::<Text, _>(&token_name)
                .sql(" ORDER BY created_at DESC OFFSET ")
                .bind::<BigInt, _>(MAX_SESSIONS_PER_TOKEN - 1)
                .sql(")");
        let of_token = api_sessions::table.filter(api_sessions::token_name.eq(&token_name));
        diesel::delete(of_token.filter(api_sessions::expires_at.le(now).or(is_surplus)))
            .execute(connection)?;
        diesel::insert_into(api_sessions::table)
            .values((
                api_sessions::sha256.eq(session.as_bytes()),
                api_sessions::token_name.eq(&token_name),
                api_sessions::expires_at.eq(sql::<Timestamptz>("now() + interval '24 hours'")),
            ))
            .execute(connection)?;
        Ok(true)
    })
}

/// Ends a session. Returns whether it existed.
///
/// # Errors
/// Returns an error if the statement fails.
pub fn end(connection: &mut PgConnection, hash: &SecretHash) -> Result<bool, DatabaseError> {
    let ended = diesel::delete(api_sessions::table.find(hash.as_bytes())).execute(connection)?;
    Ok(ended > 0)
}
