//! The way to Postgres: where it is, a pool of connections, and the one door through which blocking queries pass.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use diesel::pg::PgConnection;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, NopErrorHandler, Pool as R2d2Pool};
use diesel::result::DatabaseErrorKind;
use diesel::{Connection, RunQueryDsl};
use tokio::sync::Semaphore;

/// How long a query waits for a free connection before it fails: well within a client's patience.
const CHECKOUT_TIMEOUT: Duration = Duration::from_secs(3);

/// How much longer than a statement may take its answer is waited for.
const ANSWER_GRACE: Duration = Duration::from_secs(5);

/// Where the database is: one URL, or its parts (as a managed database's secret gives them).
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Database")]
pub struct DatabaseConfig {
    /// Where the database is: postgres://USER:PASSWORD@HOST:PORT/NAME?sslmode=…
    #[arg(
        long,
        env,
        value_name = "URL",
        hide_env_values = true,
        required_unless_present = "database_host"
    )]
    pub database_url: Option<DatabaseUrl>,
    /// The database's host, in place of a URL
    #[arg(long, env, value_name = "HOST", conflicts_with = "database_url")]
    pub database_host: Option<String>,
    /// The database's port
    #[arg(long, env, value_name = "PORT", default_value_t = 5432)]
    pub database_port: u16,
    /// The database's name
    #[arg(long, env, value_name = "NAME", default_value = "taskoverflow")]
    pub database_name: String,
    /// The database's user
    #[arg(long, env, value_name = "USER", default_value = "taskoverflow")]
    pub database_user: String,
    /// The user's password
    #[arg(long, env, value_name = "PASSWORD", hide_env_values = true)]
    pub database_password: Option<Secret>,
    /// How far TLS is asked for, in libpq's words: disable, prefer, require, verify-ca, verify-full
    #[arg(long, env, value_name = "MODE", default_value = "prefer", value_parser = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"])]
    pub database_sslmode: String,
    /// The most connections that this process opens
    #[arg(long, env, value_name = "COUNT", default_value = "16")]
    pub database_pool: NonZeroU32,
}

impl DatabaseConfig {
    /// The environment variable that says where the database is.
    pub(crate) fn location_setting(&self) -> &'static str {
        match self.database_url {
            Some(_) => "DATABASE_URL",
            None => "DATABASE_HOST",
        }
    }

    /// What libpq is told. Holds the password.
    fn connection_string(&self, application_name: &str) -> String {
        // keepalives and the user timeout end a connection whose other side is gone; libpq's defaults wait for hours
        let common = [
            ("application_name", application_name),
            ("connect_timeout", "5"),
            ("keepalives_idle", "10"),
            ("keepalives_interval", "5"),
            ("keepalives_count", "3"),
            ("tcp_user_timeout", "20000"),
        ];
        if let Some(DatabaseUrl(url)) = &self.database_url {
            let mut url = url.clone();
            for (name, value) in common.iter().filter(|(name, _)| !self.names_in_url(name)) {
                url.push(if url.contains('?') { '&' } else { '?' });
                url.push_str(name);
                url.push('=');
                url.push_str(value);
            }
            return url;
        }
        let port = self.database_port.to_string();
        let password = self
            .database_password
            .as_ref()
            .map_or("", |Secret(password)| password);
        let parts = [
            ("host", self.database_host.as_deref().unwrap_or("")),
            ("port", &port),
            ("dbname", &self.database_name),
            ("user", &self.database_user),
            ("password", password),
            ("sslmode", &self.database_sslmode),
        ];
        parts
            .iter()
            .chain(&common)
            .map(|(name, value)| {
                format!(
                    "{name}='{}'",
                    value.replace('\\', "\\\\").replace('\'', "\\'")
                )
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn names_in_url(&self, parameter: &str) -> bool {
        let query = self
            .database_url
            .as_ref()
            .and_then(|DatabaseUrl(url)| url.split_once('?'));
        query.is_some_and(|(_, query)| {
            query
                .split('&')
                .any(|pair| pair.split('=').next() == Some(parameter))
        })
    }
}

/// A `postgres://` URL. Shown without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The URL with its password.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// A text that is no database URL.
#[derive(Debug, thiserror::Error)]
#[error("a database URL looks like postgres://USER:PASSWORD@HOST:5432/NAME")]
pub struct InvalidDatabaseUrl;

impl FromStr for DatabaseUrl {
    type Err = InvalidDatabaseUrl;

    fn from_str(url: &str) -> Result<Self, InvalidDatabaseUrl> {
        let rest = url
            .strip_prefix("postgres://")
            .or_else(|| url.strip_prefix("postgresql://"));
        match rest {
            Some(rest) if !rest.is_empty() && !url.contains(char::is_whitespace) => {
                Ok(Self(url.to_owned()))
            }
            _ => Err(InvalidDatabaseUrl),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.0.split_once("://") else {
            return f.write_str("(redacted)");
        };
        // parameters may hold a password too
        let rest = rest.split('?').next().unwrap_or(rest);
        match rest.rsplit_once('@') {
            Some((user, host)) => {
                let user = user.split(':').next().unwrap_or(user);
                write!(f, "{scheme}://{user}:***@{host}")
            }
            None => write!(f, "{scheme}://{rest}"),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self(secret)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Why a query gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The database can't be reached, or every connection is in use: worth another try later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The database refused the statement: another try would end alike.
    #[error("a query failed: {0}")]
    Query(#[source] diesel::result::Error),
}

impl From<diesel::result::Error> for DatabaseError {
    fn from(error: diesel::result::Error) -> Self {
        use diesel::result::Error;
        match &error {
            Error::DatabaseError(
                DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::UnableToSendCommand
                | DatabaseErrorKind::SerializationFailure
                | DatabaseErrorKind::ReadOnlyTransaction,
                information,
            ) => Self::Unavailable(information.message().trim().to_owned()),
            // SQLSTATE 57014, 55P03 and 40P01, which diesel has no kind for
            Error::DatabaseError(DatabaseErrorKind::Unknown, information)
                if ["timeout", "deadlock detected"]
                    .iter()
                    .any(|words| information.message().contains(words)) =>
            {
                Self::Unavailable(information.message().trim().to_owned())
            }
            Error::BrokenTransactionManager => Self::Unavailable("the connection broke".to_owned()),
            _ => Self::Query(error),
        }
    }
}

/// A bounded set of connections, shared by clones.
#[derive(Clone)]
pub struct Pool {
    connections: R2d2Pool<ConnectionManager<PgConnection>>,
    /// One permit a connection: who waits, waits without a thread.
    permits: Arc<Semaphore>,
    connection_string: Arc<str>,
    /// When a query counts as lost: the server itself ends a statement before that, unless it hangs.
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
    /// A pool that connects when first asked to; the database need not be there yet. Statements that take longer than
    /// `statement_timeout` are ended by the database.
    pub fn new(
        config: &DatabaseConfig,
        application_name: &str,
        statement_timeout: Duration,
    ) -> Self {
        // without OpenSSL's clean-up at exit: the pool's own threads may be connecting just then, and would crash
        openssl_sys::init();
        let connection_string = config.connection_string(application_name);
        let connections = R2d2Pool::builder()
            .max_size(config.database_pool.get())
            .min_idle(Some(0))
            // who asks is told of the failure; the pool's own log would repeat it for each try
            .error_handler(Box::new(NopErrorHandler))
            .connection_timeout(CHECKOUT_TIMEOUT)
            .connection_customizer(Box::new(Session { statement_timeout }))
            .build_unchecked(ConnectionManager::new(&connection_string));
        Self {
            connections,
            permits: Arc::new(Semaphore::new(config.database_pool.get() as usize)),
            connection_string: connection_string.into(),
            answer_timeout: statement_timeout + ANSWER_GRACE,
        }
    }

    /// Runs blocking queries on a thread where that is fine.
    ///
    /// # Errors
    /// `Unavailable` when no connection is free or can be made in time, or when a server that hangs gives no answer;
    /// what was asked may then be done all the same. Else what `queries` gave.
    ///
    /// # Panics
    /// When `queries` does.
    pub async fn run<T, E, F>(&self, queries: F) -> Result<T, E>
    where
        F: FnOnce(&mut PgConnection) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        match tokio::time::timeout(self.answer_timeout, self.run_long(queries)).await {
            Ok(result) => result,
            Err(_) => {
                Err(DatabaseError::Unavailable("it gave no answer in time".to_owned()).into())
            }
        }
    }

    /// As [`run`](Self::run), for many queries in a row, which together may take long.
    ///
    /// # Errors
    /// As [`run`](Self::run), but a server that hangs is waited for.
    ///
    /// # Panics
    /// When `queries` does.
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
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let mut connection = connections
                .get()
                .map_err(|error| DatabaseError::Unavailable(error.to_string()))?;
            queries(&mut connection)
        });
        match task.await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(DatabaseError::Unavailable("the process is stopping".to_owned()).into()),
        }
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn ping(&self) -> Result<(), DatabaseError> {
        self.run(|connection| {
            Ok(diesel::sql_query("SELECT 1")
                .execute(connection)
                .map(drop)?)
        })
        .await
    }

    /// A connection outside the pool, for who keeps one for long.
    ///
    /// # Errors
    /// When none can be made.
    pub(crate) fn connect(&self) -> Result<PgConnection, diesel::ConnectionError> {
        PgConnection::establish(&self.connection_string)
    }
}

/// What each new connection is set to.
#[derive(Debug)]
struct Session {
    statement_timeout: Duration,
}

impl CustomizeConnection<PgConnection, diesel::r2d2::Error> for Session {
    fn on_acquire(&self, connection: &mut PgConnection) -> Result<(), diesel::r2d2::Error> {
        diesel::sql_query(format!(
            "SET statement_timeout = {}",
            self.statement_timeout.as_millis()
        ))
        .execute(connection)
        .map_err(diesel::r2d2::Error::QueryError)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        let url: DatabaseUrl = "postgres://me:s3cret@db:5432/todos?password=x"
            .parse()
            .unwrap();
        assert_eq!(url.to_string(), "postgres://me:***@db:5432/todos");
        assert!(!format!("{url:?}").contains("s3cret"));
    }

    #[test]
    fn what_is_no_postgres_url_is_refused() {
        for url in [
            "",
            "postgres://",
            "mysql://a/b",
            "localhost",
            "postgres://a b",
        ] {
            assert!(url.parse::<DatabaseUrl>().is_err(), "{url:?}");
        }
    }
}
