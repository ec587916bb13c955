//! Blocking HTTP requests, without TLS, to services on this machine.

use std::time::Duration;

use ureq::Agent;
use ureq::http;

/// How long a request may take, from connecting to the last byte of the response.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A response of any status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code, such as 200.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// Sends a GET request.
///
/// # Errors
///
/// Returns an error if the URL does not start with `http://`, or if no complete HTTP response arrives. A response of
/// any status is not an error.
pub fn get(url: &str) -> Result<Response, ureq::Error> {
    read(agent().get(without_tls(url)?).call()?)
}

/// Sends a POST request.
///
/// # Errors
///
/// Returns the same errors as [`get`].
pub fn post(url: &str, headers: &[(&str, &str)], body: &str) -> Result<Response, ureq::Error> {
    let request = headers
        .iter()
        .fold(agent().post(without_tls(url)?), |request, (name, value)| {
            request.header(*name, *value)
        });
    read(request.send(body)?)
}

/// Returns the URL, unless it needs TLS. The client panics then, because it has no certificates.
fn without_tls(url: &str) -> Result<&str, ureq::Error> {
    if url.starts_with("http://") {
        return Ok(url);
    }
    Err(ureq::Error::BadUri(format!(
        "{url} does not start with http://"
    )))
}

fn agent() -> Agent {
    let config = Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        // A proxy from the environment can't reach the addresses of this machine.
        .proxy(None);
    config.build().into()
}

fn read(mut response: http::Response<ureq::Body>) -> Result<Response, ureq::Error> {
    let body = response.body_mut().read_to_string()?;
    Ok(Response {
        status: response.status().as_u16(),
        body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_with_https_is_an_error() {
        for result in [
            get("https://127.0.0.1:1"),
            post("https://127.0.0.1:1", &[], ""),
        ] {
            let message = result.unwrap_err().to_string();
            assert!(message.contains("does not start with http://"), "{message}");
        }
    }
}
