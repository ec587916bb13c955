//! A TLS session on a TCP connection.

use std::fmt::Display;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::endpoint::Trust;
use crate::error::ConnectError;

/// Begins a TLS session with the server that has this name.
pub(crate) async fn handshake(
    trust: &Trust,
    host: &str,
    tcp: TcpStream,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    let failed = |reason: &dyn Display| {
        ConnectError::Tls(format!("there is no TLS connection to {host}: {reason}"))
    };
    let name = ServerName::try_from(host.to_owned()).map_err(|error| failed(&error))?;
    let trust = trust.clone();
    // It reads the files of the system.
    let config = tokio::task::spawn_blocking(move || config(&trust)).await;
    let config = config.map_err(|error| failed(&error))?;
    let config = config.map_err(|error| failed(&error))?;
    let connector = TlsConnector::from(Arc::new(config));
    let session = connector.connect(name, tcp).await;
    session.map_err(|error| {
        let is_answer = matches!(error.get_ref(), Some(cause) if cause.is::<rustls::Error>());
        if is_answer {
            failed(&error)
        } else {
            ConnectError::Unreachable(format!("{host} ended the TLS handshake: {error}"))
        }
    })
}

fn config(trust: &Trust) -> Result<ClientConfig, String> {
    let roots = match trust {
        Trust::System => of_the_system()?,
        Trust::Only(pem) => given(pem)?,
    };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn of_the_system() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(
            "this system has no certificates of authorities: install ca-certificates".to_owned(),
        );
    }
    Ok(roots)
}

fn given(pem: &[u8]) -> Result<RootCertStore, String> {
    let wrong =
        |error: &dyn Display| format!("the certificate of the authority can't be read: {error}");
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| wrong(&error))?;
        roots.add(certificate).map_err(|error| wrong(&error))?;
    }
    if roots.is_empty() {
        return Err(wrong(&"no certificate in PEM format was found"));
    }
    Ok(roots)
}
