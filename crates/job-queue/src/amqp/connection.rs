//! Connects to RabbitMQ, with a time limit.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::tcp::{AsyncTcpStream, RustlsConnector, RustlsConnectorConfig};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{Connection, ConnectionProperties};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use shared_model::database::Secret;

use super::error;
use crate::broker_access::BrokerAccess;
use crate::broker_address::BrokerAddress;
use crate::error::QueueError;

/// How long connecting may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Seconds after which a connection without any traffic counts as broken, on both sides.
const HEARTBEAT: u16 = 10;

/// The user of a new installation of RabbitMQ, which it accepts from its own machine only.
const DEFAULT_USER: &str = "guest";

/// Opens connections to one server.
#[derive(Debug)]
pub(super) struct Connector {
    address: BrokerAddress,
    access: BrokerAccess,
    /// The name of the connections in RabbitMQ's lists.
    name: &'static str,
}

impl Connector {
    pub(super) fn new(address: &BrokerAddress, access: &BrokerAccess, name: &'static str) -> Self {
        Self {
            address: address.clone(),
            access: access.clone(),
            name,
        }
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// Returns an error if RabbitMQ can't be reached, or refuses the user, the password or the virtual host.
    pub(super) async fn connect(&self) -> Result<Connection, QueueError> {
        let uri = self.uri()?;
        let tls = self.tls()?;
        let runtime = lapin::runtime::default_runtime().map_err(|error| error::explain(&error))?;
        let socket = Unfinished::default();
        let slot = Arc::clone(&socket.0);
        let properties = ConnectionProperties::default().with_connection_name(self.name.into());
        let connecting = Connection::connector(
            uri,
            runtime,
            async move |uri, runtime| {
                let to = (uri.authority.host.clone(), uri.authority.port);
                let plain = AsyncTcpStream::connect(&runtime, runtime.to_socket_addrs(to)).await?;
                if let AsyncTcpStream::Plain(stream) = &plain {
                    keep(&slot, stream.get_ref())?;
                }
                match &tls {
                    Some(tls) => Ok(plain.into_rustls(tls, &uri.authority.host).await?),
                    None => Ok(plain),
                }
            },
            properties,
        );
        let connected = tokio::time::timeout(LIMIT, connecting).await;
        match connected {
            Ok(Ok(connection)) => {
                socket.finish();
                Ok(connection)
            }
            Ok(Err(error)) => Err(error::explain_connecting(&error, &self.address)),
            Err(_elapsed) => Err(QueueError::Unavailable(format!(
                "RabbitMQ did not answer within {} s",
                LIMIT.as_secs()
            ))),
        }
    }

    /// Returns the server, the user and the virtual host. Reads the file with the password, which may have changed.
    fn uri(&self) -> Result<AMQPUri, QueueError> {
        let address = &self.address;
        let password = self.access.password(address)?;
        let password = password.as_ref().map_or(DEFAULT_USER, Secret::expose);
        Ok(AMQPUri {
            scheme: AMQPScheme::AMQP,
            authority: AMQPAuthority {
                userinfo: AMQPUserInfo {
                    username: address.user.as_deref().unwrap_or(DEFAULT_USER).to_owned(),
                    password: password.to_owned(),
                },
                host: address.host().to_owned(),
                port: address.port(),
            },
            vhost: address.vhost.clone(),
            query: AMQPQueryString {
                heartbeat: Some(HEARTBEAT),
                ..AMQPQueryString::default()
            },
        })
    }

    /// Returns how to begin TLS, or `None` for a connection without.
    fn tls(&self) -> Result<Option<RustlsConnector>, QueueError> {
        if !self.address.is_tls {
            return Ok(None);
        }
        let connector = match self.access.authorities()? {
            Some(pem) => trusting(&pem)
                .map_err(|reason| format!("QUEUE_CA_FILE has no valid certificate: {reason}")),
            None => RustlsConnectorConfig::new_with_native_certs()
                .and_then(RustlsConnectorConfig::connector_with_no_client_auth)
                .map_err(|error| {
                    format!(
                        "can't use the certificates of this system, so set QUEUE_CA_FILE: {error}"
                    )
                }),
        };
        connector.map(Some).map_err(QueueError::Refused)
    }
}

/// Returns how to begin TLS with servers that only these authorities have certified.
fn trusting(pem: &[u8]) -> Result<RustlsConnector, String> {
    let certificates = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let mut trusted = RustlsConnectorConfig::default();
    trusted.add_parsable_certificates(certificates.map_err(|error| error.to_string())?);
    trusted
        .connector_with_no_client_auth()
        .map_err(|error| error.to_string())
}

/// The socket of a connection that is being opened. If it is dropped before [`finish`](Self::finish), it closes the socket:
/// the client's thread waits for a server that does not answer without any limit.
#[derive(Debug, Default)]
struct Unfinished(Arc<Mutex<Option<TcpStream>>>);

impl Unfinished {
    fn finish(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let socket = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(socket) = socket {
            // A socket that is closed already needs no closing.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

/// Keeps another handle of the socket.
fn keep(slot: &Mutex<Option<TcpStream>>, socket: &impl AsFd) -> io::Result<()> {
    let handle = socket.as_fd().try_clone_to_owned()?;
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle.into());
    Ok(())
}
