//! The command `overload`: one client stays within its limit while another sends many times as many requests as it may.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::http::Connection;
use crate::load::{JOBS, JSON, Times, per_second};
use crate::options::{OverloadOptions, Setting};
use crate::system::System;

/// The limited clients, which the API believes to be behind a proxy: those of the own machine are not limited.
const POLITE: &str = "x-forwarded-for: 192.0.2.1\r\n";
const GREEDY: &str = "x-forwarded-for: 192.0.2.2\r\n";
/// What the polite client sends, as a part of its limit.
const POLITE_SHARE: f64 = 0.8;
const ACCEPTED: u16 = 202;
const TOO_MANY_REQUESTS: u16 = 429;

/// What a run measured.
#[derive(Debug, Serialize)]
pub struct Results {
    /// How the run was started.
    pub options: OverloadOptions,
    /// The polite client, while nobody else sends.
    pub alone: Answered,
    /// The polite client, while the greedy one sends.
    pub polite: Answered,
    /// The greedy client.
    pub greedy: Answered,
}

/// How the requests of one client were answered.
#[derive(Debug, Serialize)]
pub struct Answered {
    /// Accepted jobs per second.
    pub accepted: f64,
    /// Requests per second that the limit refused.
    pub refused: f64,
    /// The response times of accepted jobs in milliseconds, counted from when the request was due.
    pub response: Times,
}

/// Measures the polite client alone, and then with the greedy one.
///
/// # Errors
/// Returns an error if a process does not start, or if a request is answered with anything but a 202 or a 429.
pub async fn run(executable: &Path, options: &OverloadOptions) -> anyhow::Result<Results> {
    let mut limited = options.system.clone();
    let limit = options.limit.to_string();
    limited.api.extend([
        Setting("AUTH".to_owned(), "off".to_owned()),
        Setting("TRUST_PROXY".to_owned(), "true".to_owned()),
        Setting("REQUESTS_PER_SECOND".to_owned(), limit),
    ]);
    let mut system = System::start(executable, &limited).await?;
    system.start_workers().await?;
    let address = *system.addresses().first().context("no API")?;
    let limit = f64::from(options.limit.get());
    let client = |headers, rate| Client {
        address,
        connections: options.system.clients.get(),
        headers,
        rate,
        time: options.time,
    };
    let polite = client(POLITE, limit * POLITE_SHARE);
    let greedy = client(GREEDY, limit * f64::from(options.times.get()));
    let alone = polite.send().await?;
    let (polite, greedy) = tokio::try_join!(polite.send(), greedy.send())?;
    system.stop_processes().await?;
    Ok(Results {
        options: options.clone(),
        alone,
        polite,
        greedy,
    })
}

/// Posts jobs at a constant rate, on several connections.
#[derive(Debug, Clone, Copy)]
struct Client {
    address: SocketAddr,
    connections: u32,
    headers: &'static str,
    /// Requests per second.
    rate: f64,
    time: Duration,
}

impl Client {
    async fn send(self) -> anyhow::Result<Answered> {
        let sent = Arc::new(AtomicU64::new(0));
        let begin = Instant::now();
        let mut connections = JoinSet::new();
        for _ in 0..self.connections {
            let connection = Connection::open(self.address).await?;
            connections.spawn(self.post(connection, Arc::clone(&sent), begin));
        }
        let (mut times, mut refused) = (Vec::new(), 0);
        while let Some(ended) = connections.join_next().await {
            let (mut accepted, more) = ended??;
            times.append(&mut accepted);
            refused += more;
        }
        let seconds = begin.elapsed().as_secs_f64();
        Ok(Answered {
            accepted: per_second(times.len() as u64, seconds),
            refused: per_second(refused, seconds),
            response: Times::of(times),
        })
    }

    /// Takes one request after the other, until the time is over. Returns the response times of the accepted ones, and how
    /// many were refused.
    async fn post(
        self,
        mut connection: Connection,
        sent: Arc<AtomicU64>,
        begin: Instant,
    ) -> anyhow::Result<(Vec<Duration>, u64)> {
        let headers = format!("{}{JSON}", self.headers);
        let (mut times, mut refused) = (Vec::new(), 0);
        loop {
            let number = sent.fetch_add(1, Ordering::Relaxed);
            #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 requests")]
            let wait = Duration::from_secs_f64(number as f64 / self.rate);
            if wait >= self.time {
                return Ok((times, refused));
            }
            let due = begin + wait;
            tokio::time::sleep_until(due.into()).await;
            let response = connection.post(JOBS, &headers, "{}").await?;
            match response.status {
                ACCEPTED => times.push(due.elapsed()),
                TOO_MANY_REQUESTS => refused += 1,
                other => anyhow::bail!("POST {JOBS} was answered with {other}"),
            }
        }
    }
}
