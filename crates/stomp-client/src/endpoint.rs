//! Where to connect, as whom, and whose certificates to trust.

use std::fmt;

/// Where to connect, and how.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The server's name or address; an IPv6 address without brackets.
    pub host: String,
    /// The port of the server's STOMP connector.
    pub port: u16,
    /// Whose certificates to trust, or `None` for a connection without TLS.
    pub tls: Option<Trust>,
    /// As whom, or `None` for a broker that admits anybody.
    pub login: Option<Login>,
}

/// Who may certify a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// The authorities that this system trusts.
    System,
    /// Only the authorities with these certificates, in PEM.
    Only(Vec<u8>),
}

/// A user and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The user's password. `Debug` does not show it.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}
