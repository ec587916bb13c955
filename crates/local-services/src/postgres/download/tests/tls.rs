//! Certificates.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;

use super::*;

/// Starts a server that uses TLS. Returns it with its certificate, which nobody trusts.
fn server(behaviour: Behaviour) -> (Server, String) {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let server = Server::start_https(behaviour, config);
    (server, certified.cert.pem())
}

/// Downloads on a system that trusts the certificates in `trusted`, in PEM. Returns the error.
fn error_of_system_with(trusted: &str) -> Option<String> {
    let (bytes, package) = wheel();
    let (server, certificate) = server(Behaviour::Whole(bytes));
    let folder = folder();
    let file = folder.path().join("trusted.pem");
    fs::write(&file, trusted.replace("that of the server", &certificate)).unwrap();
    let mut command = process::command(folder.path(), &server.url, &package, "");
    command
        .env("SSL_CERT_FILE", &file)
        .env_remove("SSL_CERT_DIR");
    process::error_of(command)
}

#[test]
fn a_server_is_trusted_if_the_system_trusts_its_certificate() {
    assert_eq!(error_of_system_with("that of the server"), None);
}

#[test]
fn a_server_with_another_certificate_is_refused() {
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let message = error_of_system_with(&other.cert.pem()).unwrap();
    assert!(message.contains("invalid peer certificate"), "{message}");
}

#[test]
fn a_system_without_certificates_is_told_to_install_them() {
    let message = error_of_system_with("").unwrap();
    assert!(message.contains("install ca-certificates"), "{message}");
}
