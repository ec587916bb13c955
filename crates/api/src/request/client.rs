//! Who sent a request, for the limits.

use std::net::IpAddr;

use actix_web::dev::ServiceRequest;
use actix_web::http::header::HeaderName;

use crate::limits::client::ClientKey;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Returns the client that sent `request`, or `None` if it is on this machine. Only with `trust_proxy` a header can name
/// it.
pub fn client(request: &ServiceRequest, trust_proxy: bool) -> Option<ClientKey> {
    let forwarded = trust_proxy.then(|| forwarded_for(request)).flatten();
    let address = forwarded.or_else(|| Some(request.peer_addr()?.ip()))?;
    ClientKey::at(address)
}

/// Returns the address at the end of the list. The proxy added it; the others are what its client claims.
fn forwarded_for(request: &ServiceRequest) -> Option<IpAddr> {
    let addresses = request.headers().get_all(X_FORWARDED_FOR).last()?;
    let last = addresses.to_str().ok()?.rsplit(',').next()?;
    last.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    const PEER: &str = "192.0.2.1";

    fn key(address: &str) -> Option<ClientKey> {
        ClientKey::at(address.parse().unwrap())
    }

    fn client_of(lists: &[&str], trust_proxy: bool) -> Option<ClientKey> {
        let mut request = TestRequest::default().peer_addr(format!("{PEER}:1").parse().unwrap());
        for list in lists {
            request = request.append_header((X_FORWARDED_FOR, *list));
        }
        client(&request.to_srv_request(), trust_proxy)
    }

    #[test]
    fn without_a_trusted_proxy_the_address_of_the_connection_counts() {
        assert_eq!(client_of(&[], false), key(PEER));
        assert_eq!(client_of(&["198.51.100.7"], false), key(PEER));
        assert_eq!(client_of(&["127.0.0.1"], false), key(PEER));
    }

    #[test]
    fn of_the_header_only_what_the_proxy_added_counts() {
        let named = key("198.51.100.7");
        for lists in [
            &["198.51.100.7"][..],
            &["203.0.113.9, 198.51.100.7"],
            &["127.0.0.1", "203.0.113.9,198.51.100.7 "],
        ] {
            assert_eq!(client_of(lists, true), named, "{lists:?}");
        }
        assert_eq!(client_of(&["2001:db8::1"], true), key("2001:db8::2"));
        for invalid in ["", "unknown", "198.51.100.7,", "198.51.100.7, 1.2.3"] {
            assert_eq!(client_of(&[invalid], true), key(PEER), "{invalid:?}");
        }
    }
}
