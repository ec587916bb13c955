//! The `PUBLIC_URL` setting.

use std::fmt;
use std::str::FromStr;

use actix_web::http::Uri;

use crate::host::{Host, HostPort, default_port};

/// The base URL under which clients reach the API, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    url: String,
    origin: String,
    host: String,
}

/// A text is not a public URL.
#[derive(Debug, thiserror::Error)]
#[error(
    "expected http or https, a host, and optionally a port and a path, as in https://todo.example.org/path"
)]
pub struct InvalidPublicUrl;

impl FromStr for PublicUrl {
    type Err = InvalidPublicUrl;

    fn from_str(url: &str) -> Result<Self, InvalidPublicUrl> {
        // the parser would drop a fragment without an error
        if url.contains('#') {
            return Err(InvalidPublicUrl);
        }
        let Ok(uri) = url.parse::<Uri>() else {
            return Err(InvalidPublicUrl);
        };
        let (Some(scheme @ ("http" | "https")), Some(authority), None) =
            (uri.scheme_str(), uri.authority(), uri.query())
        else {
            return Err(InvalidPublicUrl);
        };
        let HostPort { port, .. } = HostPort::parse(authority.as_str()).ok_or(InvalidPublicUrl)?;
        let host = authority.host();
        let origin = match port {
            Some(port) if Some(port) != default_port(scheme) => format!("{scheme}://{host}:{port}"),
            _ => format!("{scheme}://{host}"),
        };
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            origin,
            host: host.to_owned(),
        })
    }
}

impl PublicUrl {
    /// Returns the scheme, the host and the port, unless it is the default of the scheme: what a browser sends as the
    /// `Origin` of a page below this URL, except for upper and lower case.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the host. There always is one.
    pub fn host(&self) -> Option<Host<'_>> {
        Host::parse(&self.host)
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_public_url_is_refused() {
        for url in [
            "",
            "example.org",
            "ftp://a",
            "https://",
            "https://u:p@a",
            "https://a?b",
            "https://a#b",
            "https:// a",
            "https://a:port",
            "https://a$b",
        ] {
            assert!(url.parse::<PublicUrl>().is_err(), "{url:?}");
        }
    }

    #[test]
    fn the_origin_is_what_a_browser_sends() {
        for (url, origin) in [
            ("https://todo.example.org/path/", "https://todo.example.org"),
            ("https://todo.example.org:443", "https://todo.example.org"),
            ("http://todo.example.org:443", "http://todo.example.org:443"),
            ("http://[2001:db8::1]:6400/", "http://[2001:db8::1]:6400"),
        ] {
            let url: PublicUrl = url.parse().unwrap();
            assert_eq!(url.origin(), origin);
            assert!(url.host().is_some());
        }
    }
}
