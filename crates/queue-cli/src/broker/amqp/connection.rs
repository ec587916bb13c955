//! Connections to RabbitMQ, and their errors in words.

use std::io;
use std::time::Duration;

use lapin::protocol::{AMQPError, AMQPErrorKind, AMQPSoftError};
use lapin::tcp::{AsyncTcpStream, RustlsConnector, RustlsConnectorConfig};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{Connection, ConnectionProperties, ErrorKind};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use secret::Secret;

use crate::broker::{BrokerUrl, create_command};
use crate::error::Error;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long RabbitMQ may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// How long the end of a connection may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Seconds after which a connection without any traffic counts as broken, on both sides.
const HEARTBEAT: u16 = 10;
/// The user of a new installation of RabbitMQ, which it accepts from its own machine only.
const DEFAULT_USER: &str = "guest";
/// AMQP's code for a connection that is closed in good order.
const OK: u16 = 200;

/// Connects and logs in.
pub(super) async fn connect(url: &BrokerUrl) -> Result<Connection, Error> {
    let uri = uri(url)?;
    let tls = tls(url)?;
    let runtime = lapin::runtime::default_runtime();
    let runtime = runtime.map_err(|error| explain("connection.open", url, &error))?;
    let properties = ConnectionProperties::default().with_connection_name("queue".into());
    let connecting = Connection::connector(
        uri,
        runtime,
        async move |uri, runtime| {
            let to = (uri.authority.host.clone(), uri.authority.port);
            let plain = AsyncTcpStream::connect(&runtime, runtime.to_socket_addrs(to)).await?;
            match &tls {
                Some(tls) => Ok(plain.into_rustls(tls, &uri.authority.host).await?),
                None => Ok(plain),
            }
        },
        properties,
    );
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
    let connected = connected.map_err(|_elapsed| {
        let limit = CONNECT_TIMEOUT.as_secs();
        Error::Failed(format!("{url} did not answer for {limit} s"))
    })?;
    connected.map_err(|error| explain("connection.open", url, &error))
}

fn uri(url: &BrokerUrl) -> Result<AMQPUri, Error> {
    let address = &url.address;
    let password = url.password()?;
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
fn tls(url: &BrokerUrl) -> Result<Option<RustlsConnector>, Error> {
    if !url.address.is_tls {
        return Ok(None);
    }
    let failed = |error: io::Error| Error::Setup(error.to_string());
    let trusted = match url.authorities()? {
        Some(pem) => {
            let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>();
            let certificates = certificates.map_err(|error| {
                Error::Setup(format!("QUEUE_CA_FILE has no valid certificate: {error:?}"))
            })?;
            let mut trusted = RustlsConnectorConfig::default();
            trusted.add_parsable_certificates(certificates);
            trusted
        }
        None => RustlsConnectorConfig::new_with_native_certs().map_err(failed)?,
    };
    let connector = trusted.connector_with_no_client_auth().map_err(failed)?;
    Ok(Some(connector))
}

/// Waits for RabbitMQ's answer.
pub(super) async fn answered<T>(
    action: &'static str,
    url: &BrokerUrl,
    call: impl Future<Output = lapin::Result<T>>,
) -> Result<T, Error> {
    match tokio::time::timeout(ANSWER_TIMEOUT, call).await {
        Ok(answer) => answer.map_err(|error| explain(action, url, &error)),
        Err(_elapsed) => Err(Error::Failed(format!(
            "{action} on {url} was not answered for {} s",
            ANSWER_TIMEOUT.as_secs()
        ))),
    }
}

/// Closes the connection after everything that was sent on it has been read.
pub(super) async fn close(connection: &Connection, url: &BrokerUrl) {
    let closed = answered("connection.close", url, connection.close(OK, "OK".into()));
    // RabbitMQ returns to the queue what was not acknowledged, also if the connection ends otherwise
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, closed).await;
}

/// Explains why a call failed, and what a person can do about it.
pub(super) fn explain(action: &'static str, url: &BrokerUrl, error: &lapin::Error) -> Error {
    let ErrorKind::ProtocolError(answer) = error.kind() else {
        return Error::Failed(format!("{action} on {url} failed: {error}"));
    };
    let words = answer.get_message();
    if is_missing(answer) {
        return Error::Setup(format!(
            "there is no queue {}: check the URL, or create it with: {}",
            url.name(),
            create_command(url)
        ));
    }
    Error::Setup(format!("RabbitMQ refuses {action} on {url}: {words}"))
}

fn is_missing(answer: &AMQPError) -> bool {
    matches!(answer.kind(), AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND))
        && answer.get_message().as_str().contains("no queue")
}
