//! Ports on the loopback interface.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below what Linux (32768 and up) and macOS (49152 and up) give to whoever asks for any port, so that nobody is given
/// one of these between its choice here and its use.
const PORTS: Range<u16> = 20_000..30_000;

/// How far apart processes begin to look that are started one after the other.
const STRIDE: u32 = 37;

/// A port of 127.0.0.1 that nobody listens on: the preferred one if it is free.
///
/// A process is not given the same one twice in a row, unless it is preferred. Another may still take it before it is
/// used.
///
/// # Errors
///
/// When no port at all can be opened.
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
    fn a_taken_port_is_not_given_although_preferred() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        assert_ne!(free_port(Some(port)).unwrap(), port);
    }

    #[test]
    fn no_port_is_given_twice_in_a_row() {
        let given: BTreeSet<u16> = (0..100).map(|_| free_port(None).unwrap()).collect();
        assert_eq!(given.len(), 100);
        assert!(given.iter().all(|port| PORTS.contains(port)));
    }
}
