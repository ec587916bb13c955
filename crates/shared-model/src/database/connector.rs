//! Opens connections. If the password is in a file, each connection reads the file again, so that a running process goes
//! on when the password changes.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use diesel::{Connection, ConnectionError, PgConnection};
use secret::Secret;

use super::error::DatabaseError;

/// How a connection string is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notation {
    /// `postgres://host/name?parameter=value`
    Url,
    /// `host='host' parameter='value'`
    Keywords,
}

impl Notation {
    /// Adds a parameter to a connection string.
    pub(super) fn add(self, string: &mut String, name: &str, value: &str) {
        let (separator, value) = match self {
            Self::Url => (
                if string.contains('?') { "&" } else { "?" },
                percent_encoded(value),
            ),
            Self::Keywords => (
                if string.is_empty() { "" } else { " " },
                format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'")),
            ),
        };
        string.push_str(separator);
        string.push_str(name);
        string.push('=');
        string.push_str(&value);
    }
}

/// Escapes everything but letters, digits and the four marks that mean nothing in a URL.
fn percent_encoded(value: &str) -> String {
    value
        .bytes()
        .map(|byte| match byte {
            b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

/// Why a connection can't be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The file with the password can't be read.
    #[error("can't read the password from {}: {reason}", file.display())]
    PasswordFile {
        file: PathBuf,
        reason: std::io::Error,
    },
    /// The database can't be reached, or it refuses the connection.
    #[error(transparent)]
    Database(#[from] ConnectionError),
}

impl From<ConnectError> for DatabaseError {
    fn from(error: ConnectError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Opens connections to one database.
pub(super) struct Connector {
    /// Contains the password unless it is in a file.
    connection_string: String,
    notation: Notation,
    password_file: Option<PathBuf>,
    /// Whether the database refused the password the last time.
    is_password_refused: AtomicBool,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector")
            .field("password_file", &self.password_file)
            .finish_non_exhaustive()
    }
}

impl Connector {
    pub(super) fn new(
        connection_string: String,
        notation: Notation,
        password_file: Option<PathBuf>,
    ) -> Self {
        Self {
            connection_string,
            notation,
            password_file,
            is_password_refused: AtomicBool::new(false),
        }
    }

    /// Opens a connection with the current password.
    pub(super) fn connect(&self) -> Result<PgConnection, ConnectError> {
        let connected = PgConnection::establish(&self.connection_string()?);
        let is_refused = match &connected {
            Ok(_) => Some(false),
            Err(error) if is_wrong_password(&error.to_string()) => Some(true),
            // the database may be away
            Err(_) => None,
        };
        if let Some(is_refused) = is_refused {
            self.is_password_refused
                .store(is_refused, Ordering::Relaxed);
        }
        Ok(connected?)
    }

    /// Returns whether the database has refused the password, and no later one, and it is not read again: only a new process
    /// can have another.
    pub(super) fn needs_new_process(&self) -> bool {
        self.password_file.is_none() && self.is_password_refused.load(Ordering::Relaxed)
    }

    /// Returns the connection string for libpq, with the current password.
    pub(super) fn connection_string(&self) -> Result<String, ConnectError> {
        let mut string = self.connection_string.clone();
        if let Some(file) = &self.password_file {
            let password = Secret::read(file).map_err(|reason| ConnectError::PasswordFile {
                file: file.clone(),
                reason,
            })?;
            // of two passwords, libpq uses the last one
            self.notation
                .add(&mut string, "password", password.expose());
        }
        Ok(string)
    }
}

/// SQLSTATE 28P01, for which libpq has only the message.
pub(crate) fn is_wrong_password(error: &str) -> bool {
    error.contains("password authentication failed")
}
