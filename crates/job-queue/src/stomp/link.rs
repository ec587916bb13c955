//! A connection that is made when it is needed, and made again when it has ended.

use std::sync::Arc;

use shared_model::database::Secret;
use stomp_client::{CommandError, ConnectError, Connection, Endpoint, Login, Trust};
use tokio::sync::Mutex;

use crate::broker_access::BrokerAccess;
use crate::broker_address::BrokerAddress;
use crate::error::QueueError;

/// A connection with its number. A message that was received belongs to the connection: another one can't settle it.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) number: u64,
    pub(super) connection: Connection,
}

/// Makes connections to a broker.
#[derive(Debug)]
pub(super) struct Link {
    address: BrokerAddress,
    access: BrokerAccess,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    session: Option<Arc<Session>>,
    /// How many connections there have been.
    count: u64,
}

impl Link {
    /// Makes no connection yet.
    pub(super) fn new(address: &BrokerAddress, access: &BrokerAccess) -> Self {
        Self {
            address: address.clone(),
            access: access.clone(),
            state: Mutex::default(),
        }
    }

    /// Returns the connection. If it has ended, makes another one, to the first of the hosts that admits it: of a pair of
    /// brokers, only the active one does.
    pub(super) async fn session(&self) -> Result<Arc<Session>, QueueError> {
        let mut state = self.state.lock().await;
        if let Some(session) = state.session.as_ref()
            && session.connection.end().is_none()
        {
            return Ok(Arc::clone(session));
        }
        state.session = None;
        let connection = self.connect().await?;
        state.count += 1;
        let session = Arc::new(Session {
            number: state.count,
            connection,
        });
        state.session = Some(Arc::clone(&session));
        Ok(session)
    }

    /// Ends the connection, if there is one.
    pub(super) async fn close(&self) {
        let session = self.state.lock().await.session.take();
        if let Some(session) = session {
            session.connection.close().await;
        }
    }

    async fn connect(&self) -> Result<Connection, QueueError> {
        let mut failure = QueueError::Unavailable("QUEUE_URL names no host".to_owned());
        for endpoint in self.endpoints()? {
            match Connection::open(&endpoint).await {
                Ok(connection) => return Ok(connection),
                Err(error) => failure = explain_connect(&error),
            }
            if matches!(failure, QueueError::Refused(_)) {
                break;
            }
        }
        Err(failure)
    }

    /// Returns where to connect. Reads the files anew, because an operator may have changed them.
    fn endpoints(&self) -> Result<Vec<Endpoint>, QueueError> {
        let password = self.access.password(&self.address)?;
        let password = password.as_ref().map_or("", Secret::expose);
        let login = self.address.user.as_ref().map(|user| Login {
            user: user.clone(),
            password: password.to_owned(),
        });
        let authorities = self.access.authorities()?;
        let trust = authorities.map_or(Trust::System, Trust::Only);
        let hosts = self.address.hosts.iter().map(|(host, port)| Endpoint {
            host: host.clone(),
            port: *port,
            tls: self.address.is_tls.then(|| trust.clone()),
            login: login.clone(),
        });
        Ok(hosts.collect())
    }
}

/// Explains why there is no connection.
fn explain_connect(error: &ConnectError) -> QueueError {
    match error {
        ConnectError::Unreachable(reason) => QueueError::Unavailable(reason.clone()),
        ConnectError::Refused(reason) if is_about_the_user(reason) => QueueError::Refused(format!(
            "ActiveMQ refuses the user or password of QUEUE_URL ({reason})"
        )),
        ConnectError::Refused(reason) => {
            QueueError::Unavailable(format!("ActiveMQ refuses the connection: {reason}"))
        }
        ConnectError::Tls(reason) => QueueError::Refused(format!(
            "{reason}; if a private authority has certified the server, set QUEUE_CA_FILE to the authority's certificate; if \
             this port has no TLS, QUEUE_URL has to begin with stomp://"
        )),
        ConnectError::NotStomp(_) => QueueError::Refused(format!(
            "QUEUE_URL names no STOMP port of ActiveMQ: {error}"
        )),
    }
}

/// A server that is starting or stopping also refuses, but not because of the user.
fn is_about_the_user(reason: &str) -> bool {
    let reason = reason.to_lowercase();
    let words = [
        "user",
        "password",
        "login",
        "auth",
        "security",
        "credential",
        "access",
    ];
    words.iter().any(|word| reason.contains(word))
}

/// Explains why a command failed.
pub(super) fn explain(error: &CommandError) -> QueueError {
    match error {
        CommandError::Refused(reason) => {
            QueueError::Refused(format!("ActiveMQ refuses this: {reason}"))
        }
        CommandError::Ended(_) => QueueError::Unavailable(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_refusal_that_an_operator_has_to_correct_is_one() {
        let refused = |reason: &str| ConnectError::Refused(reason.to_owned());
        for (error, expected) in [
            (
                refused("User name [x] or password is invalid."),
                "ActiveMQ refuses the user or password of QUEUE_URL (User name [x]",
            ),
            (
                ConnectError::Tls("why".to_owned()),
                "why; if a private authority",
            ),
            (
                ConnectError::NotStomp("why".to_owned()),
                "names no STOMP port",
            ),
        ] {
            let error = explain_connect(&error);
            assert!(matches!(error, QueueError::Refused(_)), "{error:?}");
            assert!(error.to_string().contains(expected), "{error}");
        }
        for error in [
            refused("Broker local is stopping"),
            ConnectError::Unreachable("why".to_owned()),
        ] {
            let error = explain_connect(&error);
            assert!(matches!(error, QueueError::Unavailable(_)), "{error:?}");
        }
    }
}
