//! Absolute URLs of what the API has.

use std::fmt;
use std::str::FromStr;

use actix_web::HttpRequest;
use actix_web::http::Uri;
use actix_web::http::header::{HOST, HeaderName};
use actix_web::http::uri::Authority;
use shared_model::job::JobId;
use uuid::Uuid;

use crate::feed_token::FeedToken;

/// Where every path of the API begins.
pub const API_PREFIX: &str = "/api/v1";

/// Where the path of every feed begins. What follows is a secret.
pub const FEED_PREFIX: &str = "/calendar/";

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Where clients reach the API, as the operator says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

/// A text that is no public URL.
#[derive(Debug, thiserror::Error)]
#[error(
    "a public URL looks like https://todo.example.org, perhaps with a port and a path; no user, no query"
)]
pub struct InvalidPublicUrl;

impl FromStr for PublicUrl {
    type Err = InvalidPublicUrl;

    fn from_str(url: &str) -> Result<Self, InvalidPublicUrl> {
        // a fragment would be dropped in silence
        if url.contains('#') {
            return Err(InvalidPublicUrl);
        }
        let Ok(uri) = url.parse::<Uri>() else {
            return Err(InvalidPublicUrl);
        };
        match (uri.scheme_str(), uri.authority(), uri.query()) {
            (Some("http" | "https"), Some(authority), None) if is_plain_host(authority) => {
                Ok(Self(url.trim_end_matches('/').to_owned()))
            }
            _ => Err(InvalidPublicUrl),
        }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How to tell where a client reaches the API.
#[derive(Debug, Clone)]
pub struct Origin {
    public_url: Option<PublicUrl>,
    trust_proxy: bool,
}

impl Origin {
    /// `public_url` if there is one, else what each request says; of what a proxy adds only if it is trusted.
    pub fn new(public_url: Option<PublicUrl>, trust_proxy: bool) -> Self {
        Self {
            public_url,
            trust_proxy,
        }
    }

    /// The URLs for who sent `request`.
    pub fn links(&self, request: &HttpRequest) -> Links {
        let base = match &self.public_url {
            Some(PublicUrl(url)) => url.clone(),
            None => self.base_of(request),
        };
        Links { base }
    }

    fn base_of(&self, request: &HttpRequest) -> String {
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
            // HTTP/1.0 knows no Host
            None => format!("{scheme}://{}", request.app_config().local_addr()),
        }
    }
}

fn is_plain_host(authority: &Authority) -> bool {
    !authority.host().is_empty() && !authority.as_str().contains('@')
}

/// The client's side comes first where several proxies wrote.
fn first_of_list<'a>(request: &'a HttpRequest, name: &HeaderName) -> Option<&'a str> {
    let list = request.headers().get(name)?.to_str().ok()?;
    list.split(',').next().map(str::trim)
}

/// The API's URLs as one client can follow them.
#[derive(Debug, Clone)]
pub struct Links {
    base: String,
}

impl Links {
    /// A todo.
    pub fn todo(&self, id: i32) -> String {
        format!("{}{API_PREFIX}/todos/{id}", self.base)
    }

    /// How a job stands.
    pub fn job_status(&self, id: JobId) -> String {
        format!("{}{API_PREFIX}/todos/ical/{id}/status", self.base)
    }

    /// What a job made.
    pub fn job_result(&self, id: JobId) -> String {
        format!("{}{API_PREFIX}/todos/ical/{id}/result", self.base)
    }

    /// A feed, for its owner.
    pub fn feed_resource(&self, id: Uuid) -> String {
        format!("{}{API_PREFIX}/calendar/feeds/{id}", self.base)
    }

    /// A feed's calendar, for who subscribes.
    pub fn feed(&self, token: &FeedToken) -> String {
        format!("{}{FEED_PREFIX}{token}.ics", self.base)
    }

    /// The value of `Link` for the next page of a list. The parameters' values are written as they are: numbers,
    /// words and cursors need no escapes.
    pub fn next_page(&self, path: &str, parameters: &[(&str, Option<String>)]) -> String {
        let mut url = format!("{}{API_PREFIX}{path}", self.base);
        let mut separator = '?';
        for (name, value) in parameters {
            if let Some(value) = value {
                url.push(separator);
                url.push_str(name);
                url.push('=');
                url.push_str(value);
                separator = '&';
            }
        }
        format!("<{url}>; rel=\"next\"")
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn base(origin: &Origin, headers: &[(&str, &str)]) -> String {
        let mut request = TestRequest::default();
        for header in headers {
            request = request.insert_header(*header);
        }
        origin.links(&request.to_http_request()).base
    }

    const FORWARDED: [(&str, &str); 3] = [
        ("Host", "10.0.0.7:6400"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "todo.example.org, inner.example.org"),
    ];

    #[test]
    fn urls_follow_the_host_that_the_client_named() {
        let origin = Origin::new(None, false);
        assert_eq!(
            base(&origin, &[("Host", "localhost:6400")]),
            "http://localhost:6400"
        );
        assert_eq!(base(&origin, &FORWARDED), "http://10.0.0.7:6400");
    }

    #[test]
    fn a_proxy_is_believed_only_when_it_is_trusted() {
        let origin = Origin::new(None, true);
        assert_eq!(base(&origin, &FORWARDED), "https://todo.example.org");
        assert_eq!(
            base(
                &origin,
                &[("Host", "todo:1"), ("X-Forwarded-Proto", "gopher")]
            ),
            "http://todo:1"
        );
    }

    #[test]
    fn a_public_url_goes_over_everything() {
        let origin = Origin::new(Some("https://example.org/todo/".parse().unwrap()), true);
        assert_eq!(base(&origin, &FORWARDED), "https://example.org/todo");
    }

    #[test]
    fn a_host_that_is_none_is_not_repeated() {
        let origin = Origin::new(None, true);
        for host in ["", "a b", "user@host", "a\"><script>", "a/b"] {
            let base = base(&origin, &[("Host", host)]);
            assert_eq!(base, "http://127.0.0.1:8080", "{host:?}");
        }
    }

    #[test]
    fn what_is_no_public_url_is_refused() {
        for url in [
            "",
            "example.org",
            "ftp://a",
            "https://",
            "https://u:p@a",
            "https://a?b",
            "https://a#b",
            "https:// a",
        ] {
            assert!(url.parse::<PublicUrl>().is_err(), "{url:?}");
        }
    }

    #[test]
    fn a_next_page_keeps_the_parameters_that_were_given() {
        let links = Links {
            base: "http://a".into(),
        };
        let parameters = [
            ("completed", Some("true".into())),
            ("window", None),
            ("cursor", Some("1.2".into())),
        ];
        assert_eq!(
            links.next_page("/todos", &parameters),
            "<http://a/api/v1/todos?completed=true&cursor=1.2>; rel=\"next\""
        );
    }
}
