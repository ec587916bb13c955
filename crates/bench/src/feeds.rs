//! The command `feeds`: many programs poll feeds whose calendars do not change.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::http::{Connection, NOT_MODIFIED};
use crate::load::Times;
use crate::measure::{Counted, Meter};
use crate::options::FeedsOptions;
use crate::system::System;

const FEEDS: &str = "/api/v1/calendar/feeds";
/// The first part of each calendar's path.
const CALENDAR: &str = "/calendar/";
/// How long the first calendar of a feed may take.
const PATIENCE: Duration = Duration::from_mins(5);

/// What a run measured.
#[derive(Debug, Serialize)]
pub struct Results {
    /// How the run was started.
    pub options: FeedsOptions,
    /// Before the programs polled.
    pub idle: Phase,
    /// While they polled.
    pub polled: Phase,
    /// How many polls there were. Each was answered with 304.
    pub polls: u64,
    /// Their response times, without the time to connect.
    pub response: Times,
}

/// What was counted in some time.
#[derive(Debug, Serialize)]
pub struct Phase {
    /// The time.
    pub seconds: f64,
    /// The counts.
    pub counted: Counted,
}

impl Phase {
    /// Returns a count for each second.
    pub fn per_second(&self, value: impl Fn(&Counted) -> f64) -> f64 {
        value(&self.counted) / self.seconds
    }
}

/// A calendar that a program has downloaded.
#[derive(Debug, Clone)]
struct Download {
    path: String,
    etag: String,
}

/// Measures an idle system, and then the same system while programs poll.
///
/// # Errors
/// Returns an error if a process does not start, if a calendar is not rendered, or if a poll is answered with anything but
/// a 304.
pub async fn run(executable: &Path, options: &FeedsOptions) -> anyhow::Result<Results> {
    let mut system = System::start(executable, &options.system).await?;
    system.start_workers().await?;
    let addresses = system.addresses();
    let address = *addresses.first().context("no API")?;
    let mut downloads = Vec::new();
    for _ in 0..options.feeds.get() {
        downloads.push(download(address, create(address).await?).await?);
    }
    let mut meter = Meter::new(&system, options.system.settle)?;
    meter.settle().await;
    let (idle, ()) = measure(&mut meter, &system, async {
        tokio::time::sleep(options.time).await;
        Ok(())
    })
    .await?;
    let (polled, times) =
        measure(&mut meter, &system, poll(options, &addresses, &downloads)).await?;
    system.stop_processes().await?;
    Ok(Results {
        options: options.clone(),
        idle,
        polled,
        polls: times.len() as u64,
        response: Times::of(times),
    })
}

async fn measure<T>(
    meter: &mut Meter,
    system: &System,
    phase: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<(Phase, T)> {
    let start = meter.start(system).await?;
    let begun = Instant::now();
    let value = phase.await?;
    let seconds = begun.elapsed().as_secs_f64();
    let counted = meter.end(system, &start).await?;
    Ok((Phase { seconds, counted }, value))
}

/// Creates a feed and returns the path of its calendar.
async fn create(address: SocketAddr) -> anyhow::Result<String> {
    let mut connection = Connection::open(address).await?;
    let response = connection.post(FEEDS, "", "").await?;
    let body = String::from_utf8_lossy(response.body).into_owned();
    anyhow::ensure!(response.status == 201, "no feed was created: {body}");
    let feed: Value = serde_json::from_str(&body)?;
    let url = feed.get("url").and_then(Value::as_str);
    let (_, token) = url
        .and_then(|url| url.split_once(CALENDAR))
        .context("the feed has no address")?;
    Ok(format!("{CALENDAR}{token}"))
}

/// Waits for the first calendar of a feed.
async fn download(address: SocketAddr, path: String) -> anyhow::Result<Download> {
    let start = Instant::now();
    loop {
        let mut connection = Connection::open(address).await?;
        let response = connection
            .get_with(&path, "accept-encoding: gzip\r\n")
            .await?;
        if response.status == 200 {
            let etag = response
                .header("etag")
                .context("the calendar has no ETag")?;
            let etag = etag.to_owned();
            return Ok(Download { path, etag });
        }
        anyhow::ensure!(
            response.status == 503 && start.elapsed() < PATIENCE,
            "the first calendar was not rendered ({})",
            response.status
        );
    }
}

/// Lets all programs poll, and returns the response times.
async fn poll(
    options: &FeedsOptions,
    addresses: &[SocketAddr],
    downloads: &[Download],
) -> anyhow::Result<Vec<Duration>> {
    let mut programs = JoinSet::new();
    let feeds = addresses.iter().cycle().zip(downloads.iter().cycle());
    let count = options.subscribers.get();
    let begin = Instant::now();
    for (number, (address, download)) in (0..count).zip(feeds) {
        let program = Program {
            address: *address,
            download: download.clone(),
            interval: options.interval,
        };
        let first = begin + options.interval * number / count;
        programs.spawn(program.run(first, begin + options.time));
    }
    let mut times = Vec::new();
    while let Some(program) = programs.join_next().await {
        times.append(&mut program??);
    }
    Ok(times)
}

/// A program that polls.
struct Program {
    address: SocketAddr,
    download: Download,
    interval: Duration,
}

impl Program {
    /// Polls from `due` until `end`, and returns the response times.
    async fn run(self, mut due: Instant, end: Instant) -> anyhow::Result<Vec<Duration>> {
        let headers = format!(
            "accept-encoding: gzip\r\nif-none-match: {}\r\n",
            self.download.etag
        );
        let mut times = Vec::new();
        while due < end {
            tokio::time::sleep_until(due.into()).await;
            let mut connection = Connection::open(self.address).await?;
            let begun = Instant::now();
            let response = connection.get_with(&self.download.path, &headers).await?;
            anyhow::ensure!(
                response.status == NOT_MODIFIED,
                "a poll was answered with {}",
                response.status
            );
            times.push(begun.elapsed());
            due += self.interval;
        }
        Ok(times)
    }
}
