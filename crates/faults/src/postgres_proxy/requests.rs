//! The messages of a client, and the statements that they run.
//!
//! Only the parts of
//! [PostgreSQL's protocol](https://www.postgresql.org/docs/current/protocol-message-formats.html) that name a statement
//! are read. The connection must not be encrypted; a client that prefers encryption goes on without it if the server
//! refuses.

use std::collections::HashMap;

use tcp_proxy::Request;
use tokio_util::bytes::{Bytes, BytesMut};

/// The length of a message counts these bytes, in which it is sent.
const LENGTH_BYTES: usize = 4;
/// The major version of the protocol in the message that starts a session. Other messages without a type ask for
/// something else, such as encryption.
const PROTOCOL_MAJOR: [u8; 2] = [0, 3];

/// Splits the bytes of one client into messages, and remembers the statements that it has prepared.
#[derive(Debug, Default)]
pub(super) struct Requests {
    /// Messages have a type once the session has started.
    is_started: bool,
    /// The text of each prepared statement, by name.
    prepared: HashMap<Vec<u8>, Bytes>,
}

impl Requests {
    /// Removes the first message from `unread`, with the statement that it runs. A prepared statement runs when its
    /// parameters are bound, because the server starts the transaction then. Returns `None` if the message is not complete
    /// yet.
    pub(super) fn take(&mut self, unread: &mut BytesMut) -> Option<Request> {
        let type_bytes = usize::from(self.is_started);
        let length = unread.get(type_bytes..type_bytes + LENGTH_BYTES)?;
        let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
        let end = type_bytes + length.max(LENGTH_BYTES);
        if unread.len() < end {
            return None;
        }
        let bytes = unread.split_to(end);
        let body = bytes.get(type_bytes + LENGTH_BYTES..).unwrap_or_default();
        let text = match bytes.first() {
            Some(kind) if self.is_started => self.statement(*kind, body),
            _ => {
                self.is_started = body.starts_with(&PROTOCOL_MAJOR);
                None
            }
        };
        Some(Request {
            bytes,
            text,
            earlier: 0,
        })
    }

    fn statement(&mut self, kind: u8, body: &[u8]) -> Option<Bytes> {
        let mut texts = body.split(|byte| *byte == 0);
        match kind {
            b'Q' => Some(Bytes::copy_from_slice(texts.next()?)),
            b'P' => {
                let (name, text) = (texts.next()?, texts.next()?);
                let text = Bytes::copy_from_slice(text);
                self.prepared.insert(name.to_owned(), text);
                None
            }
            b'B' => {
                let (_portal, name) = (texts.next()?, texts.next()?);
                self.prepared.get(name).cloned()
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: &[u8], body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(LENGTH_BYTES + body.len()).unwrap();
        [kind, &length.to_be_bytes(), body].concat()
    }

    fn startup() -> Vec<u8> {
        message(b"", b"\0\x03\0\0user\0me\0\0")
    }

    /// Reads a session that arrives in pieces of `size` bytes. Returns the statements that it runs.
    fn statements(session: &[u8], size: usize) -> Vec<String> {
        let (mut requests, mut unread) = (Requests::default(), BytesMut::new());
        let (mut statements, mut forwarded) = (Vec::new(), Vec::new());
        for piece in session.chunks(size) {
            unread.extend_from_slice(piece);
            while let Some(request) = requests.take(&mut unread) {
                forwarded.extend_from_slice(&request.bytes);
                let text = request
                    .text
                    .map(|text| String::from_utf8(text.to_vec()).unwrap());
                statements.extend(text);
            }
        }
        assert_eq!(forwarded, session, "not every byte is forwarded");
        statements
    }

    #[test]
    fn a_prepared_statement_is_recognised_whenever_it_is_bound_however_its_bytes_arrive() {
        let session = [
            // A request for encryption, which the server refuses.
            message(b"", &80_877_103_u32.to_be_bytes()),
            startup(),
            message(b"p", b"password\0"),
            message(b"P", b"one\0SELECT 1\0\0\0"),
            message(b"P", b"two\0SELECT 2\0\0\0"),
            message(b"S", b""),
            message(b"B", b"\0two\0\0\0\0\0\0\0"),
            message(b"E", b"\0\0\0\0\0"),
            message(b"B", b"portal\0one\0\0\0\0\0\0\0"),
            message(b"E", b"portal\0\0\0\0\0"),
            message(b"Q", b"COMMIT\0"),
            message(b"B", b"\0two\0\0\0\0\0\0\0"),
        ]
        .concat();
        for size in [1, 2, 7, session.len()] {
            let found = statements(&session, size);
            assert_eq!(found, ["SELECT 2", "SELECT 1", "COMMIT", "SELECT 2"]);
        }
    }

    #[test]
    fn a_name_that_is_prepared_again_means_its_new_statement() {
        let session = [
            startup(),
            message(b"P", b"\0SELECT 1\0\0\0"),
            message(b"P", b"\0SELECT 2\0\0\0"),
            message(b"B", b"\0\0\0\0\0\0\0\0"),
        ];
        assert_eq!(statements(&session.concat(), 64), ["SELECT 2"]);
    }
}
