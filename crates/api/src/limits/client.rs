//! Whose requests are counted together.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// The bits of an IPv6 address that providers assign to a customer, who is free to choose the others.
const IPV6_NETWORK: u128 = !0 << 64;

/// A client, as the limits know it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ClientKey {
    /// An IPv4 address, or the first address of an IPv6 network.
    Network(IpAddr),
    /// The name of a token, wherever its requests come from.
    Token(Arc<str>),
}

impl ClientKey {
    /// Returns the client at an address: all addresses of an IPv6 network are one client. Returns `None` for a loopback
    /// address, because the programs of the own machine are not limited.
    pub fn at(address: IpAddr) -> Option<Self> {
        let address = address.to_canonical();
        if address.is_loopback() {
            return None;
        }
        Some(Self::Network(match address {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & IPV6_NETWORK).into(),
            IpAddr::V4(_) => address,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(address: &str) -> Option<ClientKey> {
        ClientKey::at(address.parse().unwrap())
    }

    #[test]
    fn the_addresses_of_an_ipv6_network_are_one_client() {
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    }

    #[test]
    fn the_own_machine_is_not_limited() {
        for address in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(key(address), None, "{address}");
        }
    }
}
