//! A proxy in front of a TCP server. It injects faults into its connections, such as network failures and restarts, and can
//! hold a connection at a chosen request.

use std::marker::PhantomData;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use local_services::testing::TIMEOUT;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::bytes::{Bytes, BytesMut};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

mod connection;

use connection::Connection;

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
    fn contains(&self, text: &[u8]) -> bool {
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

/// The proxy. Dropping it closes every connection.
#[derive(Debug)]
pub struct TcpProxy<P> {
    port: u16,
    shared: Arc<Shared>,
    _accepting: AbortOnDropHandle<()>,
    _protocol: PhantomData<fn() -> P>,
}

/// A proxy in front of a broker.
pub type BrokerProxy = TcpProxy<Raw>;

#[derive(Debug)]
struct Shared {
    upstream: SocketAddr,
    state: watch::Sender<State>,
    holds: Mutex<Vec<Hold>>,
    /// How many connections have been held.
    held: watch::Sender<usize>,
    /// Cancelled to close the connections that are open.
    open: Mutex<CancellationToken>,
}

#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// How many times the proxy has been healed.
    heals: u64,
    refuses: bool,
    stalls: bool,
    delay: Duration,
}

/// Holds the first connection whose request contains a text.
#[derive(Debug, Clone, Copy)]
struct Hold {
    text: &'static [u8],
    side: Side,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// The server does not get the request.
    Request,
    /// The client does not get the answer.
    Answer,
}

impl<P: Protocol> TcpProxy<P> {
    /// Starts a proxy in front of a port of 127.0.0.1.
    ///
    /// # Errors
    /// Returns an error if no port can be opened.
    pub async fn start(upstream: u16) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            upstream: (Ipv4Addr::LOCALHOST, upstream).into(),
            state: watch::Sender::default(),
            holds: Mutex::default(),
            held: watch::Sender::new(0),
            open: Mutex::default(),
        });
        let accepting = tokio::spawn(accept::<P>(listener, Arc::clone(&shared)));
        Ok(Self {
            port,
            shared,
            _accepting: AbortOnDropHandle::new(accepting),
            _protocol: PhantomData,
        })
    }

    /// Returns the port of the proxy on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes every connection. Clients can open new ones.
    pub fn disconnect(&self) {
        let open = std::mem::take(&mut *lock(&self.shared.open));
        open.cancel();
    }

    /// Closes every connection and refuses new ones.
    pub fn cut(&self) {
        self.shared.state.send_modify(|state| state.refuses = true);
        self.disconnect();
    }

    /// Forwards nothing, but keeps every connection open.
    pub fn stall(&self) {
        self.shared.state.send_modify(|state| state.stalls = true);
    }

    /// Delays everything, in both directions.
    pub fn slow_down(&self, delay: Duration) {
        self.shared.state.send_modify(|state| state.delay = delay);
    }

    /// Holds the next connection whose request contains `text`: the server does not get it until the proxy is healed.
    pub fn hold_request<T: AsRef<[u8]> + ?Sized>(&self, text: &'static T) {
        self.hold(text.as_ref(), Side::Request);
    }

    /// Holds the next connection whose request contains `text` and has an effect: the server gets it, and the client does
    /// not get the answer until the proxy is healed. An answer that says that there was no effect passes, so that a worker
    /// that looks for jobs in vain is not held.
    pub fn hold_answer<T: AsRef<[u8]> + ?Sized>(&self, text: &'static T) {
        self.hold(text.as_ref(), Side::Answer);
    }

    fn hold(&self, text: &'static [u8], side: Side) {
        lock(&self.shared.holds).push(Hold { text, side });
    }

    /// Waits until `count` connections have been held.
    ///
    /// # Errors
    /// Returns an error if that takes too long.
    pub async fn wait_until_held(&self, count: usize) -> anyhow::Result<()> {
        let mut held = self.shared.held.subscribe();
        let caught = tokio::time::timeout(TIMEOUT, held.wait_for(|held| *held >= count)).await;
        caught.context("no connection made the request to hold")??;
        Ok(())
    }

    /// Forwards everything again. Connections that were closed stay closed.
    pub fn heal(&self) {
        lock(&self.shared.holds).clear();
        self.shared.state.send_modify(|state| {
            *state = State {
                heals: state.heals + 1,
                ..State::default()
            }
        });
    }
}

async fn accept<P: Protocol>(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, which closes every connection.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        if !shared.state.borrow().refuses {
            connections.spawn(forward::<P>(client, Arc::clone(&shared)));
        }
    }
}

async fn forward<P: Protocol>(client: TcpStream, shared: Arc<Shared>) {
    let open = lock(&shared.open).clone();
    let Ok(server) = TcpStream::connect(shared.upstream).await else {
        return;
    };
    // Small requests must not wait for each other.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let connection = Connection::new(shared);
    tokio::select! {
        () = connection.forward_requests::<P>(from_client, to_server) => {}
        () = connection.forward_answers::<P>(from_server, to_client) => {}
        () = open.cancelled() => {}
    }
}

impl Shared {
    /// Returns the hold for a request, if any. One for an answer remains until an answer says that there was an effect,
    /// unless answers are not read.
    fn take_hold(&self, request: &Request, reads_answers: bool) -> Option<Hold> {
        let mut holds = lock(&self.holds);
        let index = holds.iter().position(|hold| request.contains(hold.text))?;
        let hold = *holds.get(index)?;
        if hold.side == Side::Request || !reads_answers {
            holds.remove(index);
        }
        Some(hold)
    }

    /// Removes a hold for an answer. Returns false if another answer has taken it, or the proxy was healed.
    fn take_answer_hold(&self, text: &[u8]) -> bool {
        let mut holds = lock(&self.holds);
        let found = holds
            .iter()
            .position(|hold| hold.side == Side::Answer && hold.text == text);
        found.map(|index| holds.remove(index)).is_some()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
