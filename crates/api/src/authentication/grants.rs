//! Which secrets are valid now.

use std::sync::Arc;
use std::time::Duration;

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, Binary, Double, Nullable, Text};
use shared_model::database::{DatabaseError, prepared};

use super::scope::Scope;
use super::secret::SecretHash;

/// What a valid secret allows.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// The name of the token, also if the secret is the cookie of a session.
    pub token_name: Arc<str>,
    /// What the token allows.
    pub scope: Scope,
    /// How long the secret is valid from now on, or `None` if it does not expire.
    pub valid_for: Option<Duration>,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Binary)]
    sha256: Vec<u8>,
    #[diesel(sql_type = Text)]
    token_name: String,
    #[diesel(sql_type = Text)]
    scope: String,
    #[diesel(sql_type = Nullable<Double>)]
    seconds_left: Option<f64>,
}

/// Returns the grant of each of the hashes, in the same order; `None` for one that is unknown, revoked or expired.
///
/// # Errors
/// Returns an error if the database does not answer.
pub fn find_many(
    connection: &mut PgConnection,
    hashes: &[SecretHash],
) -> Result<Vec<Option<Grant>>, DatabaseError> {
    let wanted: Vec<&[u8]> = hashes.iter().map(SecretHash::as_bytes).collect();
    let query = diesel::sql_query(
        "SELECT sha256, name AS token_name, scope,
                extract(epoch FROM expires_at - now())::float8 AS seconds_left
         FROM api_tokens
         WHERE sha256 = ANY ($1) AND (expires_at IS NULL OR expires_at > now())
         UNION ALL
         SELECT session.sha256, name, scope,
                extract(epoch FROM least(session.expires_at, token.expires_at) - now())::float8
         FROM api_sessions AS session JOIN api_tokens AS token ON name = token_name
         WHERE session.sha256 = ANY ($1) AND session.expires_at > now()
           AND (token.expires_at IS NULL OR token.expires_at > now())",
    );
    let rows: Vec<Row> = prepared(query.bind::<Array<Binary>, _>(wanted)).load(connection)?;
    let grant_of = |hash: &SecretHash| {
        let row = rows.iter().find(|row| hash.matches(&row.sha256))?;
        let lifetime = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        Some(Grant {
            token_name: row.token_name.as_str().into(),
            scope: Scope::named(&row.scope)?,
            valid_for: row.seconds_left.map(lifetime),
        })
    };
    Ok(hashes.iter().map(grant_of).collect())
}
