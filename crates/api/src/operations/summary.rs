//! Makes snapshots from what was read.

use job_queue::{QueueDepth, QueueError};
use shared_model::job_store::outbox::COUNTED;
use shared_model::processes::Process;

use super::rates::{self, Seen};
use super::snapshot::{
    CountsView, DeliveriesView, DepthView, JobsView, OutboxView, ProcessView, ProcessingView,
    SinceLastView, Snapshot,
};
use crate::store::operations::{COUNTED_JOBS, Reading};

/// What was learnt from the queue, if it is not the table of jobs.
pub(super) type Counted = Result<QueueDepth, QueueError>;

/// The latest snapshot, and what the next one is compared with.
#[derive(Debug)]
pub(super) struct Summary {
    snapshot: Snapshot,
    seen: Seen,
    /// The last known number of dead letters.
    dead_letters: Option<u64>,
}

impl Summary {
    /// Returns the summary of a service of which nothing is known but its queue.
    pub(super) fn new(queue: String) -> Self {
        Self {
            snapshot: Snapshot {
                at: None,
                version: env!("CARGO_PKG_VERSION"),
                queue,
                error: None,
                processing: ProcessingView::default(),
                jobs: JobsView {
                    count_limit: COUNTED_JOBS,
                    ..JobsView::default()
                },
                outbox: OutboxView {
                    count_limit: COUNTED,
                    ..OutboxView::default()
                },
                queue_depth: DepthView::default(),
                last_minute: CountsView::default(),
                since_last: SinceLastView::default(),
                processes: Vec::new(),
                deliveries: DeliveriesView::default(),
            },
            seen: Seen::default(),
            dead_letters: None,
        }
    }

    /// Forgets what the next snapshot would be compared with, because nobody has seen it.
    pub(super) fn forget(&mut self) {
        self.seen = Seen::default();
        self.dead_letters = None;
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Takes what the database contains, and what was learnt from the queue if it was asked.
    pub(super) fn update(&mut self, reading: Reading, counted: Option<Counted>) {
        let snapshot = &mut self.snapshot;
        snapshot.since_last = SinceLastView {
            counts: self.seen.update(&reading.points),
            dead_letters: 0,
        };
        snapshot.error = None;
        snapshot.last_minute = rates::last_minute(&reading.points, reading.at);
        snapshot.at = Some(reading.at);
        snapshot.processing = reading.processing.into();
        snapshot.jobs = JobsView {
            pending: reading.jobs.pending,
            started: reading.jobs.started,
            retry: reading.jobs.retry,
            failed: reading.jobs.failed,
            count_limit: COUNTED_JOBS,
            oldest_waiting_seconds: rounded(reading.jobs.oldest_waiting_seconds),
        };
        snapshot.outbox = OutboxView {
            jobs: reading.outbox.jobs,
            oldest_age_seconds: rounded(reading.outbox.oldest_age_seconds),
            count_limit: COUNTED,
        };
        snapshot.processes = reading.processes.into_iter().map(process).collect();
        snapshot.deliveries = DeliveriesView {
            waiting: reading.deliveries.waiting,
            given_up: reading.deliveries.given_up,
        };
        self.count_messages(counted);
    }

    /// Keeps the last numbers of the database, because it does not answer.
    pub(super) fn keep(&mut self, counted: Option<Counted>) {
        self.snapshot.error = Some(
            "the database does not answer; the numbers are those of the last time that it did"
                .to_owned(),
        );
        self.snapshot.since_last = SinceLastView::default();
        self.count_messages(counted);
    }

    /// Shows the jobs of the table as the messages of the queue, because it is one.
    pub(super) fn count_jobs_as_messages(&mut self) {
        let jobs = &self.snapshot.jobs;
        let count = |jobs: i64| Some(u64::try_from(jobs).unwrap_or_default());
        self.snapshot.queue_depth = DepthView {
            visible: count(jobs.pending),
            in_flight: count(jobs.started),
            delayed: count(jobs.retry),
            dead_letters: None,
            error: None,
        };
    }

    fn count_messages(&mut self, counted: Option<Counted>) {
        let Some(counted) = counted else { return };
        self.snapshot.queue_depth = depth(counted);
        if let Some(now) = self.snapshot.queue_depth.dead_letters {
            let before = self.dead_letters.replace(now).unwrap_or(now);
            self.snapshot.since_last.dead_letters = now.saturating_sub(before);
        }
    }
}

fn depth(counted: Counted) -> DepthView {
    match counted {
        Ok(depth) => {
            let (dead_letters, error) = match depth.dead_letters {
                Ok(count) => (count, None),
                Err(error) => (
                    None,
                    Some(format!("dead letters can't be counted: {error}")),
                ),
            };
            DepthView {
                visible: Some(depth.visible),
                in_flight: depth.in_flight,
                delayed: Some(depth.delayed),
                dead_letters,
                error,
            }
        }
        Err(error) => DepthView {
            error: Some(error.to_string()),
            ..DepthView::default()
        },
    }
}

fn process(process: Process) -> ProcessView {
    ProcessView {
        id: process.id,
        role: process.role.name(),
        host: process.host,
        pid: process.pid,
        version: process.version,
        started_at: process.started_at,
        heartbeat_at: process.heartbeat_at,
        state: process.state.name(),
        slots: process.slots,
        in_flight: process.in_flight,
    }
}

/// Rounds to tenths of a second.
fn rounded(seconds: f64) -> f64 {
    (seconds.max(0.0) * 10.0).round() / 10.0
}
