//! One connection of a client, and what it is held at.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio_util::bytes::BytesMut;

use super::traffic::Turn;
use super::{Answer, Hold, Protocol, Shared, Side, lock};

/// How many bytes are read from a connection at a time.
const READ_BYTES: usize = 64 * 1024;

pub(super) struct Connection {
    shared: Arc<Shared>,
    /// Requests are forwarded once the proxy has been healed this many times.
    requests_from: AtomicU64,
    /// Answers are forwarded once the proxy has been healed this many times.
    answers_from: AtomicU64,
    /// The text of the hold for the answer that comes next, if that says that there was an effect.
    awaited: Mutex<Option<&'static [u8]>>,
    turn: Turn,
}

impl Connection {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            requests_from: AtomicU64::new(0),
            answers_from: AtomicU64::new(0),
            awaited: Mutex::default(),
            turn: Turn::default(),
        }
    }

    pub(super) async fn forward_requests<P: Protocol>(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
    ) {
        let mut requests = P::default();
        let mut unread = BytesMut::new();
        while let Some(arrived) = read(&mut from, &mut unread).await {
            self.turn.client_sent(&self.shared.counter, arrived);
            let mut ready = BytesMut::new();
            let mut holds_answer = false;
            while let Some(request) = requests.take(&mut unread) {
                let hold = self.shared.take_hold(&request, P::READS_ANSWERS);
                if let Some(hold) = hold {
                    // The server may get what precedes the request.
                    if !self.forward(&mut ready, &mut to, &self.requests_from).await {
                        return;
                    }
                    holds_answer |= self.apply::<P>(hold);
                }
                ready.unsplit(request.bytes);
            }
            if !self.forward(&mut ready, &mut to, &self.requests_from).await {
                return;
            }
            if holds_answer {
                self.count();
            }
        }
    }

    /// Begins a hold. Returns whether it counts only once its request has been forwarded.
    fn apply<P: Protocol>(&self, hold: Hold) -> bool {
        match hold.side {
            Side::Request => {
                self.stop(&self.requests_from);
                self.count();
            }
            Side::Answer if P::READS_ANSWERS => *lock(&self.awaited) = Some(hold.text),
            Side::Answer => {
                self.stop(&self.answers_from);
                return true;
            }
        }
        false
    }

    pub(super) async fn forward_answers<P: Protocol>(
        &self,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
    ) {
        let mut answers = BytesMut::new();
        while let Some(arrived) = read(&mut from, &mut answers).await {
            self.turn.server_sent(&self.shared.counter, arrived);
            // A client that waits for an answer has got those before it, so this is the answer's beginning.
            let awaited = lock(&self.awaited).take();
            if let Some(text) = awaited {
                match P::answer(&answers) {
                    Answer::Incomplete => {
                        *lock(&self.awaited) = awaited;
                        continue;
                    }
                    Answer::Effect if self.shared.take_answer_hold(text) => {
                        self.stop(&self.answers_from);
                        self.count();
                    }
                    Answer::Effect | Answer::NoEffect => {}
                }
            }
            let mut ready = self.shared.take_answers(&mut answers);
            if !self.forward(&mut ready, &mut to, &self.answers_from).await {
                return;
            }
        }
    }

    /// Forwards nothing more in one direction until the proxy is healed.
    fn stop(&self, passes_from: &AtomicU64) {
        passes_from.store(self.next_heal(), Ordering::Relaxed);
    }

    /// Counts the connection as held.
    fn count(&self) {
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

/// Appends what has arrived to `bytes`, and returns its length, or `None` if the connection is closed.
async fn read(from: &mut OwnedReadHalf, bytes: &mut BytesMut) -> Option<usize> {
    bytes.reserve(READ_BYTES);
    let length = from.read_buf(bytes).await.ok()?;
    (length > 0).then_some(length)
}
