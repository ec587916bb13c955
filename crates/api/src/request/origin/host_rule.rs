//! The rule that a request must be for a host of this service.
//!
//! It stops DNS rebinding: an attacker's name that resolves to our address makes a browser treat our responses as those
//! of the attacker's page. Such a request names the attacker's host. A browser can't be made to name one of ours.

use std::net::IpAddr;

use actix_web::HttpRequest;

use super::{Origin, local_address, named_hosts};
use crate::host::{Host, HostPort};

/// A request is not for this service.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A header does not contain a host.
    #[error("{header} must be a host with an optional port")]
    Malformed {
        /// The name of the header.
        header: &'static str,
    },
    /// The host is not one of this service.
    #[error(
        "{host} is not a host of this service ({header} header); if it should be one, add it to the setting ALLOWED_HOSTS"
    )]
    Unknown {
        /// The name of the header.
        header: &'static str,
        /// The host, without a port.
        host: String,
    },
}

impl Origin {
    /// Checks that `request` is for a host of this service: a loopback host, the address at which the request arrived,
    /// the host of the public URL, or an allowed host. A request that names no host passes, because browsers always name
    /// one.
    ///
    /// With a trusted proxy, the requested host and each forwarded one must be a host of this service. If only the
    /// forwarded host counted, a page that reaches the API past the proxy could simply claim one.
    ///
    /// # Errors
    /// Returns an error if the request names another host.
    pub fn check_host(&self, request: &HttpRequest) -> Result<(), HostError> {
        if let Some(host) = named_hosts::requested(request) {
            self.check_one(request, "Host", host)?;
        }
        if self.trust_proxy {
            for host in named_hosts::forwarded(request) {
                self.check_one(request, "X-Forwarded-Host", host)?;
            }
        }
        Ok(())
    }

    fn check_one(
        &self,
        request: &HttpRequest,
        header: &'static str,
        text: &str,
    ) -> Result<(), HostError> {
        let HostPort { host, .. } = HostPort::parse(text).ok_or(HostError::Malformed { header })?;
        if self.is_own_host(host, local_address(request).ip()) {
            Ok(())
        } else {
            Err(HostError::Unknown {
                header,
                host: host.to_string(),
            })
        }
    }

    /// Returns whether `host` is one of this service, for a request that arrived at the address `local`.
    fn is_own_host(&self, host: Host<'_>, local: IpAddr) -> bool {
        host.is_loopback() || self.allowed_hosts.contains(host) || host == Host::Address(local)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::allowed_hosts::AllowedHosts;

    fn refusal(origin: &Origin, headers: &[(&str, &str)]) -> Option<String> {
        let mut request = TestRequest::default();
        for header in headers {
            request = request.append_header(*header);
        }
        let checked = origin.check_host(&request.to_http_request());
        checked.err().map(|error| error.to_string())
    }

    fn origin(allowed_hosts: &str, trust_proxy: bool) -> Origin {
        Origin::new(
            Some("https://todo.example.org/path".parse().unwrap()),
            allowed_hosts.parse().unwrap(),
            trust_proxy,
        )
    }

    #[test]
    fn loopback_hosts_the_public_host_and_allowed_hosts_pass() {
        let origin = origin("api,.example.net", false);
        for host in [
            "localhost:6400",
            "todo.localhost",
            "127.0.0.1:1",
            "[::1]:6400",
            "Todo.Example.Org",
            "todo.example.org.:8443",
            "api:6400",
            "a.example.net",
        ] {
            assert_eq!(refusal(&origin, &[("Host", host)]), None, "{host}");
        }
        assert_eq!(refusal(&origin, &[]), None);
    }

    #[test]
    fn another_host_is_refused_with_what_to_set() {
        let origin = origin("api", false);
        for (host, named) in [
            ("evil.example:6400", "evil.example"),
            ("localhost.evil.example", "localhost.evil.example"),
            ("example.org", "example.org"),
            ("192.0.2.7:6400", "192.0.2.7"),
            ("[2001:db8::1]", "2001:db8::1"),
        ] {
            let wanted = format!(
                "{named} is not a host of this service (Host header); if it should be one, add it to the setting ALLOWED_HOSTS"
            );
            assert_eq!(refusal(&origin, &[("Host", host)]), Some(wanted));
        }
        let malformed = Some("Host must be a host with an optional port".to_owned());
        for host in ["", "a b", "user@localhost", "localhost, api", "a/b"] {
            assert_eq!(refusal(&origin, &[("Host", host)]), malformed, "{host:?}");
        }
    }

    #[test]
    fn with_a_trusted_proxy_every_named_host_must_be_one_of_this_service() {
        let forwarded = |value| [("Host", "api"), ("X-Forwarded-Host", value)];
        let trusting = origin("api,inner.example.org", true);
        assert_eq!(refusal(&trusting, &forwarded("todo.example.org")), None);
        let chain = "todo.example.org, inner.example.org";
        assert_eq!(refusal(&trusting, &forwarded(chain)), None);
        for list in [
            "evil.example",
            "todo.example.org, evil.example",
            "evil.example,todo.example.org",
        ] {
            let refusal = refusal(&trusting, &forwarded(list)).unwrap();
            assert!(refusal.contains("X-Forwarded-Host"), "{refusal}");
        }
        // a page that reaches the API past the proxy can choose the forwarded host, but not the requested one
        let headers = [
            ("Host", "evil.example"),
            ("X-Forwarded-Host", "todo.example.org"),
        ];
        assert!(refusal(&trusting, &headers).is_some());
        let twice = [
            ("Host", "api"),
            ("X-Forwarded-Host", "todo.example.org"),
            ("X-Forwarded-Host", "evil.example"),
        ];
        assert!(refusal(&trusting, &twice).is_some());

        let distrusting = origin("api", false);
        assert_eq!(refusal(&distrusting, &forwarded("evil.example")), None);
    }

    #[test]
    fn only_the_address_at_which_the_request_arrived_passes_without_a_setting() {
        let origin = Origin::new(None, AllowedHosts::default(), false);
        let local = "192.0.2.7".parse().unwrap();
        assert!(origin.is_own_host(Host::parse("192.0.2.7").unwrap(), local));
        assert!(!origin.is_own_host(Host::parse("192.0.2.8").unwrap(), local));
        assert!(!origin.is_own_host(Host::parse("evil.example").unwrap(), local));
    }
}
