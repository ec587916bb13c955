//! Who sent a request, for the limits.

use std::net::IpAddr;

use actix_web::dev::ServiceRequest;
use actix_web::http::header::HeaderName;

use crate::host::{Host, HostPort};
use crate::limits::client::ClientKey;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Returns the client that sent `request`, or `None` if it is a program on this machine, whose rate is not limited. With
/// `trust_proxy`, a header names the client, and every request has one: a proxy on this machine must not make those of
/// others unlimited.
pub fn client(request: &ServiceRequest, trust_proxy: bool) -> Option<ClientKey> {
    let peer = request.peer_addr()?.ip().to_canonical();
    if trust_proxy {
        let address = forwarded_for(request).unwrap_or(peer);
        Some(ClientKey::at(address))
    } else {
        connected(peer, trust_proxy)
    }
}

/// Returns the client at the other end of a connection. Returns `None` if it is a program on this machine, or if it can be a
/// proxy, whose connections are those of many clients.
pub fn connected(peer: IpAddr, trust_proxy: bool) -> Option<ClientKey> {
    let peer = peer.to_canonical();
    (!trust_proxy && !peer.is_loopback()).then(|| ClientKey::at(peer))
}

/// Returns the address at the end of the list, if it can be that of another machine. The proxy added it; the others are
/// what its client claims.
fn forwarded_for(request: &ServiceRequest) -> Option<IpAddr> {
    let addresses = request.headers().get_all(X_FORWARDED_FOR).last()?;
    let last = addresses.to_str().ok()?.rsplit(',').next()?;
    address(last.trim()).filter(|address| !address.is_loopback() && !address.is_unspecified())
}

/// Reads an address. Some proxies add a port, and then write an IPv6 address in brackets.
fn address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    match HostPort::parse(text)?.host {
        Host::Address(address) => Some(address),
        Host::Name(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use actix_web::test::TestRequest;

    use super::*;

    const PEER: &str = "192.0.2.1";

    fn key(address: &str) -> ClientKey {
        ClientKey::at(address.parse().unwrap())
    }

    fn client_of(peer: &str, lists: &[&str], trust_proxy: bool) -> Option<ClientKey> {
        let peer = SocketAddr::new(peer.parse().unwrap(), 1);
        let mut request = TestRequest::default().peer_addr(peer);
        for list in lists {
            request = request.append_header((X_FORWARDED_FOR, *list));
        }
        client(&request.to_srv_request(), trust_proxy)
    }

    #[test]
    fn without_a_trusted_proxy_the_address_of_the_connection_counts() {
        for lists in [&[][..], &["198.51.100.7"], &["127.0.0.1"]] {
            assert_eq!(client_of(PEER, lists, false), Some(key(PEER)));
        }
        for local in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(client_of(local, &["198.51.100.7"], false), None, "{local}");
        }
    }

    #[test]
    fn of_the_header_only_what_the_proxy_added_counts() {
        let named = Some(key("198.51.100.7"));
        for lists in [
            &["198.51.100.7"][..],
            &["203.0.113.9, 198.51.100.7"],
            &["127.0.0.1", "203.0.113.9,198.51.100.7 "],
            &["198.51.100.7:4711"],
            &["::ffff:198.51.100.7"],
        ] {
            assert_eq!(client_of(PEER, lists, true), named, "{lists:?}");
        }
        for list in ["2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:4711"] {
            let client = client_of(PEER, &[list], true);
            assert_eq!(client, Some(key("2001:db8::2")), "{list}");
        }
    }

    #[test]
    fn a_header_that_names_no_other_machine_exempts_nobody() {
        for list in [
            "",
            "unknown",
            "198.51.100.7,",
            "198.51.100.7, 1.2.3",
            "198.51.100.7:port",
            "127.0.0.1",
            "198.51.100.7, 127.0.0.2:80",
            "::1",
            "[::1]:80",
            "::ffff:127.0.0.1",
            "0.0.0.0",
            "::",
        ] {
            for peer in [PEER, "127.0.0.1"] {
                let client = client_of(peer, &[list], true);
                assert_eq!(client, Some(key(peer)), "{list:?}");
            }
        }
        assert_eq!(client_of("::1", &[], true), Some(key("::1")));
    }
}
