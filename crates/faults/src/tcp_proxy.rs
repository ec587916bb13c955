//! A proxy in front of PostgreSQL. It injects faults into its connections, such as network failures and restarts.

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
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// The proxy. Dropping it closes every connection.
#[derive(Debug)]
pub struct TcpProxy {
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

/// Holds the first connection that sends a statement.
#[derive(Debug, Clone, Copy)]
struct Hold {
    text: &'static str,
    side: Side,
    prepared: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// The server does not get the statement.
    Request,
    /// The client does not get the answer.
    Answer,
}

impl TcpProxy {
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

    /// Holds the next connection that sends a statement containing `text`: the server does not get it until the proxy is
    /// healed.
    pub fn hold_request(&self, text: &'static str) {
        self.hold(text, Side::Request, false);
    }

    /// Holds the next connection that sends a statement containing `text`: the server runs it, and the client does not get
    /// the answer until the proxy is healed.
    pub fn hold_answer(&self, text: &'static str) {
        self.hold(text, Side::Answer, false);
    }

    /// Does the same for a prepared statement. Its text is sent first, and it is then run by name; this holds the
    /// answer to the run.
    pub fn hold_answer_to_prepared(&self, text: &'static str) {
        self.hold(text, Side::Answer, true);
    }

    fn hold(&self, text: &'static str, side: Side, prepared: bool) {
        let hold = Hold {
            text,
            side,
            prepared,
        };
        lock(&self.shared.holds).push(hold);
    }

    /// Waits until `count` connections have been held.
    ///
    /// # Errors
    /// Returns an error if that takes too long.
    pub async fn wait_until_held(&self, count: usize) -> anyhow::Result<()> {
        let mut held = self.shared.held.subscribe();
        let caught = tokio::time::timeout(TIMEOUT, held.wait_for(|held| *held >= count)).await;
        caught.context("no connection sent the statement to hold")??;
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
        answers_from: AtomicU64::new(0),
    };
    tokio::select! {
        () = connection.forward_requests(from_client, to_server) => {}
        () = connection.forward_answers(from_server, to_client) => {}
        () = open.cancelled() => {}
    }
}

struct Connection {
    shared: Arc<Shared>,
    /// Answers are forwarded once the proxy has been healed this many times.
    answers_from: AtomicU64,
}

impl Connection {
    async fn forward_requests(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut buffer = vec![0; 64 * 1024];
        let mut prepared = None;
        while let Some(chunk) = read(&mut from, &mut buffer).await {
            let mut passes_from = 0;
            let side = match (prepared.take(), self.shared.take_hold(chunk)) {
                (Some(side), _) => Some(side),
                (None, Some(hold)) if hold.prepared => {
                    prepared = Some(hold.side);
                    None
                }
                (None, hold) => hold.map(|hold| hold.side),
            };
            if side.is_some() {
                self.shared.held.send_modify(|held| *held += 1);
            }
            match side {
                Some(Side::Request) => passes_from = self.next_heal(),
                Some(Side::Answer) => self.answers_from.store(self.next_heal(), Ordering::Relaxed),
                None => {}
            }
            self.may_pass(|| passes_from).await;
            if to.write_all(chunk).await.is_err() {
                return;
            }
        }
    }

    async fn forward_answers(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut buffer = vec![0; 64 * 1024];
        while let Some(chunk) = read(&mut from, &mut buffer).await {
            self.may_pass(|| self.answers_from.load(Ordering::Relaxed))
                .await;
            if to.write_all(chunk).await.is_err() {
                return;
            }
        }
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
    /// Removes and returns the hold for the statements in a chunk, if any. libpq sends the text of a statement in one piece.
    fn take_hold(&self, chunk: &[u8]) -> Option<Hold> {
        let mut holds = lock(&self.holds);
        let has = |text: &str| {
            chunk
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        };
        let index = holds.iter().position(|hold| has(hold.text))?;
        Some(holds.remove(index))
    }
}

async fn read<'a>(from: &mut OwnedReadHalf, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    match from.read(buffer).await {
        Ok(0) | Err(_) => None,
        Ok(length) => buffer.get(..length),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
