//! The `ALLOWED_HOSTS` setting.

use std::net::IpAddr;
use std::str::FromStr;

use crate::host::Host;

/// Hosts that requests may be for, in addition to those that are always allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedHosts(Vec<Pattern>);

/// Some hosts. Names have no dot at their end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pattern {
    Any,
    Address(IpAddr),
    Name(String),
    /// This name and all names below it.
    Domain(String),
}

/// A text is not a list of hosts.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is not a host without a port; expected names or addresses, separated by commas, as in todo.example.org,.example.net,192.0.2.7"
)]
pub struct InvalidAllowedHosts(String);

impl FromStr for AllowedHosts {
    type Err = InvalidAllowedHosts;

    /// Accepts empty elements, so that a list can be put together from variables that may be empty.
    fn from_str(list: &str) -> Result<Self, InvalidAllowedHosts> {
        let elements = list.split(',').map(str::trim);
        let patterns = elements
            .filter(|element| !element.is_empty())
            .map(|element| {
                Pattern::parse(element).ok_or_else(|| InvalidAllowedHosts(element.to_owned()))
            });
        Ok(Self(patterns.collect::<Result<_, _>>()?))
    }
}

impl AllowedHosts {
    /// Allows `host`, too.
    pub fn add(&mut self, host: Host<'_>) {
        self.0.push(host.into());
    }

    /// Returns whether the list contains nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether the list contains `host`.
    pub fn contains(&self, host: Host<'_>) -> bool {
        self.0.iter().any(|pattern| pattern.matches(host))
    }
}

impl From<Host<'_>> for Pattern {
    fn from(host: Host<'_>) -> Self {
        match host {
            Host::Address(address) => Self::Address(address),
            Host::Name(name) => Self::Name(name.to_owned()),
        }
    }
}

impl Pattern {
    /// Reads a host without a port, a domain such as `.example.org`, or `*`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        // people write an IPv6 address with brackets and without them
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self::Address(address.to_canonical()));
        }
        if let Some(domain) = text.strip_prefix('.') {
            return match Host::parse(domain)? {
                Host::Name(name) if !name.starts_with('.') => Some(Self::Domain(name.to_owned())),
                Host::Name(_) | Host::Address(_) => None,
            };
        }
        Host::parse(text).map(Self::from)
    }

    /// Returns whether `host` is one of these.
    pub(crate) fn matches(&self, host: Host<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Address(address) => host == Host::Address(*address),
            Self::Name(name) => host == Host::Name(name),
            Self::Domain(domain) => host.is_within(domain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(list: &str, host: &str) -> bool {
        let list: AllowedHosts = list.parse().unwrap();
        list.contains(Host::parse(host).unwrap())
    }

    #[test]
    fn a_list_contains_names_domains_and_addresses() {
        let list = "api, Todo.Example.org. ,.example.net,192.0.2.7,2001:db8::1,[2001:db8::2],";
        for host in [
            "api",
            "API",
            "todo.example.org",
            "example.net",
            "a.b.example.net",
            "192.0.2.7",
            "[2001:db8::1]",
            "[2001:DB8::2]",
        ] {
            assert!(allows(list, host), "{host}");
        }
        for host in [
            "evil.example",
            "xapi",
            "api.evil.example",
            "example.org",
            "a.todo.example.org",
            "evilexample.net",
            "example.net.evil.example",
            "192.0.2.8",
            "[2001:db8::3]",
        ] {
            assert!(!allows(list, host), "{host}");
        }
    }

    #[test]
    fn a_star_allows_every_host_and_an_empty_list_none() {
        assert!(allows("*", "evil.example"));
        assert!(allows("a,*", "192.0.2.7"));
        for empty in ["", " ", ",", " , "] {
            assert!(!allows(empty, "localhost"), "{empty:?}");
        }
    }

    #[test]
    fn an_invalid_list_is_refused_with_the_element_that_is_invalid() {
        for element in [
            "api:6400",
            "https://example.org",
            "*.example.org",
            ".",
            "..example.org",
            ".192.0.2.7",
            "a b",
            "example.org/path",
            "[::1",
        ] {
            let list = format!("localhost,{element},example.org");
            let error = list.parse::<AllowedHosts>().unwrap_err().to_string();
            assert!(error.contains(&format!("{element:?}")), "{error}");
        }
    }
}
