//! Clients that watch a run as the page for operators does: each follows the live view.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const LIVE: &str = "/api/v1/operations/live";
/// The beginning of an update.
const UPDATE: &[u8] = b"event: snapshot\n";

/// Clients that watch. Dropping this ends their streams.
#[derive(Debug)]
pub struct Watchers {
    streams: JoinSet<anyhow::Result<()>>,
    /// When the updates of each stream arrived.
    updates: Vec<Arc<Mutex<Vec<Instant>>>>,
    phases: Vec<Watched>,
    began: Instant,
}

/// What the watchers saw during a phase, while jobs were accepted or completed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Watched {
    /// The phase.
    pub phase: &'static str,
    /// How long it lasted, in seconds.
    pub seconds: f64,
    /// Each watcher.
    pub watchers: Vec<Seen>,
}

/// What a watcher saw during a phase.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Seen {
    /// Updates per second.
    pub rate: f64,
    /// The longest time without an update, in seconds. The beginning and the end of the phase limit it.
    pub longest_gap: f64,
}

impl Watchers {
    /// Opens `count` streams from these APIs, in turn, and waits until each has had its first update.
    ///
    /// # Errors
    /// Returns an error if an API does not send one.
    pub async fn open(addresses: &[SocketAddr], count: u32) -> anyhow::Result<Self> {
        let mut watchers = Self {
            streams: JoinSet::new(),
            updates: Vec::new(),
            phases: Vec::new(),
            began: Instant::now(),
        };
        for (address, _) in addresses.iter().cycle().zip(0..count) {
            let mut stream = Stream::open(*address).await?;
            while stream.read().await? == 0 {}
            let updates = Arc::<Mutex<Vec<Instant>>>::default();
            watchers.updates.push(Arc::clone(&updates));
            watchers.streams.spawn(stream.follow(updates));
        }
        Ok(watchers)
    }

    /// A phase begins now.
    pub fn begin(&mut self) {
        self.began = Instant::now();
    }

    /// The phase that began last ends now.
    ///
    /// # Errors
    /// Returns an error if a stream has ended.
    pub fn end(&mut self, phase: &'static str) -> anyhow::Result<()> {
        if let Some(ended) = self.streams.try_join_next() {
            ended?.context("a stream of updates has ended")?;
        }
        let (began, ended) = (self.began, Instant::now());
        let seen = self.updates.iter().map(|updates| {
            let updates = updates.lock().unwrap_or_else(PoisonError::into_inner);
            seen(&updates, began, ended)
        });
        let watched = Watched {
            phase,
            seconds: (ended - began).as_secs_f64(),
            watchers: seen.collect(),
        };
        self.phases.push(watched);
        Ok(())
    }

    /// Ends the streams, and returns what the watchers saw in each phase.
    pub fn close(self) -> Vec<Watched> {
        self.phases
    }
}

/// Evaluates when updates arrived, from `began` to `ended`.
fn seen(updates: &[Instant], began: Instant, ended: Instant) -> Seen {
    let mut last = began;
    let mut longest = Duration::ZERO;
    let mut count = 0;
    for update in updates.iter().filter(|at| (began..ended).contains(*at)) {
        count += 1;
        longest = longest.max(*update - last);
        last = *update;
    }
    Seen {
        rate: crate::load::per_second(count, (ended - began).as_secs_f64()),
        longest_gap: longest.max(ended - last).as_secs_f64(),
    }
}

/// A response that does not end.
#[derive(Debug)]
struct Stream {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Stream {
    async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {LIVE} HTTP/1.1\r\nhost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut received = Vec::new();
        while !received.windows(4).any(|window| window == b"\r\n\r\n") {
            let read = stream.read_buf(&mut received).await?;
            anyhow::ensure!(read > 0, "{address} closed the connection");
        }
        let is_ok = received.starts_with(b"HTTP/1.1 200 ");
        let head = String::from_utf8_lossy(&received);
        anyhow::ensure!(is_ok, "{address} refused to be watched: {head}");
        Ok(Self { stream, received })
    }

    /// Records when updates arrive, until the stream ends.
    async fn follow(mut self, updates: Arc<Mutex<Vec<Instant>>>) -> anyhow::Result<()> {
        loop {
            let count = self.read().await?;
            let arrived = std::iter::repeat_n(Instant::now(), count);
            let mut updates = updates.lock().unwrap_or_else(PoisonError::into_inner);
            updates.extend(arrived);
        }
    }

    /// Returns how many updates begin in what has been received already or, if that is nothing, arrives next.
    async fn read(&mut self) -> anyhow::Result<usize> {
        let count = take_updates(&mut self.received);
        if count > 0 {
            return Ok(count);
        }
        let read = self.stream.read_buf(&mut self.received).await?;
        anyhow::ensure!(read > 0, "the API closed the connection");
        Ok(take_updates(&mut self.received))
    }
}

/// Removes what has been received except what may be the first part of an update's beginning. Returns how many updates
/// began in it.
fn take_updates(received: &mut Vec<u8>) -> usize {
    let begin = |window: &&[u8]| *window == UPDATE;
    let count = received.windows(UPDATE.len()).filter(begin).count();
    let read = received.len().saturating_sub(UPDATE.len() - 1);
    received.drain(..read);
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_counts_once_wherever_its_text_is_divided() {
        let text = b"17\r\nevent: snapshot\ndata: {}\n\n\r\n2\r\n:\n\r\n17\r\nevent: snapshot\ndata: {}\n\n";
        for length in 1..text.len() {
            let mut received = Vec::new();
            let mut count = 0;
            for part in text.chunks(length) {
                received.extend_from_slice(part);
                count += take_updates(&mut received);
            }
            assert_eq!(count, 2, "in parts of {length}");
        }
    }

    #[test]
    fn only_the_updates_of_a_phase_count_and_its_ends_limit_a_gap() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let updates = [at(0), at(3), at(4), at(12)];
        let seen = seen(&updates, at(2), at(10));
        assert!((seen.rate - 0.25).abs() < 1e-9, "{seen:?}");
        assert!((seen.longest_gap - 6.0).abs() < 1e-9, "{seen:?}");
    }
}
