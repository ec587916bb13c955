//! TLS: only a server that the trusted authority has certified is used.

use std::net::Ipv4Addr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use stomp_client::{ConnectError, Connection, Endpoint, Trust};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::scripted::{CONNECTED, endpoint, server};

/// An authority, and a server with its certificate for 127.0.0.1.
struct Certified {
    authority: Trust,
    acceptor: TlsAcceptor,
}

impl Certified {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![Ipv4Addr::LOCALHOST.to_string()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        Self {
            authority: Trust::Only(authority.pem().into_bytes()),
            acceptor: TlsAcceptor::from(Arc::new(config)),
        }
    }

    /// Serves one client.
    async fn serve(&self, trust: Trust) -> Endpoint {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = self.acceptor.clone();
        tokio::spawn(async move {
            let (client, _) = listener.accept().await.unwrap();
            // A client that does not trust this server ends the handshake.
            if let Ok(mut client) = acceptor.accept(client).await {
                client.write_all(CONNECTED.as_bytes()).await.unwrap();
                client.flush().await.unwrap();
                let _ = client.read_to_end(&mut Vec::new()).await;
            }
        });
        Endpoint {
            tls: Some(trust),
            ..endpoint(port)
        }
    }
}

#[tokio::test]
async fn a_server_with_a_certificate_of_the_authority_is_trusted() {
    let certified = Certified::new();
    let endpoint = certified.serve(certified.authority.clone()).await;
    let connection = Connection::open(&endpoint).await.unwrap();
    assert_eq!(connection.server(), "Test/1");
}

#[tokio::test]
async fn a_server_with_another_certificate_is_not() {
    let certified = Certified::new();
    for trust in [Certified::new().authority, Trust::System] {
        let endpoint = certified.serve(trust).await;
        let error = Connection::open(&endpoint).await.unwrap_err();
        assert!(matches!(error, ConnectError::Tls(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_port_without_tls_is_no_tls_connection() {
    let certified = Certified::new();
    let (plain, _) = server(async |mut client| {
        client.write_all(CONNECTED.as_bytes()).await.unwrap();
        let _ = client.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let tls = Some(certified.authority.clone());
    let error = Connection::open(&Endpoint { tls, ..plain }).await;
    let error = error.unwrap_err();
    assert!(matches!(error, ConnectError::Tls(_)), "{error:?}");
}

#[tokio::test]
async fn an_authority_that_cannot_be_read_is_reported() {
    let certified = Certified::new();
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for pem in ["", "no certificate", garbage] {
        let endpoint = certified.serve(Trust::Only(pem.into())).await;
        let error = Connection::open(&endpoint).await.unwrap_err();
        assert!(matches!(error, ConnectError::Tls(_)), "{error:?}");
        assert!(
            error.to_string().contains("authority can't be read"),
            "{error}"
        );
    }
}
