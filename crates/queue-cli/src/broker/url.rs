//! The URL of a queue of a broker.

use std::fmt;
use std::str::FromStr;

/// Which broker, and what of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    RedisStream,
    RedisPubSub,
}

/// The schemes: without TLS, with TLS, and the kind.
const SCHEMES: [(&str, &str, Kind); 2] = [
    ("redis", "rediss", Kind::RedisStream),
    ("redis+pubsub", "rediss+pubsub", Kind::RedisPubSub),
];
/// The usual port of Redis.
const PORT: u16 = 6379;
const MAX_NAME: usize = 120;

/// Where a queue of a broker is, and with which account it is used. `Display` does not show the password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BrokerUrl {
    pub(crate) kind: Kind,
    pub(crate) is_tls: bool,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The number of the database of Redis.
    pub(crate) database: u8,
    pub(crate) name: String,
    scheme: &'static str,
}

/// Why a text is not the URL of a queue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidBrokerUrl {
    #[error(
        "a URL is redis://HOST/STREAM or redis+pubsub://HOST/CHANNEL; with TLS, the scheme is rediss or rediss+pubsub"
    )]
    Form,
    #[error("{0:?} is not a host, or a host and a port")]
    Host(String),
    #[error("a name has 1 to 120 letters, digits, dots, hyphens and underscores")]
    Name,
    #[error("only a stream may be followed by ?db=NUMBER, and a name by nothing else")]
    Options,
}

/// Whether a text begins with the scheme of a broker.
pub(crate) fn has_scheme(text: &str) -> bool {
    text.split_once("://")
        .is_some_and(|(scheme, _)| scheme_of(scheme).is_some())
}

fn scheme_of(text: &str) -> Option<(&'static str, bool, Kind)> {
    SCHEMES.iter().find_map(|(plain, tls, kind)| {
        if text == *plain {
            Some((*plain, false, *kind))
        } else {
            (text == *tls).then_some((*tls, true, *kind))
        }
    })
}

impl FromStr for BrokerUrl {
    type Err = InvalidBrokerUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidBrokerUrl::Form)?;
        let (scheme, is_tls, kind) = scheme_of(scheme).ok_or(InvalidBrokerUrl::Form)?;
        let (authority, path) = rest.split_once('/').ok_or(InvalidBrokerUrl::Form)?;
        let (account, host) = match authority.rsplit_once('@') {
            Some((account, host)) => (Some(account), host),
            None => (None, authority),
        };
        let (user, password) =
            account.map_or((None, None), |account| match account.split_once(':') {
                Some((user, password)) => (Some(user), Some(password)),
                None => (Some(account), None),
            });
        let (name, database) = match path.split_once('?') {
            Some((name, options)) => (name, database(kind, options)?),
            None => (path, 0),
        };
        let is_allowed =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_allowed) {
            return Err(InvalidBrokerUrl::Name);
        }
        let (host, port) = split_host(host)?;
        Ok(Self {
            kind,
            is_tls,
            user: user.filter(|user| !user.is_empty()).map(decoded),
            password: password.map(decoded),
            host,
            port,
            database,
            name: name.to_owned(),
            scheme,
        })
    }
}

fn database(kind: Kind, options: &str) -> Result<u8, InvalidBrokerUrl> {
    let number = options.strip_prefix("db=").and_then(|db| db.parse().ok());
    match (kind, number) {
        (Kind::RedisStream, Some(number)) => Ok(number),
        _ => Err(InvalidBrokerUrl::Options),
    }
}

/// Returns the host, without brackets, and its port.
fn split_host(text: &str) -> Result<(String, u16), InvalidBrokerUrl> {
    let invalid = || InvalidBrokerUrl::Host(text.to_owned());
    // an IPv6 address is in brackets
    let (name, rest) = match text.strip_prefix('[') {
        Some(address) => address.split_once(']').ok_or_else(invalid)?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match rest.strip_prefix(':') {
        Some(port) => port.parse().map_err(|_error| invalid())?,
        None if rest.is_empty() => PORT,
        None => return Err(invalid()),
    };
    if name.is_empty() {
        return Err(invalid());
    }
    Ok((name.to_owned(), port))
}

/// Replaces `%` and two hexadecimal digits by the byte that they stand for.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        let byte = others
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = others
            .get(if byte.is_some() { 2 } else { 0 }..)
            .unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Replaces every byte that has a meaning in a URL by `%` and two hexadecimal digits.
fn encoded(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encode = |byte: u8| {
        if is_plain(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    text.bytes().map(encode).collect()
}

impl BrokerUrl {
    /// Returns the whole URL, for a process that this one starts.
    pub(crate) fn with_password(&self) -> String {
        self.text(&encoded(self.password.as_deref().unwrap_or_default()))
    }

    fn text(&self, password: &str) -> String {
        let account = match (&self.user, &self.password) {
            (user, Some(_)) => {
                let user = user.as_deref().unwrap_or_default();
                format!("{}:{password}@", encoded(user))
            }
            (Some(user), None) => format!("{}@", encoded(user)),
            (None, None) => String::new(),
        };
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        let mut text = format!(
            "{}://{account}{host}:{}/{}",
            self.scheme, self.port, self.name
        );
        if self.database > 0 {
            text.push_str("?db=");
            text.push_str(&self.database.to_string());
        }
        text
    }
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text("***"))
    }
}

/// Like `Display`, so that no password is shown.
impl fmt::Debug for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> BrokerUrl {
        text.parse().unwrap()
    }

    #[test]
    fn the_port_is_the_usual_one_unless_the_url_names_another() {
        for (text, host, port) in [
            ("redis://h/q", "h", 6379),
            ("rediss+pubsub://h/q", "h", 6379),
            ("redis://h:1234/q", "h", 1234),
            ("redis://[::1]:1234/q", "::1", 1234),
            ("redis://[::1]/q", "::1", 6379),
        ] {
            let url = parse(text);
            assert_eq!((url.host.as_str(), url.port), (host, port), "{text}");
        }
    }

    #[test]
    fn the_account_is_decoded() {
        let url = parse("redis://me:p%40ss%2F@h/q");
        assert_eq!(url.user.as_deref(), Some("me"));
        assert_eq!(url.password.as_deref(), Some("p@ss/"));
        let url = parse("redis://:secret@h/q?db=3");
        assert_eq!((url.user, url.database), (None, 3));
    }

    #[test]
    fn a_password_is_never_shown() {
        for text in [
            "redis+pubsub://me:secret%2F@h/q",
            "redis://:secret@[::1]:7/q?db=3",
        ] {
            let url = parse(text);
            assert!(!format!("{url} {url:?}").contains("secret"), "{url}");
            assert!(url.to_string().contains(":***@"), "{url}");
            assert_eq!(parse(&url.with_password()), url);
        }
    }

    #[test]
    fn what_is_not_a_url_of_a_queue_is_refused() {
        for (text, error) in [
            ("http://h/q", InvalidBrokerUrl::Form),
            ("redis:h/q", InvalidBrokerUrl::Form),
            ("redis://h", InvalidBrokerUrl::Form),
            ("redis://h/", InvalidBrokerUrl::Name),
            ("redis://h/a/b", InvalidBrokerUrl::Name),
            ("redis+pubsub://h/q?db=1", InvalidBrokerUrl::Options),
            ("redis://h/q?x=1", InvalidBrokerUrl::Options),
            ("redis:///q", InvalidBrokerUrl::Host(String::new())),
            ("redis://h:x/q", InvalidBrokerUrl::Host("h:x".to_owned())),
        ] {
            assert_eq!(text.parse::<BrokerUrl>(), Err(error), "{text}");
        }
        assert!(has_scheme("redis+pubsub://h/q") && !has_scheme("https://h/q"));
    }
}
