//! How the requests of a connection are told apart.

use tokio_util::bytes::{Bytes, BytesMut};

/// How the requests of a connection are told apart.
pub trait Protocol: Default + Send + 'static {
    /// Whether [`answer`](Self::answer) can tell what an answer says. Otherwise a connection whose answer is to be held gets
    /// no bytes any more from its request on.
    const READS_ANSWERS: bool;

    /// Removes the first request from `unread`. Returns `None` if it is not complete yet.
    fn take(&mut self, unread: &mut BytesMut) -> Option<Request>;

    /// Reads the answer to a request from its beginning on.
    fn answer(answer: &[u8]) -> Answer;
}

/// One request of a client.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// All of its bytes.
    pub bytes: BytesMut,
    /// The text that a hold is compared with, if it has any.
    pub text: Option<Bytes>,
    /// How many bytes of the text belong to earlier requests. A text to hold has to end after them.
    pub earlier: usize,
}

impl Request {
    pub(crate) fn contains(&self, text: &[u8]) -> bool {
        let begin = self.earlier.saturating_sub(text.len().saturating_sub(1));
        let searched = self.text.as_ref().and_then(|bytes| bytes.get(begin..));
        searched.is_some_and(|bytes| bytes.windows(text.len().max(1)).any(|part| part == text))
    }
}

/// What the beginning of an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The rest has not arrived yet.
    Incomplete,
    /// The request had an effect.
    Effect,
    /// The request had no effect, or failed.
    NoEffect,
}

/// The bytes of a client as they arrive, without a meaning.
#[derive(Debug, Default)]
pub struct Raw {
    /// The last bytes before those that come next, because a text may arrive in two parts.
    tail: BytesMut,
}

impl Raw {
    /// The longest text that is found although it arrives in two parts.
    const TAIL: usize = 64;
}

impl Protocol for Raw {
    const READS_ANSWERS: bool = false;

    fn take(&mut self, unread: &mut BytesMut) -> Option<Request> {
        if unread.is_empty() {
            return None;
        }
        let bytes = unread.split();
        let earlier = self.tail.len();
        self.tail.extend_from_slice(&bytes);
        let text = self.tail.clone().freeze();
        let kept = self.tail.len().saturating_sub(Self::TAIL);
        self.tail = self.tail.split_off(kept);
        Some(Request {
            bytes,
            text: Some(text),
            earlier,
        })
    }

    fn answer(_answer: &[u8]) -> Answer {
        Answer::Effect
    }
}

/// The bytes of a client as they arrive. Nobody looks for a text in them, so nothing can be held, and the proxy needs little
/// CPU time.
#[derive(Debug, Default)]
pub struct Opaque;

impl Protocol for Opaque {
    const READS_ANSWERS: bool = false;

    fn take(&mut self, unread: &mut BytesMut) -> Option<Request> {
        (!unread.is_empty()).then(|| Request {
            bytes: unread.split(),
            text: None,
            earlier: 0,
        })
    }

    fn answer(_answer: &[u8]) -> Answer {
        Answer::Effect
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_found_once_wherever_its_bytes_are_cut() {
        let text = b"ACK\n";
        let sent = b"SEND\nACK\nSEND\n";
        for first in 1..sent.len() - 1 {
            for second in first + 1..sent.len() {
                let mut raw = Raw::default();
                let parts = [&sent[..first], &sent[first..second], &sent[second..]];
                let found = parts.iter().filter(|part| {
                    let request = raw.take(&mut BytesMut::from(**part)).unwrap();
                    assert_eq!(request.bytes, **part);
                    request.contains(text)
                });
                assert_eq!(found.count(), 1, "cut after {first} and {second} bytes");
            }
        }
    }
}
