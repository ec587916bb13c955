//! The addresses under which clients reach the API: which hosts a request may be for, which pages may change something,
//! and where links in responses point.

mod host_rule;
mod named_hosts;
mod page_rule;

use std::net::SocketAddr;

use actix_web::HttpRequest;
use actix_web::http::header::X_FORWARDED_PROTO;

use crate::allowed_hosts::AllowedHosts;
use crate::host::HostPort;
use crate::public_url::PublicUrl;

pub use host_rule::HostError;
pub use page_rule::ForeignPage;

/// Determines the addresses of the API, from the settings and the headers of a request.
#[derive(Debug, Clone)]
pub struct Origin {
    public_url: Option<PublicUrl>,
    /// Including the host of the public URL.
    allowed_hosts: AllowedHosts,
    trust_proxy: bool,
}

/// The address of this machine at which a connection arrived. The server adds it to each connection.
#[derive(Debug, Clone, Copy)]
pub struct LocalAddress(SocketAddr);

impl From<SocketAddr> for LocalAddress {
    fn from(address: SocketAddr) -> Self {
        // a socket for both versions of IP shows IPv4 addresses as IPv6 addresses
        Self(SocketAddr::new(address.ip().to_canonical(), address.port()))
    }
}

impl Origin {
    /// Links begin with `public_url` if it is set, otherwise with the host that the request names. Requests may be for
    /// its host and the `allowed_hosts`, in addition to those that are always allowed. The headers that a proxy sets
    /// count only with `trust_proxy`.
    pub fn new(
        public_url: Option<PublicUrl>,
        mut allowed_hosts: AllowedHosts,
        trust_proxy: bool,
    ) -> Self {
        if let Some(host) = public_url.as_ref().and_then(PublicUrl::host) {
            allowed_hosts.add(host);
        }
        Self {
            public_url,
            allowed_hosts,
            trust_proxy,
        }
    }

    /// Returns the base URL for the client that sent `request`, without a trailing slash.
    pub fn base_url(&self, request: &HttpRequest) -> String {
        match &self.public_url {
            Some(url) => url.to_string(),
            None => self.base_url_from_headers(request),
        }
    }

    /// Returns whether the client that sent `request` reaches the API over HTTPS.
    pub fn is_https(&self, request: &HttpRequest) -> bool {
        match &self.public_url {
            Some(url) => url.origin().starts_with("https:"),
            None => self.scheme_from_headers(request) == "https",
        }
    }

    fn base_url_from_headers(&self, request: &HttpRequest) -> String {
        let scheme = self.scheme_from_headers(request);
        let host = named_hosts::of_client(request, self.trust_proxy);
        match host.filter(|host| HostPort::parse(host).is_some()) {
            Some(host) => format!("{scheme}://{host}"),
            // an HTTP/1.0 request may have no Host header
            None => format!("{scheme}://{}", local_address(request)),
        }
    }

    fn scheme_from_headers(&self, request: &HttpRequest) -> &'static str {
        let forwarded = self
            .trust_proxy
            .then(|| request.headers().get(X_FORWARDED_PROTO)?.to_str().ok())
            .flatten();
        // each proxy appends its value, so the first one is the closest to the client
        match forwarded
            .and_then(|list| list.split(',').next())
            .map(str::trim)
        {
            Some("https") => "https",
            _ => "http",
        }
    }
}

/// Returns the address at which `request` arrived.
fn local_address(request: &HttpRequest) -> SocketAddr {
    request.conn_data::<LocalAddress>().map_or_else(
        || request.app_config().local_addr(),
        |LocalAddress(address)| *address,
    )
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn base_url(origin: &Origin, headers: &[(&str, &str)]) -> String {
        let mut request = TestRequest::default();
        for header in headers {
            request = request.insert_header(*header);
        }
        origin.base_url(&request.to_http_request())
    }

    fn from_headers(trust_proxy: bool) -> Origin {
        Origin::new(None, AllowedHosts::default(), trust_proxy)
    }

    const FORWARDED: [(&str, &str); 3] = [
        ("Host", "10.0.0.7:6400"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "todo.example.org, inner.example.org"),
    ];

    #[test]
    fn without_settings_the_host_header_decides() {
        let origin = from_headers(false);
        assert_eq!(
            base_url(&origin, &[("Host", "localhost:6400")]),
            "http://localhost:6400"
        );
        assert_eq!(base_url(&origin, &FORWARDED), "http://10.0.0.7:6400");
    }

    #[test]
    fn forwarded_headers_count_only_from_a_trusted_proxy() {
        let origin = from_headers(true);
        assert_eq!(base_url(&origin, &FORWARDED), "https://todo.example.org");
        assert_eq!(
            base_url(
                &origin,
                &[("Host", "todo:1"), ("X-Forwarded-Proto", "gopher")]
            ),
            "http://todo:1"
        );
    }

    #[test]
    fn a_public_url_overrides_all_headers() {
        let public = "https://example.org/todo/".parse().unwrap();
        let origin = Origin::new(Some(public), AllowedHosts::default(), true);
        assert_eq!(base_url(&origin, &FORWARDED), "https://example.org/todo");
    }

    #[test]
    fn behind_a_public_https_url_cookies_are_secure_whatever_the_next_proxy_says() {
        let public = "https://d1.cloudfront.net".parse().unwrap();
        let origin = Origin::new(Some(public), AllowedHosts::default(), true);
        // what a load balancer says to which CloudFront speaks HTTP
        let request = TestRequest::default()
            .insert_header(("X-Forwarded-Proto", "http"))
            .to_http_request();
        assert!(origin.is_https(&request));
    }

    #[test]
    fn an_invalid_host_header_is_not_copied_into_a_url() {
        let origin = from_headers(true);
        for host in ["", "a b", "user@host", "a\"><script>", "a/b"] {
            let base_url = base_url(&origin, &[("Host", host)]);
            assert_eq!(base_url, "http://127.0.0.1:8080", "{host:?}");
        }
    }

    #[test]
    fn an_address_of_ipv4_is_shown_as_one() {
        let address: SocketAddr = "[::ffff:192.0.2.7]:6400".parse().unwrap();
        let LocalAddress(shown) = LocalAddress::from(address);
        assert_eq!(shown.to_string(), "192.0.2.7:6400");
    }
}
