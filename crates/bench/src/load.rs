//! Clients that post jobs.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::ProgressBar;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::http::Connection;

/// The path of the jobs.
pub const JOBS: &str = "/api/v1/todos/ical";
/// The header of a JSON body.
pub const JSON: &str = "content-type: application/json\r\n";
const JSON_AND_WAIT: &str = "content-type: application/json\r\nprefer: wait=10\r\n";
/// How often a paused client looks whether it may go on.
const PAUSE: Duration = Duration::from_millis(2);

/// When the clients stop.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// After this many jobs.
    Jobs(u64),
    /// At this time.
    Time(Instant),
}

/// What the clients do.
#[derive(Debug, Clone)]
pub struct Load {
    /// Where they post, in turn.
    pub addresses: Vec<SocketAddr>,
    /// How many clients post at the same time, each on a connection of its own.
    pub clients: NonZeroU32,
    /// The first part of each calendar's name. No two jobs of a run have the same name, so no result can be reused.
    pub name: &'static str,
    /// When they stop.
    pub until: Until,
    /// Jobs per second of all clients. `None` means that each client posts as fast as it gets responses.
    pub rate: Option<f64>,
    /// While this is true, no client posts.
    pub is_paused: Arc<AtomicBool>,
}

/// What the clients did.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Posted {
    /// Accepted jobs.
    pub jobs: u64,
    /// From the first request to the last response, in seconds.
    pub seconds: f64,
    /// Accepted jobs per second.
    pub rate: f64,
    /// The response times, in milliseconds.
    pub response: Times,
}

/// Percentiles of times, in milliseconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Times {
    /// The median.
    pub p50: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Load {
    /// A load without a fixed rate.
    pub fn new(
        addresses: Vec<SocketAddr>,
        clients: NonZeroU32,
        name: &'static str,
        until: Until,
    ) -> Self {
        Self {
            addresses,
            clients,
            name,
            until,
            rate: None,
            is_paused: Arc::default(),
        }
    }

    /// Posts jobs until the end of the load.
    ///
    /// # Errors
    /// Returns an error if an API does not accept a job.
    pub async fn post(&self, progress: &ProgressBar) -> anyhow::Result<Posted> {
        let mut clients = JoinSet::new();
        let taken = Arc::new(AtomicU64::new(0));
        let mut addresses = self.addresses.iter().cycle();
        let start = Instant::now();
        for _ in 0..self.clients.get() {
            let address = addresses.next().context("no API to post to")?;
            let client = Client {
                connection: Connection::open(*address).await?,
                load: self.clone(),
                taken: Arc::clone(&taken),
                start,
            };
            clients.spawn(client.run(progress.clone()));
        }
        let mut times = Vec::new();
        while let Some(client) = clients.join_next().await {
            times.append(&mut client??);
        }
        let seconds = start.elapsed().as_secs_f64();
        progress.finish_and_clear();
        let jobs = times.len() as u64;
        Ok(Posted {
            jobs,
            seconds,
            rate: per_second(jobs, seconds),
            response: Times::of(times),
        })
    }
}

struct Client {
    connection: Connection,
    load: Load,
    /// Jobs that the clients have begun to post.
    taken: Arc<AtomicU64>,
    start: Instant,
}

impl Client {
    /// Returns the response times.
    async fn run(mut self, progress: ProgressBar) -> anyhow::Result<Vec<Duration>> {
        let mut times = Vec::new();
        while let Some(number) = self.next().await {
            let body = format!("{{\"name\":\"{} {number}\"}}", self.load.name);
            let start = Instant::now();
            let response = self.connection.post(JOBS, JSON, &body).await?;
            anyhow::ensure!(
                response.status == 202,
                "POST {JOBS} was answered with {}: {}",
                response.status,
                String::from_utf8_lossy(response.body)
            );
            times.push(start.elapsed());
            progress.inc(1);
        }
        Ok(times)
    }

    /// Waits until the next job is due, and returns its number. Returns `None` at the end of the load.
    async fn next(&self) -> Option<u64> {
        while self.load.is_paused.load(Ordering::Relaxed) && !self.is_late() {
            tokio::time::sleep(PAUSE).await;
        }
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        if let Some(rate) = self.load.rate {
            #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 jobs")]
            let due = self.start + Duration::from_secs_f64(number as f64 / rate);
            tokio::time::sleep_until(due.into()).await;
        }
        let is_over = match self.load.until {
            Until::Jobs(jobs) => number >= jobs,
            Until::Time(_) => self.is_late(),
        };
        (!is_over).then_some(number)
    }

    fn is_late(&self) -> bool {
        matches!(self.load.until, Until::Time(end) if Instant::now() >= end)
    }
}

impl Times {
    /// Returns the percentiles of these times; all 0 if there are none.
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |percent: usize| {
            let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
            times
                .get(index)
                .map_or(0.0, |time| time.as_secs_f64() * 1000.0)
        };
        Self {
            p50: at(50),
            p99: at(99),
            max: at(100),
        }
    }
}

/// Runs jobs one after the other, waits for the end of each, and returns the response times.
///
/// # Errors
/// Returns an error if a job does not end within 10 seconds.
pub async fn one_by_one(
    address: SocketAddr,
    jobs: u32,
    progress: &ProgressBar,
) -> anyhow::Result<Times> {
    let mut connection = Connection::open(address).await?;
    let mut times = Vec::new();
    for number in 0..jobs {
        let body = format!("{{\"name\":\"idle {number}\"}}");
        let start = Instant::now();
        let response = connection.post(JOBS, JSON_AND_WAIT, &body).await?;
        anyhow::ensure!(
            response.status == 200,
            "a job on an idle system did not end within 10 s ({})",
            response.status
        );
        times.push(start.elapsed());
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(Times::of(times))
}

/// Repeats GET requests for `path` on `clients` connections. Returns responses per second.
///
/// # Errors
/// Returns an error if a response is not a 200.
pub async fn read(
    addresses: &[SocketAddr],
    clients: NonZeroU32,
    path: &str,
    time: Duration,
) -> anyhow::Result<f64> {
    let start = Instant::now();
    let mut readers = JoinSet::new();
    for address in addresses.iter().cycle().take(clients.get() as usize) {
        let mut connection = Connection::open(*address).await?;
        let path = path.to_owned();
        readers.spawn(async move {
            let mut responses = 0;
            while start.elapsed() < time {
                let response = connection.get(&path).await?;
                anyhow::ensure!(response.status == 200, "GET {path}: {}", response.status);
                responses += 1;
            }
            anyhow::Ok(responses)
        });
    }
    let mut responses: u64 = 0;
    while let Some(reader) = readers.join_next().await {
        responses += reader??;
    }
    Ok(per_second(responses, start.elapsed().as_secs_f64()))
}

/// Returns `count` per second.
#[expect(clippy::cast_precision_loss, reason = "a rate is not that exact")]
pub fn per_second(count: u64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        count as f64 / seconds
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sorted_times() {
        let times = Times::of((1..=100).rev().map(Duration::from_millis).collect());
        assert!((times.p50 - 51.0).abs() < 1e-9);
        assert!((times.p99 - 100.0).abs() < 1e-9);
        assert!((times.max - 100.0).abs() < 1e-9);
    }
}
