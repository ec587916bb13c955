//! The rule that only pages of this service may change something.
//!
//! A browser lets every page send requests to every address; it only keeps the responses from pages of other sites. But
//! it says where a request comes from, and pages can't change that. The rule is that of Go
//! (<https://pkg.go.dev/net/http#CrossOriginProtection>), except that `none` is not enough with a foreign origin. OWASP
//! describes both headers
//! (<https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html>).

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, HeaderValue, ORIGIN};

use super::{Origin, named_hosts};
use crate::host::{HostPort, default_port};
use crate::public_url::PublicUrl;

/// Sent by all browsers since 2023, but only over HTTPS and to this machine:
/// <https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header>
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A page of another site sent the request.
#[derive(Debug, thiserror::Error)]
#[error(
    "a page of another site sent this request; if that page belongs to this service, set PUBLIC_URL to its address"
)]
pub struct ForeignPage;

impl Origin {
    /// Checks that a request which may change something does not come from a page of another site. A request that does
    /// not come from a page passes.
    ///
    /// # Errors
    /// Returns an error if it comes from a page with another scheme, host or port, even on the same machine.
    pub fn check_page(&self, request: &HttpRequest) -> Result<(), ForeignPage> {
        if request.method().is_safe() {
            return Ok(());
        }
        let headers = request.headers();
        // since 2020, every browser names an origin when a page sends such a request
        let is_own_origin = || {
            headers.get(ORIGIN).is_none_or(|origin| {
                let origin = origin.to_str();
                origin.is_ok_and(|origin| self.is_own_page(request, origin))
            })
        };
        let is_own = match headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes) {
            Some(b"same-origin") => true,
            // `none`: the user did it, for example by reloading a page, or an extension of the browser
            Some(b"none") | None => is_own_origin(),
            Some(_) => false,
        };
        if is_own { Ok(()) } else { Err(ForeignPage) }
    }

    /// Returns whether the page at `origin` belongs to this service. Behind a proxy that ends TLS, the scheme of the
    /// request is unknown, so any scheme is fine with the host that the client used.
    fn is_own_page(&self, request: &HttpRequest, origin: &str) -> bool {
        let is_public = |url: &PublicUrl| url.origin().eq_ignore_ascii_case(origin);
        if self.public_url.as_ref().is_some_and(is_public) {
            return true;
        }
        // `null` stands for a page that hides its origin
        let Some((scheme, authority)) = origin.split_once("://") else {
            return false;
        };
        let Some(default) = default_port(scheme) else {
            return false;
        };
        let host = named_hosts::of_client(request, self.trust_proxy);
        let page = HostPort::parse(authority);
        let own = host.and_then(HostPort::parse);
        page.zip(own).is_some_and(|(page, own)| {
            page.host == own.host && page.port.unwrap_or(default) == own.port.unwrap_or(default)
        })
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::Method;
    use actix_web::test::TestRequest;

    use super::*;
    use crate::allowed_hosts::AllowedHosts;

    fn passes(origin: &Origin, method: Method, headers: &[(&str, &str)]) -> bool {
        let mut request = TestRequest::default().method(method);
        for header in headers {
            request = request.insert_header(*header);
        }
        origin.check_page(&request.to_http_request()).is_ok()
    }

    fn plain() -> Origin {
        Origin::new(None, AllowedHosts::default(), false)
    }

    #[test]
    fn a_request_that_comes_from_no_page_passes() {
        assert!(passes(
            &plain(),
            Method::POST,
            &[("Host", "localhost:6400")]
        ));
        assert!(passes(&plain(), Method::DELETE, &[]));
    }

    #[test]
    fn the_judgement_of_the_browser_counts_first() {
        let [own, evil, extension] = [
            "http://localhost:6400",
            "https://evil.example",
            "chrome-extension://abcdef",
        ];
        for (site, passing) in [
            ("same-origin", &[own, evil, extension, "null"][..]),
            ("none", &[own]),
            ("same-site", &[]),
            ("cross-site", &[]),
            ("Same-Origin", &[]),
            ("", &[]),
            ("something-new", &[]),
        ] {
            for origin in [own, evil, extension, "null"] {
                let headers = [
                    ("Host", "localhost:6400"),
                    ("Sec-Fetch-Site", site),
                    ("Origin", origin),
                ];
                assert_eq!(
                    passes(&plain(), Method::POST, &headers),
                    passing.contains(&origin),
                    "{site:?} from {origin}"
                );
            }
            let headers = [("Host", "localhost:6400"), ("Sec-Fetch-Site", site)];
            let is_own = !passing.is_empty();
            assert_eq!(passes(&plain(), Method::POST, &headers), is_own, "{site:?}");
        }
    }

    #[test]
    fn without_it_the_origin_must_be_the_host_that_the_client_used() {
        for (host, origin, is_own) in [
            ("localhost:6400", "http://localhost:6400", true),
            ("LOCALHOST:6400", "http://localhost:6400", true),
            ("todo.example.org", "https://todo.example.org", true),
            ("todo.example.org:443", "https://todo.example.org", true),
            ("[::1]:6400", "http://[::1]:6400", true),
            ("localhost:6400", "http://localhost:3000", false),
            ("localhost:6400", "http://localhost", false),
            ("localhost:6400", "http://127.0.0.1:6400", false),
            ("localhost:6400", "http://evil.example", false),
            (
                "localhost:6400",
                "http://localhost.evil.example:6400",
                false,
            ),
            ("todo.example.org:80", "https://todo.example.org", false),
            ("localhost:6400", "null", false),
            ("localhost:6400", "", false),
            ("localhost:6400", "localhost:6400", false),
            ("localhost:6400", "//localhost:6400", false),
            ("localhost:6400", "file://localhost:6400", false),
            ("localhost:6400", "http://user@localhost:6400", false),
            ("localhost:6400", "http://localhost:6400/", false),
            (
                "localhost:6400",
                "http://localhost:6400 http://evil.example",
                false,
            ),
        ] {
            let headers = [("Host", host), ("Origin", origin)];
            assert_eq!(
                passes(&plain(), Method::POST, &headers),
                is_own,
                "{origin} at {host}"
            );
        }
        // without a host there is nothing to compare with
        assert!(!passes(
            &plain(),
            Method::POST,
            &[("Origin", "http://localhost")]
        ));
    }

    #[test]
    fn pages_of_the_public_url_and_of_the_forwarded_host_pass() {
        let public = "https://Todo.example.org:443/path".parse().unwrap();
        let origin = Origin::new(Some(public), AllowedHosts::default(), false);
        let from = |origin| [("Host", "127.0.0.1:6400"), ("Origin", origin)];
        assert!(passes(
            &origin,
            Method::PUT,
            &from("https://todo.example.org")
        ));
        assert!(!passes(
            &origin,
            Method::PUT,
            &from("http://todo.example.org")
        ));

        let headers = [
            ("Host", "127.0.0.1:6400"),
            ("X-Forwarded-Host", "todo.example.org"),
            ("Origin", "https://todo.example.org"),
        ];
        let trusting = Origin::new(None, AllowedHosts::default(), true);
        assert!(passes(&trusting, Method::PUT, &headers));
        assert!(!passes(&plain(), Method::PUT, &headers));
    }

    #[test]
    fn only_safe_methods_are_open_to_pages_of_other_sites() {
        let foreign = [("Sec-Fetch-Site", "cross-site"), ("Origin", "null")];
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert!(passes(&plain(), method, &foreign));
        }
        let invented = Method::from_bytes(b"get").unwrap();
        for method in [
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            invented,
        ] {
            assert!(!passes(&plain(), method, &foreign));
        }
    }
}
