//! A connection: commands, their receipts, subscriptions.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::endpoint::Endpoint;
use crate::error::{CommandError, ConnectError};
use crate::frame::{Command, Frame};
use crate::tls;

mod handshake;
mod reader;
mod shared;
mod writer;

use shared::{Awaited, Shared, Sink};

/// How long connecting may take, with the TLS handshake and the server's answer.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// How long a server may take for its next answer while commands wait for answers. After that, the connection is ended.
/// A batch of commands may take longer than this, because a server carries out the commands of a connection one after
/// the other. The limit is shorter than the 10 s that the services allow for a call to a queue, so that a caller learns
/// the reason.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(8);
/// How long [`Connection::close`] waits for the server.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
/// How many messages beyond twice the prefetch a server may send before the connection is ended. A server that keeps
/// to the prefetch sends none.
const SPARE_MESSAGES: usize = 16;

/// A stream of bytes in both directions.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A session with a STOMP server. Dropping it cuts the connection; whatever has not been acknowledged belongs to the
/// server again.
pub struct Connection {
    server: String,
    shared: Arc<Shared>,
    frames: mpsc::Sender<Vec<u8>>,
    _reader: AbortOnDropHandle<()>,
    _writer: AbortOnDropHandle<()>,
}

/// The messages of a subscription. They are at most as many as its prefetch, because the server sends no more before
/// one of them is acknowledged.
#[derive(Debug)]
pub struct Incoming {
    id: String,
    messages: mpsc::Receiver<Frame>,
}

impl Incoming {
    /// Returns the id of the subscription, for [`Connection::unsubscribe`].
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Waits for the next message. Returns `None` when the connection or the subscription has ended. Safe to abandon.
    pub async fn next(&mut self) -> Option<Frame> {
        self.messages.recv().await
    }

    /// Returns whether no message has arrived that was not returned yet.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Returns a message that has already arrived.
    pub fn try_next(&mut self) -> Option<Frame> {
        self.messages.try_recv().ok()
    }
}

impl Connection {
    /// Connects and logs in, within [`CONNECT_LIMIT`].
    ///
    /// # Errors
    /// Returns an error if nobody answers, if the server does not admit this client, or if it is no STOMP 1.2 server.
    pub async fn open(endpoint: &Endpoint) -> Result<Self, ConnectError> {
        let opened = timeout(CONNECT_LIMIT, Self::open_without_limit(endpoint)).await;
        opened.unwrap_or_else(|_elapsed| {
            let limit = CONNECT_LIMIT.as_secs();
            // A server without TLS on this port may wait for the end of what it takes for a command.
            let answer = match endpoint.tls {
                None => "did not answer",
                Some(_) => "(which must be a port with TLS) did not answer",
            };
            Err(ConnectError::Unreachable(format!(
                "{endpoint} {answer} within {limit} s"
            )))
        })
    }

    async fn open_without_limit(endpoint: &Endpoint) -> Result<Self, ConnectError> {
        let tcp = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await;
        let tcp = tcp
            .and_then(|tcp| tcp.set_nodelay(true).map(|()| tcp))
            .map_err(|error| {
                ConnectError::Unreachable(format!("no connection to {endpoint}: {error}"))
            })?;
        let stream: Box<dyn Duplex> = match &endpoint.tls {
            None => Box::new(tcp),
            Some(trust) => Box::new(tls::handshake(trust, &endpoint.host, tcp).await?),
        };
        Self::begin(stream, endpoint).await
    }

    /// Begins a session. The caller limits the time.
    async fn begin(mut stream: Box<dyn Duplex>, endpoint: &Endpoint) -> Result<Self, ConnectError> {
        let session = handshake::log_in(&mut stream, endpoint).await?;
        let (input, output) = tokio::io::split(stream);
        let shared = Arc::new(Shared::default());
        let (frames, queue) = mpsc::channel(writer::QUEUE);
        let reader = reader::run(Arc::clone(&shared), input, session.decoder, session.silence);
        let writer = writer::run(Arc::clone(&shared), output, queue, session.heart_beat);
        Ok(Self {
            server: session.server,
            shared,
            frames,
            _reader: AbortOnDropHandle::new(tokio::spawn(reader)),
            _writer: AbortOnDropHandle::new(tokio::spawn(writer)),
        })
    }

    /// Returns how the server names itself, such as `ActiveMQ/5.17.2`; empty if it does not.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Returns why the connection has ended, or `None` while it lasts.
    pub fn end(&self) -> Option<&str> {
        self.shared.end_reason()
    }

    /// Waits until the connection has ended. Safe to abandon.
    pub async fn ended(&self) {
        self.shared.over().cancelled().await;
    }

    /// Sends commands at once, and then waits for the server's receipt for each. Returns one answer per command, in the
    /// same order. If the connection ends meanwhile, the commands whose answers had arrived keep these.
    pub async fn send_each(&self, commands: Vec<Frame>) -> Vec<Result<(), CommandError>> {
        self.exchange(commands, None).await
    }

    /// Does what [`send_each`](Self::send_each) does, and ends the connection if not every answer has arrived within
    /// `limit`.
    pub async fn send_each_within(
        &self,
        commands: Vec<Frame>,
        limit: Duration,
    ) -> Vec<Result<(), CommandError>> {
        self.exchange(commands, Some(limit)).await
    }

    async fn exchange(
        &self,
        commands: Vec<Frame>,
        limit: Option<Duration>,
    ) -> Vec<Result<(), CommandError>> {
        let count = commands.len();
        let mut awaited = match self.shared.expect_receipts(count) {
            Ok(awaited) => awaited,
            Err(ended) => return vec![Err(ended); count],
        };
        let with_receipts = commands.into_iter().zip(awaited.ids());
        let commands = with_receipts.map(|(frame, id)| frame.with("receipt", id));
        let exchanging = async {
            let written = self.write(commands).await;
            if written.is_ok() {
                self.wait_for(&mut awaited).await;
            }
            written
        };
        let exchanged = match limit {
            None => exchanging.await,
            Some(limit) => timeout(limit, exchanging)
                .await
                .unwrap_or_else(|_elapsed| Err(self.give_up("commands were not answered", limit))),
        };
        if let Err(error @ CommandError::Refused(_)) = exchanged {
            // Nothing was sent.
            return vec![Err(error); count];
        }
        awaited.into_answers().await
    }

    /// Sends commands at once, and waits for the server's receipt for the last. A server carries out the commands of a
    /// connection in their order, so it has carried out the others too by then. If it refuses one of the others, its
    /// refusal names no command, and this client ends the connection.
    ///
    /// # Errors
    /// Returns [`CommandError::Refused`] if the server refused the last command, and has carried out the others, or if a
    /// header can't be encoded, and nothing was sent. Returns [`CommandError::Ended`] if the connection has ended: the
    /// server may have carried out some of the commands.
    pub async fn send_all(&self, mut commands: Vec<Frame>) -> Result<(), CommandError> {
        let Some(last) = commands.pop() else {
            return Ok(());
        };
        let mut awaited = self.shared.expect_receipts(1)?;
        let ids = awaited.ids();
        let last = ids.fold(last, |frame, id| frame.with("receipt", id));
        self.write(commands.into_iter().chain([last])).await?;
        self.wait_for(&mut awaited).await;
        awaited.into_answers().await.into_iter().collect()
    }

    /// Asks for the messages of a queue, each to be acknowledged on its own. The server sends at most `prefetch` that
    /// are not acknowledged.
    ///
    /// # Errors
    /// Returns an error if the server refused it, or if the connection has ended.
    pub async fn subscribe(
        &self,
        destination: &str,
        prefetch: usize,
    ) -> Result<Incoming, CommandError> {
        let (sender, messages) = mpsc::channel(prefetch * 2 + SPARE_MESSAGES);
        let id = self.shared.add_subscription(Sink::Messages(sender))?;
        let command = Frame::new(Command::Subscribe)
            .with("id", &id)
            .with("destination", destination)
            .with("ack", "client-individual")
            .with("activemq.prefetchSize", prefetch.to_string());
        let answer = self.send_all(vec![command]).await;
        if let Err(error) = answer {
            self.shared.remove_subscription(&id);
            return Err(error);
        }
        Ok(Incoming { id, messages })
    }

    /// Ends a subscription. All its messages that are not acknowledged belong to the server again.
    ///
    /// # Errors
    /// Returns an error if the server refused it, or if the connection has ended.
    pub async fn unsubscribe(&self, id: &str) -> Result<(), CommandError> {
        self.shared.remove_subscription(id);
        let command = Frame::new(Command::Unsubscribe).with("id", id);
        self.send_all(vec![command]).await
    }

    /// Counts the messages of a queue without taking any (an extension of ActiveMQ). A server shows only its first page
    /// of messages, 400 by default, and also those that other subscriptions hold.
    ///
    /// # Errors
    /// Returns an error if the server refused it, if the connection has ended, or if the count took longer than
    /// [`ANSWER_LIMIT`].
    pub async fn count(&self, destination: &str) -> Result<u64, CommandError> {
        let (done, counted) = tokio::sync::oneshot::channel();
        let sink = Sink::Counter {
            count: 0,
            done: Some(done),
        };
        let id = self.shared.add_subscription(sink)?;
        let command = Frame::new(Command::Subscribe)
            .with("id", &id)
            .with("destination", destination)
            .with("ack", "auto")
            .with("browser", "true");
        if let Err(error) = self.send_all(vec![command]).await {
            self.shared.remove_subscription(&id);
            return Err(error);
        }
        let counted = timeout(ANSWER_LIMIT, counted).await;
        self.unsubscribe(&id).await?;
        match counted {
            Ok(Ok(count)) => Ok(count),
            Ok(Err(_ended)) => Err(self.shared.ended()),
            Err(_elapsed) => Err(CommandError::Refused(
                "the server did not finish counting the messages".to_owned(),
            )),
        }
    }

    /// Ends the session, and then the connection. Waits at most a second for the server's receipt.
    pub async fn close(&self) {
        let command = Frame::new(Command::Disconnect);
        let farewell = timeout(CLOSE_LIMIT, self.send_all(vec![command])).await;
        // Whatever the answer is, the connection ends.
        drop(farewell);
        self.shared.finish("it was closed");
    }

    async fn write(&self, frames: impl Iterator<Item = Frame>) -> Result<(), CommandError> {
        let mut bytes = Vec::new();
        for frame in frames {
            let encoded = frame.encode(&mut bytes);
            encoded.map_err(|error| CommandError::Refused(error.to_string()))?;
        }
        match self.shared.while_answering(self.frames.send(bytes)).await {
            Some(Ok(())) => Ok(()),
            Some(Err(_closed)) => Err(self.shared.ended()),
            None => Err(self.give_up("a command had no answer", ANSWER_LIMIT)),
        }
    }

    /// Waits for all answers, or ends a connection whose server does not answer.
    async fn wait_for(&self, awaited: &mut Awaited<'_>) {
        if self.shared.while_answering(awaited.wait()).await.is_none() {
            self.give_up("a command had no answer", ANSWER_LIMIT);
        }
    }

    /// Ends the connection, because of what has not happened within `limit`.
    fn give_up(&self, what: &str, limit: Duration) -> CommandError {
        let limit = limit.as_secs();
        self.shared.finish(&format!("{what} within {limit} s"));
        self.shared.ended()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("server", &self.server)
            .field("end", &self.end())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
