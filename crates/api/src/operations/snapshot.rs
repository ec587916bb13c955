//! A snapshot of the service, as operators receive it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared_model::activity::Tally;
use shared_model::processing::Processing;
use utoipa::ToSchema;

/// What the service does at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Snapshot {
    /// When the numbers were read from the database; null if it has not answered since the process began.
    pub at: Option<DateTime<Utc>>,
    /// The version of this API process.
    pub version: &'static str,
    /// The queue: `QUEUE_URL`.
    #[schema(example = "sqs://ical")]
    pub queue: String,
    /// Why the numbers are old: the database does not answer. Null if it does.
    pub error: Option<String>,
    /// Whether the workers process jobs.
    pub processing: ProcessingView,
    /// The jobs that wait, run, or have failed.
    pub jobs: JobsView,
    /// The jobs whose messages have not been sent.
    pub outbox: OutboxView,
    /// The messages in the queue.
    pub queue_depth: DepthView,
    /// What happened in the last minute. An estimate.
    pub last_minute: CountsView,
    /// What happened since the snapshot before this one. Zeros in the first.
    pub since_last: SinceLastView,
    /// The processes that run, or ended within the last hour.
    pub processes: Vec<ProcessView>,
    /// The events that have not been delivered.
    pub deliveries: DeliveriesView,
}

/// Whether the workers process jobs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[schema(as = Processing)]
pub struct ProcessingView {
    /// Whether they don't.
    pub paused: bool,
    /// Since when.
    pub paused_at: Option<DateTime<Utc>>,
    /// The name of the token with which an operator paused them.
    pub paused_by: Option<String>,
}

/// The jobs that wait, run, or have failed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[schema(as = JobCounts)]
pub struct JobsView {
    /// Jobs that wait for their first attempt.
    pub pending: i64,
    /// Running jobs.
    pub started: i64,
    /// Jobs that wait for another attempt.
    pub retry: i64,
    /// Failed jobs that have not expired.
    pub failed: i64,
    /// What stands for any greater number of jobs.
    pub count_limit: i64,
    /// The age of the oldest job that waits, in seconds.
    pub oldest_waiting_seconds: f64,
}

/// The jobs whose messages have not been sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[schema(as = Outbox)]
pub struct OutboxView {
    /// How many there are.
    pub jobs: i64,
    /// The age of the oldest, in seconds.
    pub oldest_age_seconds: f64,
    /// What stands for any greater number of jobs.
    pub count_limit: i64,
}

/// The messages in the queue. With `postgres:`, the jobs. Null where the queue has no such number.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[schema(as = QueueDepth)]
pub struct DepthView {
    /// Messages that a worker can receive now.
    pub visible: Option<u64>,
    /// Messages that a worker has received and not settled.
    pub in_flight: Option<u64>,
    /// Messages that nobody can receive yet.
    pub delayed: Option<u64>,
    /// Messages in the dead-letter queue.
    pub dead_letters: Option<u64>,
    /// Why a number is missing, if it can't be read.
    pub error: Option<String>,
}

/// How many jobs went through each step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = StepCounts)]
pub struct CountsView {
    /// Accepted jobs.
    pub accepted: u64,
    /// Messages that were sent to the queue.
    pub published: u64,
    /// Attempts that began.
    pub started: u64,
    /// Jobs that ended with a calendar.
    pub succeeded: u64,
    /// Jobs that failed.
    pub failed: u64,
    /// Attempts that failed and will be repeated.
    pub retried: u64,
    /// Jobs that were cancelled.
    pub revoked: u64,
}

/// What happened since the last snapshot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = SinceLast)]
pub struct SinceLastView {
    /// The jobs.
    #[serde(flatten)]
    pub counts: CountsView,
    /// Messages that came into the dead-letter queue.
    pub dead_letters: u64,
}

/// A process of the service.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = Process)]
pub struct ProcessView {
    /// The id by which it can be drained.
    pub id: i32,
    /// `api` or `worker`.
    #[schema(example = "worker")]
    pub role: &'static str,
    /// The name of its host.
    pub host: String,
    /// Its process id there.
    pub pid: i32,
    /// Its version.
    pub version: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it last reported that it lives.
    pub heartbeat_at: DateTime<Utc>,
    /// `running`, `draining`, `stopped`, or `gone` if it has not reported for 30 seconds.
    #[schema(example = "running")]
    pub state: &'static str,
    /// How many jobs a worker runs at the same time, at most.
    pub slots: Option<i32>,
    /// How many jobs it ran at its last heartbeat.
    pub in_flight: Option<i32>,
}

/// The events that have not been delivered. 10,000 stands for any greater number.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
#[schema(as = DeliveryCounts)]
pub struct DeliveriesView {
    /// Events that will be sent, or sent again.
    pub waiting: i64,
    /// Events that were given up.
    pub given_up: i64,
}

impl From<Processing> for ProcessingView {
    fn from(processing: Processing) -> Self {
        Self {
            paused: processing.is_paused(),
            paused_at: processing.paused_at,
            paused_by: processing.paused_by,
        }
    }
}

impl From<&Tally> for CountsView {
    fn from(tally: &Tally) -> Self {
        Self {
            accepted: tally.accepted,
            published: tally.published,
            started: tally.started,
            succeeded: tally.succeeded,
            failed: tally.failed,
            retried: tally.retried,
            revoked: tally.revoked,
        }
    }
}

impl Snapshot {
    /// Returns whether a snapshot shows anything else than `self`, apart from the time at which it was made.
    pub fn differs_from(&self, other: &Self) -> bool {
        Self {
            at: other.at,
            ..self.clone()
        } != *other
    }
}
