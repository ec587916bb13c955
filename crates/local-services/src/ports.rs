//! Ports on the loopback interface.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that the system hands out on request (Linux from 32768, macOS from 49152), so that the system hands
/// out none of these after it is chosen here and before it is used.
const PORTS: Range<u16> = 20_000..30_000;

/// The distance between the first candidates of two processes with consecutive ids.
const STRIDE: u32 = 37;

/// Returns a port of 127.0.0.1 that nobody listens on: `preferred` if it is free.
///
/// Successive calls return different ports, unless one is preferred. Another process may still take the port before it
/// is used.
///
/// # Errors
///
/// Returns an error if no port can be opened.
pub fn free_port(preferred: Option<u16>) -> io::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    if let Some(port) = preferred
        && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
    {
        return Ok(port);
    }
    let count = u32::from(PORTS.end - PORTS.start);
    let first = std::process::id().wrapping_mul(STRIDE) % count;
    let mut last_error = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in PORTS {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let offset = (first + u32::from(next)) % count;
        let port = PORTS.start + u16::try_from(offset).unwrap_or_default();
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_preferred_port_that_is_taken_is_not_returned() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(free_port(Some(port)).unwrap(), port);
    }

    #[test]
    fn successive_calls_return_different_ports() {
        let given: BTreeSet<u16> = (0..100).map(|_| free_port(None).unwrap()).collect();
        assert_eq!(given.len(), 100);
        assert!(given.iter().all(|port| PORTS.contains(port)));
    }
}
