//! What the clients asked and what they were told.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use shared_model::job::{JobId, JobStatus};

/// One request and its answer.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// When it was sent.
    pub began: Instant,
    /// When it was answered or given up.
    pub ended: Instant,
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub path: String,
    /// Its `Idempotency-Key`.
    pub key: Option<String>,
    /// What came of it.
    pub told: Told,
}

impl Exchange {
    /// Whether it asked for a new job.
    pub fn asks_for_a_job(&self) -> bool {
        self.method == "POST"
            && self
                .path
                .split('?')
                .next()
                .is_some_and(|path| path.ends_with("/todos/ical"))
    }

    /// The job that it was promised.
    pub fn accepted(&self) -> Option<JobId> {
        match &self.told {
            Told::Answer {
                status: 200 | 202,
                job: Some(job),
                ..
            } if self.asks_for_a_job() => Some(job.id),
            _ => None,
        }
    }
}

/// What a client was told.
#[derive(Debug, Clone)]
pub enum Told {
    /// An answer.
    Answer {
        /// Its status.
        status: u16,
        /// Whether it says when to try again.
        retry_after: bool,
        /// The job that it speaks of.
        job: Option<Seen>,
    },
    /// None; why is the client's guess.
    Nothing(String),
}

/// A job as a client saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Which one.
    pub id: JobId,
    /// Where it stood.
    pub status: JobStatus,
    /// Its version, where the answer names it.
    pub version: Option<i64>,
}

/// A fault that was injected, by the wall clock, which the database on this machine shares.
#[derive(Debug, Clone)]
pub struct Injected {
    /// Its kind, as the table names it.
    pub kind: &'static str,
    /// When it began.
    pub began: SystemTime,
    /// When it was over.
    pub healed: SystemTime,
}

/// Everything that happened in a run, as the outside knows it.
#[derive(Debug, Default)]
pub struct History {
    exchanges: Mutex<Vec<Exchange>>,
    faults: Mutex<Vec<Injected>>,
    expected: Mutex<Expected>,
}

/// What the run itself provoked and therefore does not count as broken.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// Jobs that were made to fail.
    pub failures: HashSet<JobId>,
    /// Bodies that were put into the queue and can't be read.
    pub unreadable: HashSet<String>,
}

impl History {
    /// Adds an exchange.
    pub fn record(&self, exchange: Exchange) {
        lock(&self.exchanges).push(exchange);
    }

    /// Adds a fault that lasted from `began` until now.
    pub fn injected(&self, kind: &'static str, began: SystemTime) {
        lock(&self.faults).push(Injected {
            kind,
            began,
            healed: SystemTime::now(),
        });
    }

    /// Notes a job that is made to fail.
    pub fn expect_failure(&self, id: JobId) {
        lock(&self.expected).failures.insert(id);
    }

    /// Notes a body that is put into the queue and can't be read.
    pub fn expect_unreadable(&self, body: &str) {
        lock(&self.expected).unreadable.insert(body.to_owned());
    }

    /// Every exchange so far.
    pub fn exchanges(&self) -> Vec<Exchange> {
        lock(&self.exchanges).clone()
    }

    /// Every fault so far.
    pub fn faults(&self) -> Vec<Injected> {
        lock(&self.faults).clone()
    }

    /// What was provoked so far.
    pub fn expected(&self) -> Expected {
        lock(&self.expected).clone()
    }

    /// The jobs that were promised, each once.
    pub fn accepted(&self) -> HashSet<JobId> {
        lock(&self.exchanges)
            .iter()
            .filter_map(Exchange::accepted)
            .collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
