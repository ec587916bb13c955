//! A host with an optional port, as in a `Host` header and in a URL.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The maximum length of a domain name, without the dot at its end:
/// <https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4>
const NAME_MAX_LENGTH: usize = 253;

/// The port of an http URL without a port.
pub const HTTP_PORT: u16 = 80;
/// The port of an https URL without a port.
pub const HTTPS_PORT: u16 = 443;

/// Returns the port of a URL with this scheme and without a port, if the scheme is http or https.
pub fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(HTTP_PORT),
        "https" => Some(HTTPS_PORT),
        _ => None,
    }
}

/// A host: an address or a name.
#[derive(Debug, Clone, Copy)]
pub enum Host<'a> {
    /// An address. One that maps IPv4 to IPv6 is an IPv4 address here.
    Address(IpAddr),
    /// A domain name in upper or lower case, without the dot that may be at its end.
    Name(&'a str),
}

impl PartialEq for Host<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Address(one), Self::Address(other)) => one == other,
            (Self::Name(one), Self::Name(other)) => one.eq_ignore_ascii_case(other),
            (Self::Address(_), Self::Name(_)) | (Self::Name(_), Self::Address(_)) => false,
        }
    }
}

impl fmt::Display for Host<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl<'a> Host<'a> {
    /// Reads a host without a port. An IPv6 address is in brackets. Returns `None` if the text is neither an address nor
    /// a name that DNS can have.
    pub fn parse(text: &'a str) -> Option<Self> {
        if let Some(address) = text.strip_prefix('[') {
            let address: Ipv6Addr = address.strip_suffix(']')?.parse().ok()?;
            return Some(Self::Address(IpAddr::V6(address).to_canonical()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Some(Self::Address(address.into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let is_name = (1..=NAME_MAX_LENGTH).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        is_name.then_some(Self::Name(name))
    }

    /// Returns whether this is `domain` or a name below it.
    pub fn is_within(self, domain: &str) -> bool {
        let Self::Name(name) = self else {
            return false;
        };
        let split = name.len().checked_sub(domain.len());
        split
            .and_then(|at| name.split_at_checked(at))
            .is_some_and(|(above, end)| {
                end.eq_ignore_ascii_case(domain) && (above.is_empty() || above.ends_with('.'))
            })
    }

    /// Returns whether this is a loopback address, or a name that always stands for one:
    /// <https://www.rfc-editor.org/rfc/rfc6761#section-6.3>
    pub fn is_loopback(self) -> bool {
        match self {
            Self::Address(address) => address.is_loopback(),
            Self::Name(_) => self.is_within("localhost"),
        }
    }
}

/// A host with an optional port.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HostPort<'a> {
    /// The host.
    pub host: Host<'a>,
    /// The port, if it is not the default of the scheme.
    pub port: Option<u16>,
}

impl<'a> HostPort<'a> {
    /// Reads a host with or without a port. Returns `None` if the text is anything else, for example if it has a user.
    pub fn parse(text: &'a str) -> Option<Self> {
        // the colons of an IPv6 address are before its bracket
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port),
            _ => (text, ""),
        };
        let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
        let port = match port {
            "" => None,
            port if is_number => Some(port.parse().ok()?),
            _ => return None,
        };
        Some(Self {
            host: Host::parse(host)?,
            port,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_an_optional_port() {
        for (text, port) in [
            ("localhost", None),
            ("localhost:", None),
            ("localhost:6400", Some(6400)),
            ("127.0.0.1:6400", Some(6400)),
            ("[::1]", None),
            ("[::1]:6400", Some(6400)),
            ("a_b-c.example.org.:1", Some(1)),
        ] {
            let parsed = HostPort::parse(text).unwrap();
            assert_eq!(parsed.port, port, "{text}");
        }
    }

    #[test]
    fn anything_else_is_not_a_host() {
        for text in [
            "",
            ".",
            ":6400",
            "a b",
            "a/b",
            "a\\b",
            "user@localhost",
            "localhost:6400:6400",
            "localhost:port",
            "localhost:+1",
            "localhost:65536",
            "::1",
            "[::1",
            "::1]",
            "[::1]6400",
            "[localhost]",
            "[127.0.0.1]",
            "[fe80::1%eth0]",
            "localhost\u{0}",
            "löcalhost",
            "%6cocalhost",
            "localhost,evil.example",
            &"a".repeat(254),
        ] {
            assert_eq!(HostPort::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn loopback_hosts_are_recognised_in_every_form() {
        let is_loopback = |text| HostPort::parse(text).unwrap().host.is_loopback();
        for text in [
            "localhost",
            "LocalHost:6400",
            "localhost.",
            "todo.localhost",
            "127.0.0.1",
            "127.255.3.4:80",
            "[::1]:6400",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(is_loopback(text), "{text}");
        }
        for text in [
            "localhost.evil.example",
            "evillocalhost",
            "localhost.localdomain",
            "127.0.0.1.evil.example",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "0.0.0.0",
            "[::]",
            "[::ffff:10.0.0.1]",
        ] {
            assert!(!is_loopback(text), "{text}");
        }
    }

    #[test]
    fn names_are_equal_in_any_case_and_with_a_dot_at_their_end() {
        let host = |text| Host::parse(text).unwrap();
        assert_eq!(host("todo.example.org"), host("Todo.Example.ORG."));
        assert_ne!(host("todo.example.org"), host("example.org"));
        assert_eq!(host("[::ffff:10.0.0.1]"), host("10.0.0.1"));
    }
}
