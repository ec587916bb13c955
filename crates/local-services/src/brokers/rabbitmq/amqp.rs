//! The few messages of AMQP 0-9-1 that create a queue:
//! <https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf>.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::error::{Error, io_error};

/// How long an answer of the server may take.
const ANSWER: Duration = Duration::from_secs(30);

/// What a client sends first.
const GREETING: &[u8] = b"AMQP\0\0\x09\x01";

/// Marks the end of a frame.
const FRAME_END: u8 = 0xCE;
/// The type of a frame that contains a method.
const METHOD: u8 = 1;

/// The user of a new installation, who may connect from this machine only.
const LOGIN: &[u8] = b"\0guest\0guest";

/// A class and one of its methods.
type Method = (u16, u16);

const START_OK: Method = (10, 11);
const TUNE: Method = (10, 30);
const TUNE_OK: Method = (10, 31);
const OPEN: Method = (10, 40);
const OPENED: Method = (10, 41);
const CHANNEL_OPEN: Method = (20, 10);
const CHANNEL_OPENED: Method = (20, 11);
const DECLARE: Method = (50, 10);
const DECLARED: Method = (50, 11);

/// The flag of a declaration that only asks whether a queue exists.
#[cfg(test)]
const PASSIVE: u8 = 1;
/// The flag of a queue that survives a restart of the server.
const DURABLE: u8 = 2;

/// Returns whether the server answers.
pub(super) fn is_answering(port: u16) -> bool {
    Connection::greet(port).is_ok()
}

/// Creates a queue for jobs and one for its dead letters, unless they exist. They are quorum queues, which lose nothing when
/// the server crashes.
pub(in super::super) fn create(port: u16, queue: &str) -> Result<(), Error> {
    let dead = format!("{queue}.dead");
    let declaring = || {
        let mut connection = Connection::open(port)?;
        connection.declare(&dead, DURABLE, &[("x-queue-type", Value::Text("quorum"))])?;
        let arguments = [
            ("x-queue-type", Value::Text("quorum")),
            ("x-delivery-limit", Value::Number(100)),
            ("x-dead-letter-exchange", Value::Text("")),
            ("x-dead-letter-routing-key", Value::Text(&dead)),
        ];
        connection.declare(queue, DURABLE, &arguments)
    };
    declaring().map_err(io_error(format!("create the queue {queue} in RabbitMQ")))
}

/// Returns whether a queue exists.
#[cfg(test)]
pub(super) fn exists(port: u16, queue: &str) -> io::Result<bool> {
    match Connection::open(port)?.declare(queue, PASSIVE, &[]) {
        Ok(()) => Ok(true),
        Err(error) if error.to_string().contains("NOT_FOUND") => Ok(false),
        Err(error) => Err(error),
    }
}

/// The value of a queue's argument.
enum Value<'a> {
    Text(&'a str),
    Number(i32),
}

struct Connection(TcpStream);

impl Connection {
    /// Connects, and waits for the server's first message.
    fn greet(port: u16) -> io::Result<Self> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.write_all(GREETING)?;
        let mut connection = Self(stream);
        connection.read_frame()?;
        Ok(connection)
    }

    /// Logs in, and opens channel 1.
    fn open(port: u16) -> io::Result<Self> {
        let mut connection = Self::greet(port)?;
        let login = [table(&[]), short("PLAIN"), long(LOGIN), short("en_US")].concat();
        connection.call(0, START_OK, &login, TUNE)?;
        // one channel, frames of 128 KiB, no heartbeats
        let limits = [
            &1_u16.to_be_bytes()[..],
            &131_072_u32.to_be_bytes(),
            &[0, 0],
        ]
        .concat();
        connection.send(0, TUNE_OK, &limits)?;
        let host = [short("/"), short(""), vec![0]].concat();
        connection.call(0, OPEN, &host, OPENED)?;
        connection.call(1, CHANNEL_OPEN, &short(""), CHANNEL_OPENED)?;
        Ok(connection)
    }

    fn declare(&mut self, queue: &str, flags: u8, arguments: &[(&str, Value)]) -> io::Result<()> {
        let content = [vec![0, 0], short(queue), vec![flags], table(arguments)].concat();
        self.call(1, DECLARE, &content, DECLARED)
    }

    /// Sends a method and waits for the one that answers it.
    fn call(
        &mut self,
        channel: u16,
        method: Method,
        content: &[u8],
        answer: Method,
    ) -> io::Result<()> {
        self.send(channel, method, content)?;
        let frame = self.read_frame()?;
        let expected = [answer.0.to_be_bytes(), answer.1.to_be_bytes()].concat();
        if frame.starts_with(&expected) {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&frame).into_owned();
        Err(io::Error::other(format!("RabbitMQ answered {text:?}")))
    }

    fn send(&mut self, channel: u16, method: Method, content: &[u8]) -> io::Result<()> {
        let size = u32::try_from(4 + content.len()).map_err(io::Error::other)?;
        let frame = [
            &[METHOD][..],
            &channel.to_be_bytes(),
            &size.to_be_bytes(),
            &method.0.to_be_bytes(),
            &method.1.to_be_bytes(),
            content,
            &[FRAME_END],
        ];
        self.0.write_all(&frame.concat())
    }

    /// Returns the content of the next frame.
    fn read_frame(&mut self) -> io::Result<Vec<u8>> {
        let mut header = [0; 7];
        self.0.read_exact(&mut header)?;
        let [kind, _, _, size @ ..] = header;
        // A server of another kind, or of another version of AMQP, answers something else.
        let size = usize::try_from(u32::from_be_bytes(size)).unwrap_or(usize::MAX);
        if kind != METHOD || size > 0xFFFF {
            return Err(io::Error::other("the server does not speak AMQP 0-9-1"));
        }
        let mut content = vec![0; size + 1];
        self.0.read_exact(&mut content)?;
        content.pop();
        Ok(content)
    }
}

/// Encodes a text of at most 255 bytes.
fn short(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    let text = text.bytes().take(length.into());
    std::iter::once(length).chain(text).collect()
}

fn long(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), bytes].concat()
}

fn table(entries: &[(&str, Value)]) -> Vec<u8> {
    let entries = entries.iter().flat_map(|(name, value)| {
        let value = match value {
            Value::Text(text) => [vec![b'S'], long(text.as_bytes())].concat(),
            Value::Number(number) => [&[b'I'][..], &number.to_be_bytes()].concat(),
        };
        [short(name), value].concat()
    });
    long(&entries.collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_port_that_answers_something_else_is_not_rabbitmq() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let other = std::thread::spawn(move || {
            let mut client = listener.accept().unwrap().0;
            client.write_all(b"HTTP/1.1 400 Bad Request\r\n").unwrap();
        });
        assert!(!is_answering(port));
        other.join().unwrap();
    }

    #[test]
    fn a_table_contains_names_types_and_values() {
        let encoded = table(&[("a", Value::Text("xy")), ("b", Value::Number(100))]);
        assert_eq!(encoded, b"\0\0\0\x10\x01aS\0\0\0\x02xy\x01bI\0\0\0\x64");
    }
}
