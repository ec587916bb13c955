//! Why a query failed, and whether another attempt may succeed.

use std::sync::Arc;

use diesel::result::{DatabaseErrorKind, Error};

/// Why a query failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DatabaseError {
    /// The database can't be reached, or all connections are in use. Another attempt later may succeed.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The database rejected the statement. Another attempt would fail in the same way.
    #[error("a query failed: {0}")]
    Query(#[source] Arc<Error>),
}

impl From<Error> for DatabaseError {
    fn from(error: Error) -> Self {
        match &error {
            Error::DatabaseError(
                DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::UnableToSendCommand
                | DatabaseErrorKind::SerializationFailure
                | DatabaseErrorKind::ReadOnlyTransaction,
                information,
            ) => Self::Unavailable(information.message().trim().to_owned()),
            // SQLSTATE 57014, 55P03 and 40P01, for which diesel has no kind
            Error::DatabaseError(DatabaseErrorKind::Unknown, information)
                if ["timeout", "deadlock detected"]
                    .iter()
                    .any(|words| information.message().contains(words)) =>
            {
                Self::Unavailable(information.message().trim().to_owned())
            }
            Error::BrokenTransactionManager => Self::Unavailable("the connection broke".to_owned()),
            _ => Self::Query(Arc::new(error)),
        }
    }
}
