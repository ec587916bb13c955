//! One connection of a pool: how it is made, and when it is thrown away.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use diesel::pg::PgConnection;
use diesel::r2d2::R2D2Connection;
use diesel::{QueryResult, RunQueryDsl};

use super::connector::Connector;
use super::error::DatabaseError;

/// A connection that was used within this time is not checked with a query before it is used again: a query costs as much
/// as most statements do.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// How long a statement waits for a row that another session has locked.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);
/// After this time the server ends a session that keeps a transaction open without using it, for example because its
/// process is suspended. It then holds no locks any more.
const IDLE_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);

/// The kinds of plans that may read whole tables. A session keeps the plan of a prepared statement. While the tables are
/// small, reading them whole is the cheapest plan, and a plan that was made then would still read them whole when they
/// have millions of rows. Therefore sessions look rows up by indexes only. The estimated cost of a plan that can't do so
/// is huge, which must not make PostgreSQL compile it (`jit`).
const SCANNING_PLANS: [&str; 5] = [
    "enable_seqscan",
    "enable_hashjoin",
    "enable_mergejoin",
    "enable_material",
    "jit",
];

/// Makes and checks the connections of a pool.
#[derive(Debug)]
pub(super) struct SessionManager {
    pub(super) connector: Arc<Connector>,
    pub(super) statement_timeout: Duration,
}

/// A connection of a pool.
pub(super) struct Session {
    pub(super) connection: PgConnection,
    used_at: Instant,
    is_broken: bool,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("used_at", &self.used_at)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// Runs queries. If they fail, checks whether the connection is still usable.
    pub(super) fn run<T, E>(
        &mut self,
        queries: impl FnOnce(&mut PgConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        let result = queries(&mut self.connection);
        self.used_at = Instant::now();
        if result.is_err() {
            self.is_broken = self.connection.ping().is_err();
        }
        result
    }

    /// Fails if the server has closed the connection, for example because it was restarted. Reads only what has arrived,
    /// without waiting.
    fn note_closing(&mut self) -> QueryResult<()> {
        // the first read finds the server's last words, the second the end
        for _ in 0..2 {
            self.connection
                .notifications_iter()
                .try_for_each(|notification| notification.map(drop))?;
        }
        Ok(())
    }
}

impl r2d2::ManageConnection for SessionManager {
    type Connection = Session;
    type Error = DatabaseError;

    fn connect(&self) -> Result<Session, DatabaseError> {
        let mut connection = self.connector.connect()?;
        let set = diesel::sql_query(format!(
            "SELECT set_config('statement_timeout', '{}', false), set_config('lock_timeout', '{}', false),
                    set_config('idle_in_transaction_session_timeout', '{}', false)
             UNION ALL
             SELECT set_config(name, 'off', false), NULL, NULL FROM unnest('{{{}}}'::text[]) AS name",
            self.statement_timeout.as_millis(),
            LOCK_TIMEOUT.as_millis(),
            IDLE_TRANSACTION_TIMEOUT.as_millis(),
            SCANNING_PLANS.join(","),
        ));
        set.execute(&mut connection)?;
        Ok(Session {
            connection,
            used_at: Instant::now(),
            is_broken: false,
        })
    }

    fn is_valid(&self, session: &mut Session) -> Result<(), DatabaseError> {
        if session.used_at.elapsed() < TRUSTED_FOR {
            return Ok(session.note_closing()?);
        }
        Ok(session.connection.ping()?)
    }

    fn has_broken(&self, session: &mut Session) -> bool {
        std::thread::panicking() || session.is_broken || session.connection.is_broken()
    }
}
