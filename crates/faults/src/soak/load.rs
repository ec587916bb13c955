//! The clients of a soak: they ask, ask again when they get no answer, look, cancel.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use shared_model::job::{JobId, JobStatus};

use super::Fleet;
use crate::client::{Answer, Client, promised};
use crate::poison::Poison;
use crate::system::System;

/// Clients at once.
const CLIENTS: u64 = 6;
/// No client asks for more while so many jobs wait, so that faults meet jobs in every state to the end.
const MOST_OPEN: i64 = 150;
/// How long a client waits after no answer or a 503.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// How often a client who follows a job looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(150);
/// One of so many jobs is followed to its end over HTTP.
const FOLLOWED: usize = 10;
/// One of so many jobs is cancelled, sooner or later.
const CANCELLED: usize = 40;
/// One of so many jobs is poison.
const POISONED: usize = 400;
/// One of so many is looked at again in the end.
const LOOKED_AT: usize = 20;

/// The kinds of poison in a soak, and how many days ago their todos were due: long before any other, so that only jobs
/// that ask for those see them.
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

/// Asks until so many jobs are promised.
pub(super) async fn run(
    system: &System,
    fleet: &Arc<Fleet>,
    jobs: usize,
    seed: u64,
) -> anyhow::Result<()> {
    let asked = Arc::new(AtomicUsize::new(0));
    let mut clients = FuturesUnordered::new();
    for number in 0..CLIENTS {
        let user = User {
            system: system.clone(),
            fleet: Arc::clone(fleet),
            random: fastrand::Rng::with_seed(seed ^ (number + 1)),
            number,
        };
        clients.push(tokio::spawn(user.run(Arc::clone(&asked), jobs)));
    }
    while let Some(ended) = clients.next().await {
        ended??;
    }
    Ok(())
}

/// Looks at some of the jobs once more: what a client was told must still be so.
pub(super) async fn look_at_the_end(system: &System, fleet: &Fleet) -> anyhow::Result<()> {
    let api = fleet.apis.first().context("there is no API")?;
    let client = api.client(system).await?;
    for id in system.history.accepted().into_iter().step_by(LOOKED_AT) {
        client.status(id).await?;
        client.result(id).await?;
    }
    Ok(())
}

struct User {
    system: System,
    fleet: Arc<Fleet>,
    random: fastrand::Rng,
    number: u64,
}

impl User {
    async fn run(mut self, asked: Arc<AtomicUsize>, jobs: usize) -> anyhow::Result<()> {
        let mut following = FuturesUnordered::new();
        loop {
            let turn = asked.fetch_add(1, Ordering::Relaxed);
            if turn >= jobs {
                break;
            }
            while self.system.database.open_jobs().await.unwrap_or(MOST_OPEN) >= MOST_OPEN {
                tokio::time::sleep(AGAIN_AFTER).await;
            }
            let is_poison = self.random.usize(..POISONED) == 0;
            let wanted = if is_poison {
                self.poison()
            } else {
                self.harmless()
            };
            // a client without a key can't know whether its first try was heard
            let key = self
                .random
                .bool()
                .then(|| format!("soak-{}-{turn}", self.number));
            let id = self.ask(&wanted, key.as_deref()).await?;
            if is_poison {
                self.system.history.expect_failure(id);
            } else if self.random.usize(..CANCELLED) == 0 {
                let client = self.client().await?;
                let delay = Duration::from_millis(self.random.u64(..60));
                following.push(tokio::spawn(cancel(client, id, delay)));
            }
            if self.random.usize(..FOLLOWED) == 0 {
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
        }
    }

    /// Any API, as behind a load balancer.
    async fn client(&mut self) -> anyhow::Result<Client> {
        let api = self.random.usize(..self.fleet.apis.len());
        let api = self.fleet.apis.get(api).context("there is no API")?;
        loop {
            // one that dies before it listens is started again
            if let Ok(client) = api.client(&self.system).await {
                return Ok(client);
            }
        }
    }

    /// Asks until a job is promised.
    async fn ask(&mut self, wanted: &Value, key: Option<&str>) -> anyhow::Result<JobId> {
        loop {
            let client = self.client().await?;
            let answer = match key {
                Some(key) => client.ask_once(key, wanted).await,
                None => client.ask_for_any(wanted).await,
            };
            match answer {
                // away, or too busy to read the request in time
                Ok(answer) if matches!(answer.status, 408 | 503) => {}
                Ok(answer) => return promised(&answer),
                Err(_) => {}
            }
            tokio::time::sleep(AGAIN_AFTER).await;
        }
    }

    /// Looks until the job has ended.
    async fn follow(mut self, id: JobId) -> anyhow::Result<()> {
        loop {
            let client = self.client().await?;
            if let Ok(answer) = client.status(id).await
                && is_terminal(&answer)
            {
                return Ok(());
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    fn harmless(&mut self) -> Value {
        let component = self.random.choice(["event", "todo", "both"]);
        match self.random.u8(..4) {
            0 => json!({ "completed": true }),
            1 => json!({ "completed": true, "component": component }),
            2 => json!({ "completed": true, "component": component, "alarm": "-PT15M" }),
            _ => json!({ "completed": true, "window": 30, "name": "what is to be done" }),
        }
    }

    fn poison(&mut self) -> Value {
        let days_ago = self.random.choice(POISONS).map_or(0, |(_, days)| days);
        // up to a few days after that one, and before the next
        json!({ "completed": false, "window": 5 - i64::from(days_ago) })
    }
}

async fn cancel(client: Client, id: JobId, delay: Duration) -> anyhow::Result<()> {
    tokio::time::sleep(delay).await;
    // no answer is fine: it was cancelled or not
    let _ = client.cancel(id).await;
    Ok(())
}

fn is_terminal(answer: &Answer) -> bool {
    let body = answer.json();
    let status = body.get("task_status").and_then(Value::as_str);
    status
        .and_then(|status| status.parse::<JobStatus>().ok())
        .is_some_and(JobStatus::is_terminal)
}
