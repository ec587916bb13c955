//! Connections to webhooks: TCP and TLS. No proxy is used, because it would resolve the host again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::resolver::Resolver;
use crate::events::receiver_kind::ReceiverKind;
use crate::events::send_error::SendError;
use crate::events::webhook_url::WebhookUrl;

/// How long a connection to one address may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// A connection, with or without TLS.
pub(super) type Stream = TokioIo<Box<dyn Duplex>>;

/// A stream of bytes in both directions.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Makes connections.
#[derive(Debug)]
pub(super) struct Connector {
    resolver: Resolver,
    /// Or why there is no TLS.
    tls: Result<Arc<ClientConfig>, String>,
}

impl Connector {
    /// Reads the certificates of the system, or of `SSL_CERT_FILE`.
    pub(super) fn new() -> Self {
        let tls = tls_config();
        if let Err(error) = &tls {
            log::warn!("webhooks can't use https: {error}");
        }
        Self {
            resolver: Resolver::new(),
            tls: tls.map(Arc::new),
        }
    }

    pub(super) async fn resolve(
        &self,
        url: &WebhookUrl,
        kind: ReceiverKind,
    ) -> Result<Vec<SocketAddr>, SendError> {
        self.resolver.resolve(url, kind).await
    }

    /// Connects to the first of the addresses that accepts the connection.
    pub(super) async fn connect(
        &self,
        url: &WebhookUrl,
        addresses: &[SocketAddr],
    ) -> Result<Stream, SendError> {
        let tcp = connect_tcp(addresses).await?;
        if !url.is_https() {
            return Ok(TokioIo::new(Box::new(tcp)));
        }
        let failed = |reason: &dyn std::fmt::Display| {
            SendError::Failed(format!("no TLS connection to {}: {reason}", url.host()))
        };
        let config = self.tls.as_ref().map_err(|error| failed(error))?;
        let name = ServerName::try_from(url.host().to_owned()).map_err(|error| failed(&error))?;
        let connector = TlsConnector::from(Arc::clone(config));
        let stream = connector.connect(name, tcp).await;
        let stream = stream.map_err(|error| failed(&error))?;
        Ok(TokioIo::new(Box::new(stream)))
    }
}

async fn connect_tcp(addresses: &[SocketAddr]) -> Result<TcpStream, SendError> {
    let mut reason = "there is no address".to_owned();
    for address in addresses {
        let connection = TcpStream::connect(address);
        reason = match tokio::time::timeout(CONNECT_TIMEOUT, connection).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => format!("no connection to {address}: {error}"),
            Err(_elapsed) => format!("no connection to {address}: it did not answer"),
        };
    }
    Err(SendError::Failed(reason))
}

fn tls_config() -> Result<ClientConfig, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reason = found
            .errors
            .first()
            .map_or_else(String::new, |error| format!(" ({error})"));
        return Err(format!(
            "the system has no certificates of authorities{reason}: install ca-certificates, or name a file in SSL_CERT_FILE"
        ));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
