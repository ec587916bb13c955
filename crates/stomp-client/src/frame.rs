//! A frame: what both sides send to each other.

use std::fmt;

/// The first line of a frame. Only the commands that this client sends or understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Client: begins a session.
    Connect,
    /// Client: sends a message.
    Send,
    /// Client: asks for the messages of a queue.
    Subscribe,
    /// Client: ends a subscription.
    Unsubscribe,
    /// Client: a message is done with.
    Ack,
    /// Client: a message can't be handled.
    Nack,
    /// Client: begins a transaction.
    Begin,
    /// Client: ends a transaction, as if none of its commands had been sent.
    Abort,
    /// Client: ends the session.
    Disconnect,
    /// Server: the session has begun.
    Connected,
    /// Server: a message of a subscription.
    Message,
    /// Server: a command has been carried out.
    Receipt,
    /// Server: a command has not been carried out, or the session ends.
    Error,
}

const COMMANDS: [(Command, &str); 13] = [
    (Command::Connect, "CONNECT"),
    (Command::Send, "SEND"),
    (Command::Subscribe, "SUBSCRIBE"),
    (Command::Unsubscribe, "UNSUBSCRIBE"),
    (Command::Ack, "ACK"),
    (Command::Nack, "NACK"),
    (Command::Begin, "BEGIN"),
    (Command::Abort, "ABORT"),
    (Command::Disconnect, "DISCONNECT"),
    (Command::Connected, "CONNECTED"),
    (Command::Message, "MESSAGE"),
    (Command::Receipt, "RECEIPT"),
    (Command::Error, "ERROR"),
];

impl Command {
    /// Returns the command with this name, or `None` if no frame that this client understands has it.
    pub fn named(name: &str) -> Option<Self> {
        let found = COMMANDS.iter().find(|(_, known)| *known == name);
        found.map(|(command, _)| *command)
    }

    /// Returns whether the headers of this frame are escaped. Those of the first two frames are not, because older
    /// versions of STOMP know no escapes.
    pub(crate) fn is_escaped(self) -> bool {
        !matches!(self, Self::Connect | Self::Connected)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = COMMANDS.iter().find(|(command, _)| command == self);
        f.write_str(found.map_or("", |(_, name)| name))
    }
}

/// A command with its headers and its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The command.
    pub command: Command,
    /// The headers, in their order. If a name is repeated, the first one counts.
    pub headers: Vec<(String, String)>,
    /// The body, which is empty in most frames. Of one that was received, at most
    /// [`MAX_BODY`](crate::decoder::MAX_BODY) bytes; the rest is dropped.
    pub body: Vec<u8>,
}

/// A header that a frame can't contain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the header {0} contains a character that STOMP can't carry there")]
pub struct InvalidHeader(String);

impl Frame {
    /// Returns a frame without headers and body.
    pub fn new(command: Command) -> Self {
        Self {
            command,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the body, and the header `content-length`.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        let length = self.body.len().to_string();
        self.with("content-length", length)
    }

    /// Returns the value of a header, or `None` if the frame does not have it.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Appends the bytes of the frame.
    ///
    /// # Errors
    /// Returns an error, and appends nothing, if a header contains a NUL, or if one of a `CONNECT` frame contains a line
    /// break: its headers are not escaped.
    pub fn encode(&self, bytes: &mut Vec<u8>) -> Result<(), InvalidHeader> {
        let is_escaped = self.command.is_escaped();
        for (name, value) in &self.headers {
            let is_wrong =
                |text: &str| text.contains('\0') || (!is_escaped && text.contains(['\r', '\n']));
            if is_wrong(name) || is_wrong(value) || (!is_escaped && name.contains(':')) {
                return Err(InvalidHeader(name.clone()));
            }
        }
        bytes.extend_from_slice(self.command.to_string().as_bytes());
        bytes.push(b'\n');
        for (name, value) in &self.headers {
            append(bytes, name, is_escaped);
            bytes.push(b':');
            append(bytes, value, is_escaped);
            bytes.push(b'\n');
        }
        bytes.push(b'\n');
        bytes.extend_from_slice(&self.body);
        bytes.push(0);
        Ok(())
    }
}

fn append(bytes: &mut Vec<u8>, text: &str, is_escaped: bool) {
    for byte in text.bytes() {
        match byte {
            b'\r' if is_escaped => bytes.extend_from_slice(b"\\r"),
            b'\n' if is_escaped => bytes.extend_from_slice(b"\\n"),
            b':' if is_escaped => bytes.extend_from_slice(b"\\c"),
            b'\\' if is_escaped => bytes.extend_from_slice(b"\\\\"),
            byte => bytes.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(frame: &Frame) -> String {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_frame_is_written_as_the_specification_says() {
        let frame = Frame::new(Command::Send)
            .with("destination", "/queue/ical")
            .with("correlation-id", "a:b\\c\n")
            .body("{}");
        let text =
            "SEND\ndestination:/queue/ical\ncorrelation-id:a\\cb\\\\c\\n\ncontent-length:2\n\n{}\0";
        assert_eq!(encoded(&frame), text);
    }

    #[test]
    fn a_password_is_not_escaped() {
        let frame = Frame::new(Command::Connect).with("passcode", "a:b\\c");
        assert_eq!(encoded(&frame), "CONNECT\npasscode:a:b\\c\n\n\0");
    }

    #[test]
    fn a_header_that_would_become_another_one_is_refused() {
        for (command, name, value) in [
            (Command::Connect, "passcode", "a\nlogin:b"),
            (Command::Connect, "passcode", "a\r"),
            (Command::Connect, "a:b", ""),
            (Command::Connect, "passcode", "\0"),
            (Command::Send, "destination", "\0"),
        ] {
            let mut bytes = Vec::new();
            let frame = Frame::new(command).with(name, value);
            let error = frame.encode(&mut bytes).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
            assert!(bytes.is_empty());
        }
    }
}
