//! Frames from the bytes that a server sends.

use crate::frame::{Command, Frame};

/// How much of a body is kept, in bytes. A job's message has about 200. A longer one is no reason to end the connection:
/// the server would deliver it again to the next one, and no other message would arrive.
pub const MAX_BODY: usize = 1024 * 1024;
/// The longest body that is accepted, in bytes. The longest frame of ActiveMQ has 100 MB unless it is set up differently.
pub const MAX_LENGTH: usize = 128 * 1024 * 1024;
/// The most bytes that the command and the headers of a frame may have. Those of a message from ActiveMQ have about 400, and
/// those that another program has added.
pub const MAX_HEAD: usize = 1024 * 1024;
/// How many headers of a frame are kept, besides those that this client reads. A message from ActiveMQ has about 12. More of
/// them are dropped, because after the end of the connection the message would be delivered again, before all others.
pub const MAX_HEADERS: usize = 64;

/// The headers that this client reads.
const READ: [&str; 11] = [
    "ack",
    "browser",
    "content-length",
    "heart-beat",
    "message",
    "message-id",
    "receipt-id",
    "redelivered",
    "server",
    "subscription",
    "version",
];

/// Why bytes are no frame. The bytes after them can't be understood either.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A limit of this client is exceeded.
    #[error(
        "it sent headers that are longer than {MAX_HEAD} bytes, or a body of more than {MAX_LENGTH} bytes"
    )]
    TooLarge,
    /// The bytes have no meaning in STOMP 1.2.
    #[error("it sent {0}")]
    Malformed(&'static str),
}

/// Collects bytes until they are a frame.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Where the next frame begins.
    start: usize,
    /// Up to where the end of the head, or of the body, has been looked for.
    searched: usize,
    /// The frame without its body, once it is complete.
    head: Option<Head>,
}

#[derive(Debug)]
struct Head {
    frame: Frame,
    /// Where the body begins.
    body: usize,
    /// How long the body is, if the frame says so.
    length: Option<usize>,
    /// How much of the body has been dropped.
    dropped: usize,
}

impl Decoder {
    /// Adds bytes. Call [`next_frame`](Self::next_frame) until it returns `None` before you add more, and add at most a
    /// few kilobytes at a time: what is kept then never grows beyond [`MAX_BODY`], [`MAX_HEAD`] and what was added last.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        if let Some(head) = &mut self.head {
            head.body -= self.start;
        }
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns how many bytes are kept.
    pub fn kept(&self) -> usize {
        self.buffer.len()
    }

    /// Returns the next frame, or `None` if it is not complete.
    ///
    /// # Errors
    /// Returns an error if the bytes are not STOMP or exceed a limit. Every later call returns it too.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, DecodeError> {
        if self.head.is_none() {
            self.head = self.read_head()?;
        }
        let Some(mut head) = self.head.take() else {
            return Ok(None);
        };
        let end = self.end_of_body(&head);
        if let Ok(None) = end {
            let dropped = self.buffer.len().saturating_sub(head.body + MAX_BODY);
            self.buffer.truncate(self.buffer.len() - dropped);
            head.dropped += dropped;
            self.searched = self.buffer.len();
        }
        let Ok(Some(end)) = end else {
            self.head = Some(head);
            return end.map(|_incomplete| None);
        };
        let kept = end.min(head.body + MAX_BODY);
        let body = self.buffer.get(head.body..kept).unwrap_or_default();
        head.frame.body = body.to_vec();
        self.start = end + 1;
        self.searched = self.start;
        Ok(Some(head.frame))
    }

    /// Reads the command and the headers. Skips the line breaks before them, which are heart-beats.
    fn read_head(&mut self) -> Result<Option<Head>, DecodeError> {
        while let Some(b'\n' | b'\r') = self.buffer.get(self.start) {
            self.start += 1;
        }
        self.searched = self.searched.max(self.start);
        // An empty line ends the head. Its first line break may have been searched before.
        let from = self.searched.saturating_sub(2).max(self.start);
        let rest = self.buffer.get(from..).unwrap_or_default();
        let Some(length) = end_of_head(rest) else {
            self.searched = self.buffer.len();
            return if self.buffer.len() - self.start > MAX_HEAD {
                Err(DecodeError::TooLarge)
            } else {
                Ok(None)
            };
        };
        let body = from + length;
        let text = self.buffer.get(self.start..body).unwrap_or_default();
        if text.len() > MAX_HEAD {
            return Err(DecodeError::TooLarge);
        }
        let text = std::str::from_utf8(text)
            .map_err(|_not_utf8| DecodeError::Malformed("headers that are not UTF-8"))?;
        let frame = parse_head(text)?;
        let length = frame.header("content-length").map(|value| {
            let length = value.parse::<usize>();
            length.map_err(|_not_a_number| {
                DecodeError::Malformed("a content-length that is not a number")
            })
        });
        let length = length.transpose()?;
        self.searched = body;
        Ok(Some(Head {
            frame,
            body,
            length,
            dropped: 0,
        }))
    }

    /// Returns where the NUL after the body is, or `None` if it has not arrived.
    fn end_of_body(&self, head: &Head) -> Result<Option<usize>, DecodeError> {
        let length = head.length.unwrap_or(head.dropped);
        if length > MAX_LENGTH {
            return Err(DecodeError::TooLarge);
        }
        if head.length.is_some() {
            let end = head.body + length - head.dropped;
            return match self.buffer.get(end) {
                None => Ok(None),
                Some(0) => Ok(Some(end)),
                Some(_) => Err(DecodeError::Malformed(
                    "a body that is longer than its content-length",
                )),
            };
        }
        let from = self.searched.max(head.body);
        let rest = self.buffer.get(from..).unwrap_or_default();
        Ok(rest.iter().position(|byte| *byte == 0).map(|at| from + at))
    }
}

/// Returns the length of the head with the empty line that ends it.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.iter().enumerate().find_map(|(at, byte)| {
        let rest = bytes.get(at + 1..)?;
        match (byte, rest) {
            (b'\n', [b'\n', ..]) => Some(at + 2),
            (b'\n', [b'\r', b'\n', ..]) => Some(at + 3),
            _ => None,
        }
    })
}

fn parse_head(text: &str) -> Result<Frame, DecodeError> {
    let mut lines = text
        .split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line));
    let name = lines.next().unwrap_or_default();
    let command = Command::named(name).ok_or(DecodeError::Malformed("an unknown command"))?;
    let mut frame = Frame::new(command);
    for line in lines.take_while(|line| !line.is_empty()) {
        let header = line.split_once(':');
        let (name, value) = header.ok_or(DecodeError::Malformed("a header without a colon"))?;
        let (name, value) = (unescape(name, command)?, unescape(value, command)?);
        let is_read = READ.contains(&name.as_str()) && frame.header(&name).is_none();
        if is_read || frame.headers.len() < MAX_HEADERS {
            frame.headers.push((name, value));
        }
    }
    Ok(frame)
}

/// Returns what an escaped text means. The text of an error is never malformed, because a person has to see it.
fn unescape(text: &str, command: Command) -> Result<String, DecodeError> {
    if !command.is_escaped() || !text.contains('\\') {
        return Ok(text.to_owned());
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('r') => plain.push('\r'),
            Some('n') => plain.push('\n'),
            Some('c') => plain.push(':'),
            Some('\\') => plain.push('\\'),
            _ if command == Command::Error => return Ok(text.to_owned()),
            _ => return Err(DecodeError::Malformed("an unknown escape")),
        }
    }
    Ok(plain)
}

#[cfg(test)]
mod tests;
