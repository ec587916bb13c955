//! The URL of a webhook.

use std::fmt;
use std::net::IpAddr;

use actix_web::http::Uri;

use crate::events::addresses::is_public;
use crate::events::webhook_hosts::WebhookHosts;
use crate::host::{HTTP_PORT, HTTPS_PORT, Host, HostPort};

/// The maximum length of a URL, in bytes.
pub const MAX_LENGTH: usize = 2000;

/// The URL of a webhook. A client's is https and public, unless the operators allow its host and port.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookUrl {
    text: String,
    /// An IPv6 address has brackets.
    host: String,
    port: u16,
    scheme: &'static str,
    /// Whether the operators have chosen the URL, or allow its host and port.
    may_be_private: bool,
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
    /// Its host is a number in a form that some programs read as an IPv4 address.
    #[error(
        "must have a name as its host, or an address such as 192.0.2.7: four decimal numbers, without a dot at the end"
    )]
    Number,
    /// It has a fragment.
    #[error("must not contain a fragment (#…), which no server receives")]
    Fragment,
    /// It is neither http nor https.
    #[error(
        "must begin with https://, or with http:// where the operators of the service allow it"
    )]
    Scheme,
    /// It is a client's, and not https.
    #[error(
        "must begin with https://; the operators of the service can allow http to a host and port that they name in \
         WEBHOOK_ALLOWED_HOSTS"
    )]
    NotHttps,
    /// Its host is not public.
    #[error(
        "must not be at {0}, which is no address on the Internet; the operators of the service can allow it, with its \
         port, in WEBHOOK_ALLOWED_HOSTS"
    )]
    NotPublic(String),
}

impl WebhookUrl {
    /// Reads a URL that the operators have chosen. It may be http, and may have any address.
    ///
    /// # Errors
    /// Returns an error if the text is not a URL, or has credentials or a fragment.
    pub fn of_operators(text: &str) -> Result<Self, InvalidWebhookUrl> {
        let url = Self::read(text)?;
        Ok(Self {
            may_be_private: true,
            ..url
        })
    }

    /// Reads a URL that a client has chosen. The hosts and ports in `allowed` may be private, and may use http.
    ///
    /// # Errors
    /// Returns an error if the text is not a URL, has credentials or a fragment, is not https, or has an address that is
    /// not public. A name is resolved only when an event is sent.
    pub fn of_client(text: &str, allowed: &WebhookHosts) -> Result<Self, InvalidWebhookUrl> {
        let url = Self::read(text)?;
        let host = Host::parse(&url.host).ok_or(InvalidWebhookUrl::Form)?;
        let is_allowed = allowed.contains(url.scheme, host, url.port);
        if !is_allowed && !url.is_https() {
            return Err(InvalidWebhookUrl::NotHttps);
        }
        if !is_allowed && is_private(host) {
            return Err(InvalidWebhookUrl::NotPublic(host.to_string()));
        }
        Ok(Self {
            may_be_private: is_allowed,
            ..url
        })
    }

    fn read(text: &str) -> Result<Self, InvalidWebhookUrl> {
        // the parser would drop a fragment without an error
        if text.contains('#') {
            return Err(InvalidWebhookUrl::Fragment);
        }
        let uri: Uri = text.parse().map_err(|_invalid| InvalidWebhookUrl::Form)?;
        let authority = uri.authority().ok_or(InvalidWebhookUrl::Form)?;
        let (scheme, default_port) = match uri.scheme_str() {
            Some("https") => ("https", HTTPS_PORT),
            Some("http") => ("http", HTTP_PORT),
            Some(_) => return Err(InvalidWebhookUrl::Scheme),
            None => return Err(InvalidWebhookUrl::Form),
        };
        if authority.as_str().contains('@') {
            return Err(InvalidWebhookUrl::Credentials);
        }
        let HostPort { host, port } =
            HostPort::parse(authority.as_str()).ok_or(InvalidWebhookUrl::Form)?;
        if ends_in_number(host) {
            return Err(InvalidWebhookUrl::Number);
        }
        let port_in_text = port.map_or_else(String::new, |port| format!(":{port}"));
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
            port: port.unwrap_or(default_port),
            scheme,
            may_be_private: false,
        })
    }

    /// Returns the whole URL, with its host in lower case. Its path and query may contain a secret.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns what identifies the receiver: scheme, host and port, such as `https://example.org:443`. All spellings of a
    /// host have the same.
    pub fn origin(&self) -> String {
        let host = match Host::parse(&self.host) {
            Some(Host::Address(IpAddr::V6(address))) => format!("[{address}]"),
            Some(host) => host.to_string(),
            None => self.host.clone(),
        };
        format!("{}://{host}:{}", self.scheme, self.port)
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
        self.scheme == "https"
    }

    /// Returns whether the host may have any address, because the operators have chosen the URL or allow its host and
    /// port.
    pub fn may_be_private(&self) -> bool {
        self.may_be_private
    }
}

impl fmt::Debug for WebhookUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redacted(&self.text))
    }
}

/// Returns a URL as far as people may see it: its scheme, host and port. The rest may contain a secret, as in
/// `https://hooks.slack.com/services/…`, and becomes `…`.
pub fn redacted(url: &str) -> String {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (format!("{scheme}://"), rest),
        None => (String::new(), url),
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or_default();
    match rest {
        "" | "/" => format!("{scheme}{host}{rest}"),
        _ => format!("{scheme}{host}/…"),
    }
}

fn is_private(host: Host<'_>) -> bool {
    match host {
        Host::Address(address) => !is_public(address),
        // such as localhost
        Host::Name(_) => host.is_loopback(),
    }
}

/// Returns whether a name ends in a number, as in `127.1`, `0x7f000001` and `127.0.0.1.`. No name in the DNS does, but some
/// programs read it as an IPv4 address: <https://url.spec.whatwg.org/#ends-in-a-number-checker>
fn ends_in_number(host: Host<'_>) -> bool {
    let Host::Name(name) = host else {
        return false;
    };
    let last = name.rsplit('.').next().unwrap_or(name);
    match last.strip_prefix("0x").or_else(|| last.strip_prefix("0X")) {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => last.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests;
