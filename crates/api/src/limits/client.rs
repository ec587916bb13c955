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
    /// All those for which there is no room any more.
    OtherNetworks,
    /// The name of a token, wherever its requests come from.
    Token(Arc<str>),
}

impl ClientKey {
    /// Returns what the client is known by: the name of the policy in the headers that show its rate.
    pub fn policy(&self) -> &'static str {
        match self {
            Self::Network(_) | Self::OtherNetworks => "address",
            Self::Token(_) => "token",
        }
    }

    /// Returns the client at an address: all addresses of an IPv6 network are one client.
    pub fn at(address: IpAddr) -> Self {
        Self::Network(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & IPV6_NETWORK).into(),
            address @ IpAddr::V4(_) => address,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(address: &str) -> ClientKey {
        ClientKey::at(address.parse().unwrap())
    }

    #[test]
    fn the_addresses_of_an_ipv6_network_are_one_client() {
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff::9"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    }
}
