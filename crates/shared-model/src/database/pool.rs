//! A pool of blocking connections for async code.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use diesel::pg::PgConnection;
use diesel::r2d2::R2D2Connection;
use r2d2::NopErrorHandler;
use tokio::sync::Semaphore;

use super::config::DatabaseConfig;
use super::connector::{ConnectError, Connector};
use super::error::DatabaseError;
use super::session::SessionManager;
use crate::trace;

/// How long a query waits for a free connection before it fails. Clients wait much longer for an answer.
const CHECKOUT_TIMEOUT: Duration = Duration::from_secs(3);

/// How much longer the pool waits for an answer than a statement may take.
const ANSWER_GRACE: Duration = Duration::from_secs(5);

/// A bounded set of connections. Clones share it.
#[derive(Clone)]
pub struct Pool {
    connections: r2d2::Pool<SessionManager>,
    /// One permit for each connection, so that waiting for a connection does not block a thread.
    permits: Arc<Semaphore>,
    size: u32,
    connector: Arc<Connector>,
    /// After this time a query counts as lost. The server ends a statement earlier unless it hangs.
    answer_timeout: Duration,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("state", &self.connections.state())
            .finish_non_exhaustive()
    }
}

impl Pool {
    /// Creates a pool of `DATABASE_POOL` connections: see [`sized`](Self::sized).
    pub fn new(
        config: &DatabaseConfig,
        application_name: &str,
        statement_timeout: Duration,
    ) -> Self {
        let size = config.database_pool.get();
        Self::sized(config, size, application_name, statement_timeout)
    }

    /// Creates a pool of `size` connections. It connects on first use, so the database need not be running yet. The
    /// database cancels statements that take longer than `statement_timeout`.
    pub fn sized(
        config: &DatabaseConfig,
        size: u32,
        application_name: &str,
        statement_timeout: Duration,
    ) -> Self {
        // Disables OpenSSL's cleanup at exit. The pool's threads may be connecting at that moment and would crash.
        #[cfg(feature = "tls")]
        openssl_sys::init();
        let connector = Arc::new(config.connector(application_name));
        let manager = SessionManager {
            connector: Arc::clone(&connector),
            statement_timeout,
        };
        let connections = r2d2::Pool::builder()
            .max_size(size)
            .min_idle(Some(0))
            // callers receive the error; the pool would log it again for each attempt to connect
            .error_handler(Box::new(NopErrorHandler))
            .connection_timeout(CHECKOUT_TIMEOUT)
            .build_unchecked(manager);
        Self {
            connections,
            permits: Arc::new(Semaphore::new(size as usize)),
            size,
            connector,
            answer_timeout: statement_timeout + ANSWER_GRACE,
        }
    }

    /// Runs blocking queries on a thread for blocking work.
    ///
    /// # Errors
    /// Returns `Unavailable` if no connection becomes free, if none can be made in time, or if the server hangs; in the
    /// last case the queries may still take effect. Otherwise returns the error of `queries`.
    ///
    /// # Panics
    /// Panics if `queries` panics.
    pub async fn run<T, E, F>(&self, queries: F) -> Result<T, E>
    where
        F: FnOnce(&mut PgConnection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        match tokio::time::timeout(self.answer_timeout, self.run_long(queries)).await {
            Ok(result) => result,
            Err(_) => {
                Err(DatabaseError::Unavailable("it did not answer in time".to_owned()).into())
            }
        }
    }

    /// Like [`run`](Self::run), but for a sequence of queries that may take long together.
    ///
    /// # Errors
    /// Like [`run`](Self::run), except that it waits for a server that hangs.
    ///
    /// # Panics
    /// Panics if `queries` panics.
    pub async fn run_long<T, E, F>(&self, queries: F) -> Result<T, E>
    where
        F: FnOnce(&mut PgConnection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        let permit =
            tokio::time::timeout(CHECKOUT_TIMEOUT, Arc::clone(&self.permits).acquire_owned()).await;
        let Ok(Ok(permit)) = permit else {
            return Err(DatabaseError::Unavailable("all connections are in use".to_owned()).into());
        };
        let connections = self.connections.clone();
        let trace = trace::current();
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let mut connection = connections
                .get()
                .map_err(|error| DatabaseError::Unavailable(error.to_string()))?;
            trace::within(trace, || connection.run(queries))
        });
        match task.await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(DatabaseError::Unavailable("the process is stopping".to_owned()).into()),
        }
    }

    /// Returns how many connections the pool may have.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// Returns how many connections are in use or being opened.
    pub fn in_use(&self) -> u32 {
        let free = u32::try_from(self.permits.available_permits()).unwrap_or(u32::MAX);
        self.size.saturating_sub(free)
    }

    /// Checks that the database answers.
    ///
    /// # Errors
    /// Like [`run`](Self::run).
    pub async fn ping(&self) -> Result<(), DatabaseError> {
        self.run(|connection| Ok(connection.ping()?)).await
    }

    /// Returns whether the database refused the password when a connection was last opened, and the password is a setting,
    /// which only a new process reads again.
    pub fn needs_new_process(&self) -> bool {
        self.connector.needs_new_process()
    }

    /// Opens a connection outside the pool. For a caller that keeps it for a long time.
    ///
    /// # Errors
    /// Returns an error if the connection can't be made.
    pub(crate) fn connect(&self) -> Result<PgConnection, ConnectError> {
        self.connector.connect()
    }
}
