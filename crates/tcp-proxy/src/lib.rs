//! A proxy in front of a TCP server. It injects faults into its connections, such as network failures and restarts, can hold
//! a connection at a chosen request, and counts what passes.
//!
//! # Layout
//! - [`mod@protocol`]: how the requests of a connection are told apart
//! - `connection`: one connection of a client
//! - `advertised`: what servers of Kafka say about their ports
//! - [`mod@traffic`]: the counts

use std::marker::PhantomData;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use local_services::testing::TIMEOUT;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::bytes::BytesMut;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

mod advertised;
mod connection;
pub mod protocol;
pub mod traffic;

pub use protocol::{Answer, Opaque, Protocol, Raw, Request};
pub use traffic::Traffic;

use advertised::Advertised;
use connection::Connection;
use traffic::Counter;

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
    /// What is replaced in answers.
    advertised: Option<Advertised>,
    state: watch::Sender<State>,
    holds: Mutex<Vec<Hold>>,
    /// How many connections have been held.
    held: watch::Sender<usize>,
    /// Cancelled to close the connections that are open.
    open: Mutex<CancellationToken>,
    counter: Counter,
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
        Self::start_with(upstream, |_port| None).await
    }

    /// Starts a proxy in front of a server of Kafka on a port of 127.0.0.1. Its clients also connect through the proxy to the
    /// servers that it tells them.
    ///
    /// # Errors
    /// Returns an error if no port can be opened.
    pub async fn start_for_kafka(upstream: u16) -> anyhow::Result<Self> {
        Self::start_with(upstream, |port| Some(Advertised::new(upstream, port))).await
    }

    async fn start_with(
        upstream: u16,
        advertised: impl FnOnce(u16) -> Option<Advertised>,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            upstream: (Ipv4Addr::LOCALHOST, upstream).into(),
            advertised: advertised(port),
            state: watch::Sender::default(),
            holds: Mutex::default(),
            held: watch::Sender::new(0),
            open: Mutex::default(),
            counter: Counter::default(),
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

    /// Returns what has passed through all connections so far.
    pub fn traffic(&self) -> Traffic {
        self.shared.counter.read()
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

    /// Removes what may be forwarded from what a server has sent.
    fn take_answers(&self, unread: &mut BytesMut) -> BytesMut {
        match &self.advertised {
            Some(advertised) => advertised.take(unread),
            None => unread.split(),
        }
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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Returns the port of a server that returns what it gets.
    async fn echo() -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (mut from, mut to) = client.split();
                tokio::io::copy(&mut from, &mut to).await.unwrap();
            }
        });
        port
    }

    #[tokio::test]
    async fn what_passes_is_counted() {
        let proxy = TcpProxy::<Opaque>::start(echo().await).await.unwrap();
        let address = (Ipv4Addr::LOCALHOST, proxy.port());
        let mut client = TcpStream::connect(address).await.unwrap();
        for sent in ["PING", "QUIT"] {
            client.write_all(sent.as_bytes()).await.unwrap();
            let mut answer = [0; 4];
            client.read_exact(&mut answer).await.unwrap();
            assert_eq!(answer, sent.as_bytes());
        }
        let expected = Traffic {
            round_trips: 2,
            writes: 2,
            sent_bytes: 8,
            received_bytes: 8,
        };
        assert_eq!(proxy.traffic(), expected);
    }
}
