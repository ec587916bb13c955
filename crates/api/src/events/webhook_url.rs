//! The URL of a webhook.

use std::fmt;

use actix_web::http::Uri;

use crate::allowed_hosts::AllowedHosts;
use crate::events::addresses::is_public;
use crate::host::{Host, HostPort, default_port};

/// The maximum length of a URL, in bytes.
pub const MAX_LENGTH: usize = 2000;

/// The URL of a webhook: https, or http to a host that the operators allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookUrl {
    text: String,
    host: String,
    port: u16,
    is_https: bool,
    /// Whether the operators allow the host by name, so that it may have any address.
    is_named: bool,
}

/// A text can't be the URL of a webhook.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWebhookUrl {
    /// It is not a URL, or not one with a host.
    #[error(
        "must be a URL of at most {MAX_LENGTH} characters, such as https://example.org/hooks/calendar"
    )]
    Form,
    /// It has a user or a password.
    #[error(
        "must not contain a user name or a password; put a secret into the path or the query, or check the signature of \
         each event"
    )]
    Credentials,
    /// It has a fragment.
    #[error("must not contain a fragment (#…), which no server receives")]
    Fragment,
    /// It is not https.
    #[error(
        "must begin with https://; the operators of the service can allow http to a host that they name in \
         WEBHOOK_ALLOWED_HOSTS"
    )]
    NotHttps,
    /// Its host is not public.
    #[error(
        "must not be at {0}, which is no address on the Internet; the operators of the service can allow it in \
         WEBHOOK_ALLOWED_HOSTS"
    )]
    NotPublic(String),
}

impl WebhookUrl {
    /// Reads the URL of a webhook. The hosts in `allowed` may be private, and may use http.
    ///
    /// # Errors
    /// Returns an error if the text is not a URL, has credentials or a fragment, is not https, or has an address that is
    /// not public. A name is resolved only when an event is sent.
    pub fn parse(text: &str, allowed: &AllowedHosts) -> Result<Self, InvalidWebhookUrl> {
        // the parser would drop a fragment without an error
        if text.contains('#') {
            return Err(InvalidWebhookUrl::Fragment);
        }
        let uri: Uri = text.parse().map_err(|_invalid| InvalidWebhookUrl::Form)?;
        let (Some(scheme @ ("http" | "https")), Some(authority)) =
            (uri.scheme_str(), uri.authority())
        else {
            return Err(match uri.scheme_str() {
                Some(_) if uri.authority().is_some() => InvalidWebhookUrl::NotHttps,
                _ => InvalidWebhookUrl::Form,
            });
        };
        if authority.as_str().contains('@') {
            return Err(InvalidWebhookUrl::Credentials);
        }
        let HostPort { host, port } =
            HostPort::parse(authority.as_str()).ok_or(InvalidWebhookUrl::Form)?;
        let is_named = allowed.contains(host);
        let is_https = scheme == "https";
        if !is_https && !is_named {
            return Err(InvalidWebhookUrl::NotHttps);
        }
        if !is_named && is_private(host) {
            return Err(InvalidWebhookUrl::NotPublic(host.to_string()));
        }
        let port_in_text = port.map_or_else(String::new, |port| format!(":{port}"));
        let port = port.or_else(|| default_port(scheme));
        let host = authority.host().to_ascii_lowercase();
        let query = uri
            .query()
            .map_or_else(String::new, |query| format!("?{query}"));
        let text = format!("{scheme}://{host}{port_in_text}{}{query}", uri.path());
        if text.len() > MAX_LENGTH {
            return Err(InvalidWebhookUrl::Form);
        }
        Ok(Self {
            text,
            host,
            port: port.ok_or(InvalidWebhookUrl::Form)?,
            is_https,
            is_named,
        })
    }

    /// Returns the URL, with its host in lower case.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the host; an IPv6 address is without brackets.
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the host and, unless it is the default, the port: the header `Host`.
    pub fn authority(&self) -> &str {
        let rest = self.after_scheme();
        rest.split_once(['/', '?'])
            .map_or(rest, |(authority, _)| authority)
    }

    /// Returns what follows the host and the port: the target of the request.
    pub fn path_and_query(&self) -> &str {
        let rest = self.after_scheme();
        rest.get(self.authority().len()..).unwrap_or("/")
    }

    fn after_scheme(&self) -> &str {
        self.text.split_once("://").map_or("", |(_, rest)| rest)
    }

    /// Returns whether the request is encrypted.
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// Returns whether the operators allow the host by name, so that it may have any address.
    pub fn may_be_private(&self) -> bool {
        self.is_named
    }
}

impl fmt::Display for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_private(host: Host<'_>) -> bool {
    match host {
        Host::Address(address) => !is_public(address),
        // such as localhost
        Host::Name(_) => host.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<WebhookUrl, InvalidWebhookUrl> {
        WebhookUrl::parse(text, &"hooks.internal,10.0.0.7".parse().unwrap())
    }

    #[test]
    fn an_https_url_and_urls_of_allowed_hosts_are_accepted() {
        for (text, host, port, stored) in [
            (
                "https://Example.org",
                "example.org",
                443,
                "https://example.org/",
            ),
            (
                "https://example.org:8443/a?b=c",
                "example.org",
                8443,
                "https://example.org:8443/a?b=c",
            ),
            ("https://1.1.1.1/", "1.1.1.1", 443, "https://1.1.1.1/"),
            (
                "https://[2606:4700::1111]:1/",
                "2606:4700::1111",
                1,
                "https://[2606:4700::1111]:1/",
            ),
            (
                "http://hooks.internal/x",
                "hooks.internal",
                80,
                "http://hooks.internal/x",
            ),
            ("https://10.0.0.7/", "10.0.0.7", 443, "https://10.0.0.7/"),
        ] {
            let url = parse(text).unwrap();
            assert_eq!((url.host(), url.port(), url.as_str()), (host, port, stored));
            assert_eq!(
                parse(stored).unwrap(),
                url,
                "it is read again when it is used"
            );
            let rest = format!("{}{}", url.authority(), url.path_and_query());
            assert!(
                stored.ends_with(&format!("://{rest}")) && url.path_and_query().starts_with('/')
            );
        }
    }

    #[test]
    fn other_urls_are_refused_with_what_to_do() {
        let long = format!("https://example.org/{}", "a".repeat(MAX_LENGTH));
        for (text, words) in [
            ("", "must be a URL"),
            ("example.org/x", "must be a URL"),
            ("/x", "must be a URL"),
            ("https://", "must be a URL"),
            ("https://exa mple.org", "must be a URL"),
            ("https://exämple.org/", "must be a URL"),
            ("https://example.org:port/", "must be a URL"),
            (long.as_str(), "at most 2000 characters"),
            ("http://example.org/", "must begin with https://"),
            ("ftp://example.org/", "must begin with https://"),
            (
                "https://user:secret@example.org/",
                "must not contain a user name",
            ),
            ("https://user@example.org/", "must not contain a user name"),
            ("https://example.org/#a", "must not contain a fragment"),
            ("https://localhost/", "must not be at localhost"),
            ("https://a.localhost:1/", "must not be at a.localhost"),
            ("https://127.0.0.1/", "must not be at 127.0.0.1"),
            (
                "https://169.254.169.254/latest",
                "must not be at 169.254.169.254",
            ),
            ("https://[::1]/", "must not be at ::1"),
            ("https://[::ffff:10.0.0.1]/", "must not be at 10.0.0.1"),
            ("https://[fd00::1]/", "must not be at fd00::1"),
            ("https://0.0.0.0/", "must not be at 0.0.0.0"),
            ("https://10.0.0.8/", "WEBHOOK_ALLOWED_HOSTS"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text:?}: {error}");
            assert!(!error.contains("secret@"), "{error}");
        }
    }
}
