//! A session that stays open, such as one that holds a lock or a snapshot.

use std::fmt;

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};

use super::Database;

/// A session of its own. Dropping it closes it, which rolls an open transaction back.
pub struct Session {
    #[expect(dead_code, reason = "the connection is held, not used")]
    connection: PgConnection,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    /// Opens a session and runs statements, one after the other.
    ///
    /// # Errors
    /// Returns an error if the database cannot be reached, or if a statement fails.
    pub async fn open(
        database: &Database,
        statements: impl IntoIterator<Item = impl Into<String>>,
    ) -> anyhow::Result<Self> {
        let url = database.url.clone();
        let statements: Vec<String> = statements.into_iter().map(Into::into).collect();
        tokio::task::spawn_blocking(move || {
            let mut connection = PgConnection::establish(&url)?;
            for statement in statements {
                connection.batch_execute(&statement)?;
            }
            Ok(Self { connection })
        })
        .await?
    }
}
