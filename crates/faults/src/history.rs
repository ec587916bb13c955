//! The history of a run: every request with its outcome, every injected fault, and what the run expects to fail.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use shared_model::job::{JobId, JobStatus};

/// One request and its outcome.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// When the request was sent.
    pub began: Instant,
    /// When the response arrived, or the client gave up.
    pub ended: Instant,
    /// The method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The `Idempotency-Key`, if the request had one.
    pub key: Option<String>,
    /// The outcome.
    pub outcome: Outcome,
}

impl Exchange {
    /// Returns whether the request was for a new job.
    pub fn requests_job(&self) -> bool {
        self.method == "POST" && self.path.ends_with("/todos/ical")
    }

    /// Returns the job that the API accepted, if it accepted one.
    pub fn accepted(&self) -> Option<JobId> {
        match &self.outcome {
            Outcome::Response {
                status: 200 | 202,
                job: Some(job),
                ..
            } if self.requests_job() => Some(job.id),
            _ => None,
        }
    }
}

/// The outcome of a request, as the client knows it.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// A complete response.
    Response {
        /// The status.
        status: u16,
        /// Whether it has a `Retry-After` header.
        retry_after: bool,
        /// The job that the body describes, if any.
        job: Option<SeenJob>,
    },
    /// No complete response, with the error of the client.
    NoResponse(String),
}

/// The state of a job in a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenJob {
    /// The job.
    pub id: JobId,
    /// Its status.
    pub status: JobStatus,
    /// Its version, if the response contains it.
    pub version: Option<i64>,
}

/// A fault that was injected. The times are those of the wall clock, which the database on this machine shares.
#[derive(Debug, Clone)]
pub struct InjectedFault {
    /// The kind, as the soak's table names it.
    pub kind: &'static str,
    /// When the fault began.
    pub began: SystemTime,
    /// When the fault was over.
    pub healed: SystemTime,
}

/// Everything that happened in a run, seen from outside the processes.
#[derive(Debug, Default)]
pub struct History {
    exchanges: Mutex<Vec<Exchange>>,
    /// How many of the exchanges accepted a job. A repeated request counts again.
    acceptances: AtomicUsize,
    faults: Mutex<Vec<InjectedFault>>,
    expected: Mutex<Expected>,
}

/// The failures that the run itself causes. The checks do not report them.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// Jobs that are made to fail.
    pub failures: HashSet<JobId>,
    /// Unreadable bodies that the run sends to the queue.
    pub unreadable: HashSet<String>,
}

impl History {
    /// Adds an exchange.
    pub fn record(&self, exchange: Exchange) {
        let accepts = usize::from(exchange.accepted().is_some());
        self.acceptances.fetch_add(accepts, Ordering::Relaxed);
        lock(&self.exchanges).push(exchange);
    }

    /// Adds a fault that lasted from `began` until now.
    pub fn record_fault(&self, kind: &'static str, began: SystemTime) {
        lock(&self.faults).push(InjectedFault {
            kind,
            began,
            healed: SystemTime::now(),
        });
    }

    /// Notes that a job is made to fail.
    pub fn expect_failure(&self, id: JobId) {
        lock(&self.expected).failures.insert(id);
    }

    /// Notes that an unreadable body is sent to the queue.
    pub fn expect_unreadable(&self, body: &str) {
        lock(&self.expected).unreadable.insert(body.to_owned());
    }

    /// Returns every exchange so far.
    pub fn exchanges(&self) -> Vec<Exchange> {
        lock(&self.exchanges).clone()
    }

    /// Returns how many requests have accepted a job so far. A repeated request counts again.
    pub fn acceptances(&self) -> usize {
        self.acceptances.load(Ordering::Relaxed)
    }

    /// Returns every injected fault so far.
    pub fn faults(&self) -> Vec<InjectedFault> {
        lock(&self.faults).clone()
    }

    /// Returns the failures that are expected so far.
    pub fn expected(&self) -> Expected {
        lock(&self.expected).clone()
    }

    /// Returns the jobs that were accepted so far.
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
