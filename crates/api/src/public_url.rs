//! The `PUBLIC_URL` setting.

use std::fmt;
use std::str::FromStr;

use actix_web::http::Uri;
use actix_web::http::uri::Authority;

/// The base URL under which clients reach the API, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

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

/// Whether `authority` is a host, with or without a port, and no user.
pub(crate) fn is_plain_host(authority: &Authority) -> bool {
    !authority.host().is_empty() && !authority.as_str().contains('@')
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
        ] {
            assert!(url.parse::<PublicUrl>().is_err(), "{url:?}");
        }
    }
}
