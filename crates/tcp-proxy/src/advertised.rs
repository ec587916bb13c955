//! Servers of Kafka tell their clients on which ports they are. A client would use those instead of the proxy's.

use std::net::Ipv4Addr;

use tokio_util::bytes::BytesMut;

/// How many bytes precede an answer: its length.
const HEADER: usize = 4;

/// Replaces the port of a server in its answers.
#[derive(Debug)]
pub(crate) struct Advertised {
    /// The server's address, as answers contain it: its host, and its port in four bytes.
    server: Vec<u8>,
    proxy: Vec<u8>,
}

impl Advertised {
    /// Replaces a port of 127.0.0.1 by another one.
    pub(crate) fn new(server: u16, proxy: u16) -> Self {
        let address = |port: u16| {
            let mut address = Ipv4Addr::LOCALHOST.to_string().into_bytes();
            address.extend(u32::from(port).to_be_bytes());
            address
        };
        Self {
            server: address(server),
            proxy: address(proxy),
        }
    }

    /// Removes the answers that have arrived completely, and returns them with the other port.
    pub(crate) fn take(&self, unread: &mut BytesMut) -> BytesMut {
        let mut length = 0;
        while let Some(end) = end_of_answer(unread, length) {
            length = end;
        }
        let mut answers = unread.split_to(length);
        let mut begin = 0;
        while let Some(at) = self.find(&answers, begin) {
            begin = at + self.server.len();
            if let Some(found) = answers.get_mut(at..begin) {
                found.copy_from_slice(&self.proxy);
            }
        }
        answers
    }

    fn find(&self, answers: &[u8], begin: usize) -> Option<usize> {
        let mut parts = answers.get(begin..)?.windows(self.server.len());
        Some(begin + parts.position(|part| part == self.server)?)
    }
}

/// Returns where the answer ends that begins here, or `None` if it is not complete.
fn end_of_answer(unread: &[u8], begin: usize) -> Option<usize> {
    let header = unread.get(begin..)?.first_chunk::<HEADER>()?;
    let length = usize::try_from(u32::from_be_bytes(*header)).ok()?;
    let end = begin + HEADER + length;
    (end <= unread.len()).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(port: u16) -> Vec<u8> {
        let mut body = b"\x00\x01\x09127.0.0.1".to_vec();
        body.extend(u32::from(port).to_be_bytes());
        body.extend(b"topic");
        let mut answer = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
        answer.extend(body);
        answer
    }

    #[test]
    fn the_port_is_replaced_wherever_the_bytes_are_cut() {
        let sent = [answer(9092), answer(9093), answer(9092)].concat();
        let expected = [answer(40_000), answer(9093), answer(40_000)].concat();
        let advertised = Advertised::new(9092, 40_000);
        for cut in 0..=sent.len() {
            let mut unread = BytesMut::from(&sent[..cut]);
            let mut passed = advertised.take(&mut unread).to_vec();
            unread.extend_from_slice(&sent[cut..]);
            passed.extend(advertised.take(&mut unread));
            assert_eq!(passed, expected, "cut after {cut} bytes");
            assert!(unread.is_empty());
        }
    }
}
