//! The `WEBHOOK_ALLOWED_HOSTS` setting.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::str::FromStr;

use crate::allowed_hosts::Pattern;
use crate::host::{Host, default_port};

/// Hosts and ports that clients may name in their URLs although they are private or use http. Nothing else of these hosts
/// is allowed, because other services may listen on other ports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookHosts(Vec<Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    hosts: Pattern,
    /// `None` stands for the default port of the URL's scheme.
    port: Option<u16>,
}

/// A text is not a list of hosts with optional ports.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is not a host with an optional port; expected names or addresses, separated by commas, as in \
     hooks.internal,.example.net:8443,10.0.0.7:8080,[fd00::7]:8080"
)]
pub struct InvalidWebhookHosts(String);

impl FromStr for WebhookHosts {
    type Err = InvalidWebhookHosts;

    /// Accepts empty elements, so that a list can be put together from variables that may be empty.
    fn from_str(list: &str) -> Result<Self, InvalidWebhookHosts> {
        let elements = list.split(',').map(str::trim);
        let entries = elements
            .filter(|element| !element.is_empty())
            .map(|element| {
                Entry::parse(element).ok_or_else(|| InvalidWebhookHosts(element.to_owned()))
            });
        Ok(Self(entries.collect::<Result<_, _>>()?))
    }
}

impl WebhookHosts {
    /// Returns whether the list contains this host with this port, in a URL with this scheme.
    pub fn contains(&self, scheme: &str, host: Host<'_>, port: u16) -> bool {
        let is_port = |entry: &Entry| entry.port.or(default_port(scheme)) == Some(port);
        self.0
            .iter()
            .any(|entry| entry.hosts.matches(host) && is_port(entry))
    }
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        // the colons of an IPv6 address are before its bracket, and without brackets it has no port
        let (hosts, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') && text.parse::<IpAddr>().is_err() => {
                (host, Some(port.parse::<NonZeroU16>().ok()?.get()))
            }
            _ => (text, None),
        };
        // with any host, clients could reach everything that this machine can
        let hosts = Pattern::parse(hosts).filter(|hosts| *hosts != Pattern::Any)?;
        Some(Self { hosts, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(list: &str, scheme: &str, host: &str, port: u16) -> bool {
        let list: WebhookHosts = list.parse().unwrap();
        list.contains(scheme, Host::parse(host).unwrap(), port)
    }

    #[test]
    fn only_the_named_port_is_open_and_without_one_the_default_of_the_scheme() {
        let list =
            "hooks, Hooks.example:8443 ,.svc.example:8080,10.0.0.7:81,[::1]:82,fd00::7,[fd00::8],";
        for (scheme, host, port) in [
            ("http", "hooks", 80),
            ("https", "HOOKS", 443),
            ("https", "hooks.example", 8443),
            ("http", "hooks.example.", 8443),
            ("http", "a.svc.example", 8080),
            ("http", "10.0.0.7", 81),
            ("http", "[::1]", 82),
            ("https", "[fd00::7]", 443),
            ("http", "[fd00::8]", 80),
        ] {
            assert!(allows(list, scheme, host, port), "{scheme} {host} {port}");
        }
        for (scheme, host, port) in [
            ("http", "hooks", 443),
            ("https", "hooks", 80),
            ("http", "hooks", 5432),
            ("https", "hooks.example", 443),
            ("http", "a.svc.example", 80),
            ("http", "10.0.0.7", 80),
            ("http", "10.0.0.8", 81),
            ("http", "[::1]", 80),
            ("http", "127.0.0.1", 82),
            ("http", "[fd00::7]", 82),
        ] {
            assert!(!allows(list, scheme, host, port), "{scheme} {host} {port}");
        }
    }

    #[test]
    fn an_invalid_list_is_refused_with_the_element_that_is_invalid() {
        for element in [
            "*",
            "*:80",
            "a:",
            "a:0",
            "a:65536",
            "a:b",
            "a:*",
            "a:80:80",
            "[::1]80",
            "[::1",
            "http://a",
            "a/b",
            "a b",
            ".",
            ".10.0.0.7:80",
        ] {
            let list = format!("hooks,{element},10.0.0.7");
            let error = list.parse::<WebhookHosts>().unwrap_err().to_string();
            assert!(error.contains(&format!("{element:?}")), "{error}");
        }
    }
}
