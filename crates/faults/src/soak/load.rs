//! The clients of a soak: they request calendars, repeat requests without a response, read the status and cancel.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use futures_util::StreamExt;
use futures_util::stream::{self, FuturesUnordered};
use serde_json::{Value, json};
use shared_model::job::{JobId, JobStatus};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::Fleet;
use crate::client::{Client, Response, accepted_job};
use crate::poison::Poison;
use crate::system::System;

/// The number of clients: enough to keep the service busy.
const CLIENTS: u64 = 32;
/// While this many jobs are open, no client requests more. This way, faults hit jobs in every state until the end of
/// the run.
const MAX_OPEN_JOBS: i64 = 500;
/// How often the open jobs are counted.
const COUNT_INTERVAL: Duration = Duration::from_millis(20);
/// How long a client waits before it repeats a request.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// How often a client polls a job that it follows.
const POLL_INTERVAL: Duration = Duration::from_millis(150);
/// One job in this many is followed to its end over HTTP.
const FOLLOW_ONE_IN: usize = 10;
/// One job in this many is cancelled after a random delay.
const CANCEL_ONE_IN: usize = 40;
/// One job in this many is poison, unless that makes more than [`MAX_POISON`].
const POISON_ONE_IN: usize = 400;
/// Poison kills its worker up to five times, so more of it would only make a long run longer.
const MAX_POISON: usize = 50;
/// One job in this many is read again at the end.
const READ_ONE_IN: usize = 20;
/// How many jobs are read again at the same time.
const READS_AT_A_TIME: usize = 8;

/// The kinds of poison in a soak, and how many days ago their todos were due. That is long before any other deadline,
/// so only jobs whose window reaches back that far contain them.
const POISONS: [(Poison, u32); 4] = [
    (Poison::Panic, 1040),
    (Poison::Abort, 1030),
    (Poison::Memory, 1020),
    (Poison::Loop, 1010),
];

pub(super) async fn store_todos(system: &System) -> anyhow::Result<()> {
    system.database.add_todos(200).await?;
    for (poison, days_ago) in POISONS {
        system.database.poison(poison, days_ago).await?;
    }
    Ok(())
}

/// Requests calendars until `jobs` are accepted.
pub(super) async fn run(
    system: &System,
    fleet: &Arc<Fleet>,
    jobs: usize,
    seed: u64,
) -> anyhow::Result<()> {
    let requested = Arc::new(AtomicUsize::new(0));
    let (open, _counting) = count_open_jobs(system.clone());
    let mut clients = FuturesUnordered::new();
    for (number, random) in (0..CLIENTS).zip(generators(seed)) {
        let user = User {
            system: system.clone(),
            fleet: Arc::clone(fleet),
            random,
            number,
            poison_one_in: POISON_ONE_IN.max(jobs / MAX_POISON),
            open: open.clone(),
        };
        clients.push(tokio::spawn(user.run(Arc::clone(&requested), jobs)));
    }
    while let Some(ended) = clients.next().await {
        ended??;
    }
    Ok(())
}

/// Returns a generator for each client. Those of two seeds have nothing in common.
fn generators(seed: u64) -> impl Iterator<Item = fastrand::Rng> {
    let mut random = fastrand::Rng::with_seed(seed);
    std::iter::repeat_with(move || random.fork())
}

/// Counts the open jobs again and again, until the handle is dropped.
fn count_open_jobs(system: System) -> (watch::Receiver<i64>, AbortOnDropHandle<()>) {
    let (sender, open) = watch::channel(0);
    let counting = tokio::spawn(async move {
        loop {
            // While the database does not answer, no client requests more.
            let count = system.database.open_jobs().await;
            sender.send_replace(count.unwrap_or(MAX_OPEN_JOBS));
            tokio::time::sleep(COUNT_INTERVAL).await;
        }
    });
    (open, AbortOnDropHandle::new(counting))
}

/// Reads some jobs again, because a state that a client has seen must not go back (G4).
pub(super) async fn read_again(system: &System, fleet: &Fleet) -> anyhow::Result<()> {
    let api = fleet.apis.first().context("there is no API")?;
    let client = api.client(system).await?;
    let jobs = system.history.accepted().into_iter().step_by(READ_ONE_IN);
    let reads = stream::iter(jobs).map(|id| {
        let client = &client;
        async move {
            client.status(id).await?;
            client.result(id).await
        }
    });
    let mut reads = reads.buffer_unordered(READS_AT_A_TIME);
    while let Some(read) = reads.next().await {
        read?;
    }
    Ok(())
}

struct User {
    system: System,
    fleet: Arc<Fleet>,
    random: fastrand::Rng,
    number: u64,
    poison_one_in: usize,
    open: watch::Receiver<i64>,
}

impl User {
    async fn run(mut self, requested: Arc<AtomicUsize>, jobs: usize) -> anyhow::Result<()> {
        let mut following = FuturesUnordered::new();
        loop {
            let turn = requested.fetch_add(1, Ordering::Relaxed);
            if turn >= jobs {
                break;
            }
            self.open.wait_for(|open| *open < MAX_OPEN_JOBS).await?;
            let is_poison = self.random.usize(..self.poison_one_in) == 0;
            let options = if is_poison {
                self.poison()
            } else {
                self.harmless()
            };
            // Without a key, a repeated request may create a second job.
            let key = self
                .random
                .bool()
                .then(|| format!("soak-{}-{turn}", self.number));
            let id = self.submit(&options, key.as_deref()).await?;
            if is_poison {
                self.system.history.expect_failure(id);
            } else if self.random.usize(..CANCEL_ONE_IN) == 0 {
                let client = self.client().await?;
                let delay = Duration::from_millis(self.random.u64(..60));
                following.push(tokio::spawn(cancel(client, id, delay)));
            }
            if self.random.usize(..FOLLOW_ONE_IN) == 0 {
                let user = self.clone_for_following();
                following.push(tokio::spawn(user.follow(id)));
            }
        }
        while let Some(ended) = following.next().await {
            ended??;
        }
        Ok(())
    }

    fn clone_for_following(&mut self) -> Self {
        Self {
            system: self.system.clone(),
            fleet: Arc::clone(&self.fleet),
            random: self.random.fork(),
            number: self.number,
            poison_one_in: self.poison_one_in,
            open: self.open.clone(),
        }
    }

    /// Returns a client of a random API, as a load balancer would.
    async fn client(&mut self) -> anyhow::Result<Client> {
        let api = self.random.usize(..self.fleet.apis.len());
        let api = self.fleet.apis.get(api).context("there is no API")?;
        loop {
            // A process that ends before it listens is restarted.
            if let Ok(client) = api.client(&self.system).await {
                return Ok(client);
            }
        }
    }

    /// Repeats a request until a job is accepted.
    async fn submit(&mut self, options: &Value, key: Option<&str>) -> anyhow::Result<JobId> {
        loop {
            let client = self.client().await?;
            let response = match key {
                Some(key) => client.submit_with_key(key, options).await,
                None => client.try_submit(options).await,
            };
            match response {
                // The API is not available, or could not read the request in time.
                Ok(response) if matches!(response.status, 408 | 503) => {}
                Ok(response) => return accepted_job(&response),
                Err(_) => {}
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }

    /// Polls a job until it has ended.
    async fn follow(mut self, id: JobId) -> anyhow::Result<()> {
        loop {
            let client = self.client().await?;
            if let Ok(response) = client.status(id).await
                && is_terminal(&response)
            {
                return Ok(());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    fn harmless(&mut self) -> Value {
        let component = self.random.choice(["event", "todo", "both"]);
        match self.random.u8(..4) {
            0 => json!({ "completed": true }),
            1 => json!({ "completed": true, "component": component }),
            2 => json!({ "completed": true, "component": component, "alarm": "-PT15M" }),
            _ => json!({ "completed": true, "window": 30, "name": "Things to do" }),
        }
    }

    fn poison(&mut self) -> Value {
        let days_ago = self.random.choice(POISONS).map_or(0, |(_, days)| days);
        // The window ends a few days after this poison's deadline and before the next one's.
        json!({ "completed": false, "window": 5 - i64::from(days_ago) })
    }
}

async fn cancel(client: Client, id: JobId, delay: Duration) -> anyhow::Result<()> {
    tokio::time::sleep(delay).await;
    // Without a response the job may be cancelled or not.
    let _ = client.cancel(id).await;
    Ok(())
}

fn is_terminal(response: &Response) -> bool {
    let body = response.json();
    let status = body.get("task_status").and_then(Value::as_str);
    status
        .and_then(|status| status.parse::<JobStatus>().ok())
        .is_some_and(JobStatus::is_terminal)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_clients_of_two_seeds_make_different_choices() {
        let choices = |seed| {
            let clients = (0..CLIENTS).zip(generators(seed));
            clients.map(|(_, mut random)| random.u64(..))
        };
        let different: HashSet<u64> = (0..64).flat_map(choices).collect();
        assert_eq!(different.len() as u64, 64 * CLIENTS);
    }
}
