//! A proxy in front of PostgreSQL. It injects faults into its connections, such as network failures and restarts.
//!
//! It reads the clients' messages, so that it can hold a connection at a chosen statement, prepared or not.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use local_services::testing::TIMEOUT;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::bytes::BytesMut;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

mod answers;
mod requests;

use answers::Answer;
use requests::Requests;

/// How many bytes are read from a connection at a time.
const READ_BYTES: usize = 64 * 1024;

/// The proxy. Dropping it closes every connection.
#[derive(Debug)]
pub struct PostgresProxy {
    port: u16,
    shared: Arc<Shared>,
    _accepting: AbortOnDropHandle<()>,
}

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

/// Holds the first connection that runs a statement.
#[derive(Debug, Clone, Copy)]
struct Hold {
    text: &'static str,
    side: Side,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// The server does not get the statement.
    Request,
    /// The client does not get the answer.
    Answer,
}

impl PostgresProxy {
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
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            port,
            shared,
            _accepting: AbortOnDropHandle::new(accepting),
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

    /// Holds the next connection that runs a statement containing `text`: the server does not get it until the proxy is
    /// healed.
    pub fn hold_request(&self, text: &'static str) {
        self.hold(text, Side::Request);
    }

    /// Holds the next connection that runs a statement containing `text` with effect: the server runs it, and the client
    /// does not get the answer until the proxy is healed. An answer without rows passes, so that a worker that looks for
    /// jobs in vain is not held.
    pub fn hold_answer(&self, text: &'static str) {
        self.hold(text, Side::Answer);
    }

    fn hold(&self, text: &'static str, side: Side) {
        lock(&self.shared.holds).push(Hold { text, side });
    }

    /// Waits until `count` connections have been held.
    ///
    /// # Errors
    /// Returns an error if that takes too long.
    pub async fn wait_until_held(&self, count: usize) -> anyhow::Result<()> {
        let mut held = self.shared.held.subscribe();
        let caught = tokio::time::timeout(TIMEOUT, held.wait_for(|held| *held >= count)).await;
        caught.context("no connection ran the statement to hold")??;
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

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this task, which closes every connection.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        if !shared.state.borrow().refuses {
            connections.spawn(forward(client, Arc::clone(&shared)));
        }
    }
}

async fn forward(client: TcpStream, shared: Arc<Shared>) {
    let open = lock(&shared.open).clone();
    let Ok(server) = TcpStream::connect(shared.upstream).await else {
        return;
    };
    // Small statements must not wait for each other.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let connection = Connection {
        shared,
        requests_from: AtomicU64::new(0),
        answers_from: AtomicU64::new(0),
        awaited: Mutex::default(),
    };
    tokio::select! {
        () = connection.forward_requests(from_client, to_server) => {}
        () = connection.forward_answers(from_server, to_client) => {}
        () = open.cancelled() => {}
    }
}

struct Connection {
    shared: Arc<Shared>,
    /// Requests are forwarded once the proxy has been healed this many times.
    requests_from: AtomicU64,
    /// Answers are forwarded once the proxy has been healed this many times.
    answers_from: AtomicU64,
    /// The text of the hold for the answer that comes next, if that has rows.
    awaited: Mutex<Option<&'static str>>,
}

impl Connection {
    async fn forward_requests(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut requests = Requests::default();
        let mut unread = BytesMut::new();
        while read(&mut from, &mut unread).await {
            let mut ready = BytesMut::new();
            while let Some(request) = requests.take(&mut unread) {
                let hold = request
                    .statement
                    .and_then(|text| self.shared.take_hold(&text));
                if let Some(hold) = hold {
                    // The server may get what precedes the statement.
                    if !self.forward(&mut ready, &mut to, &self.requests_from).await {
                        return;
                    }
                    match hold.side {
                        Side::Request => self.hold(&self.requests_from),
                        Side::Answer => *lock(&self.awaited) = Some(hold.text),
                    }
                }
                ready.unsplit(request.bytes);
            }
            if !self.forward(&mut ready, &mut to, &self.requests_from).await {
                return;
            }
        }
    }

    async fn forward_answers(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut answers = BytesMut::new();
        while read(&mut from, &mut answers).await {
            // A client that waits for an answer has got those before it, so this is the answer's beginning.
            let awaited = lock(&self.awaited).take();
            if let Some(text) = awaited {
                match answers::read(&answers) {
                    Answer::Incomplete => {
                        *lock(&self.awaited) = awaited;
                        continue;
                    }
                    Answer::Rows if self.shared.take_answer_hold(text) => {
                        self.hold(&self.answers_from);
                    }
                    Answer::Rows | Answer::NoRows => {}
                }
            }
            if !self
                .forward(&mut answers, &mut to, &self.answers_from)
                .await
            {
                return;
            }
        }
    }

    /// Forwards nothing more in one direction until the proxy is healed.
    fn hold(&self, passes_from: &AtomicU64) {
        passes_from.store(self.next_heal(), Ordering::Relaxed);
        self.shared.held.send_modify(|held| *held += 1);
    }

    /// Forwards the bytes as soon as they may pass, and empties them. Returns false if the connection is closed.
    async fn forward(
        &self,
        bytes: &mut BytesMut,
        to: &mut OwnedWriteHalf,
        passes_from: &AtomicU64,
    ) -> bool {
        if bytes.is_empty() {
            return true;
        }
        self.may_pass(|| passes_from.load(Ordering::Relaxed)).await;
        to.write_all_buf(bytes).await.is_ok()
    }

    fn next_heal(&self) -> u64 {
        self.shared.state.borrow().heals + 1
    }

    async fn may_pass(&self, heals: impl Fn() -> u64) {
        let mut state = self.shared.state.subscribe();
        let passing = state.wait_for(|state| !state.stalls && state.heals >= heals());
        let delay = passing.await.map_or(Duration::ZERO, |state| state.delay);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }
}

impl Shared {
    /// Returns the hold for a statement, if any. One for an answer remains until an answer has rows.
    fn take_hold(&self, statement: &str) -> Option<Hold> {
        let mut holds = lock(&self.holds);
        let index = holds
            .iter()
            .position(|hold| statement.contains(hold.text))?;
        let hold = *holds.get(index)?;
        if hold.side == Side::Request {
            holds.remove(index);
        }
        Some(hold)
    }

    /// Removes a hold for an answer. Returns false if another answer has taken it, or the proxy was healed.
    fn take_answer_hold(&self, text: &str) -> bool {
        let mut holds = lock(&self.holds);
        let found = holds
            .iter()
            .position(|hold| hold.side == Side::Answer && hold.text == text);
        found.map(|index| holds.remove(index)).is_some()
    }
}

/// Appends what has arrived to `bytes`. Returns false if the connection is closed.
async fn read(from: &mut OwnedReadHalf, bytes: &mut BytesMut) -> bool {
    bytes.reserve(READ_BYTES);
    from.read_buf(bytes).await.is_ok_and(|length| length > 0)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
