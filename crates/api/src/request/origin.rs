//! The base URL under which the client of a request reaches the API.

use actix_web::HttpRequest;
use actix_web::http::header::{HOST, HeaderName};
use actix_web::http::uri::Authority;

use crate::public_url::{PublicUrl, is_plain_host};

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Determines the base URL of a request, from the settings and the request's headers.
#[derive(Debug, Clone)]
pub struct Origin {
    public_url: Option<PublicUrl>,
    trust_proxy: bool,
}

impl Origin {
    /// Uses `public_url` if it is set, otherwise the headers of each request. The headers that a proxy sets count only
    /// with `trust_proxy`.
    pub fn new(public_url: Option<PublicUrl>, trust_proxy: bool) -> Self {
        Self {
            public_url,
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

    fn base_url_from_headers(&self, request: &HttpRequest) -> String {
        let forwarded = |name| {
            self.trust_proxy
                .then(|| first_of_list(request, &name))
                .flatten()
        };
        let scheme = forwarded(X_FORWARDED_PROTO)
            .filter(|scheme| matches!(*scheme, "http" | "https"))
            .unwrap_or("http");
        let host = forwarded(X_FORWARDED_HOST)
            .or_else(|| request.uri().authority().map(Authority::as_str))
            .or_else(|| request.headers().get(HOST)?.to_str().ok())
            .filter(|host| host.parse().is_ok_and(|host| is_plain_host(&host)));
        match host {
            Some(host) => format!("{scheme}://{host}"),
            // an HTTP/1.0 request has no Host header
            None => format!("{scheme}://{}", request.app_config().local_addr()),
        }
    }
}

/// Each proxy appends its value, so the first one is the closest to the client.
fn first_of_list<'a>(request: &'a HttpRequest, name: &HeaderName) -> Option<&'a str> {
    let list = request.headers().get(name)?.to_str().ok()?;
    list.split(',').next().map(str::trim)
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

    const FORWARDED: [(&str, &str); 3] = [
        ("Host", "10.0.0.7:6400"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "todo.example.org, inner.example.org"),
    ];

    #[test]
    fn without_settings_the_host_header_decides() {
        let origin = Origin::new(None, false);
        assert_eq!(
            base_url(&origin, &[("Host", "localhost:6400")]),
            "http://localhost:6400"
        );
        assert_eq!(base_url(&origin, &FORWARDED), "http://10.0.0.7:6400");
    }

    #[test]
    fn forwarded_headers_count_only_from_a_trusted_proxy() {
        let origin = Origin::new(None, true);
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
        let origin = Origin::new(Some("https://example.org/todo/".parse().unwrap()), true);
        assert_eq!(base_url(&origin, &FORWARDED), "https://example.org/todo");
    }

    #[test]
    fn an_invalid_host_header_is_not_copied_into_a_url() {
        let origin = Origin::new(None, true);
        for host in ["", "a b", "user@host", "a\"><script>", "a/b"] {
            let base_url = base_url(&origin, &[("Host", host)]);
            assert_eq!(base_url, "http://127.0.0.1:8080", "{host:?}");
        }
    }
}
