//! The sweeper handles lost messages, overdue jobs, and rows that have expired or are old. Every API process runs one; a database lock lets only
//! one of them work at a time.

use std::time::Duration;

use diesel::PgConnection;
use shared_model::activity::{self, Activity};
use shared_model::database::{DatabaseError, Pool};
use shared_model::job::JobId;
use shared_model::job_store::sweeps::{self, Part};
use shared_model::notifier::Notifier;
use shared_model::processes;

use crate::telemetry::SWEPT;

/// Less than the id of every job.
const START: JobId = JobId(uuid::Uuid::nil());
/// The sweep of old activity.
const ACTIVITY: &str = "activity";
/// The sweep of events that nobody has accepted.
const EVENTS: &str = "events";

/// Sweeps at regular intervals.
#[derive(Debug, Clone)]
pub struct Sweeper {
    /// The database.
    pub pool: Pool,
    /// Reports the jobs that a sweep ends.
    pub notifier: Notifier,
    /// Counts them.
    pub activity: Activity,
    /// The average time between two sweeps.
    pub interval: Duration,
    /// The name of the queue whose lost messages are sent again, or `None` if the queue is the table of jobs, which loses
    /// none.
    pub queue: Option<String>,
    /// How long a job waits for its message before the message may count as lost. Doubles with each time it is sent.
    pub republish_after: Duration,
}

/// Where the next round continues to look for jobs, for each kind of sweep that looks at one part of them at a time.
#[derive(Debug, Clone, Copy)]
pub struct Positions {
    lost: JobId,
    overdue: JobId,
}

impl Default for Positions {
    fn default() -> Self {
        Self {
            lost: START,
            overdue: START,
        }
    }
}

impl Sweeper {
    /// Sweeps forever.
    pub async fn run(self) {
        let mut positions = Positions::default();
        loop {
            // jitter, so that processes that started together sweep at different times
            tokio::time::sleep(self.interval.mul_f64(0.5 + fastrand::f64())).await;
            self.sweep_once(&mut positions).await;
        }
    }

    /// Runs every kind of sweep once. If one fails, the others run all the same, and the next round tries it again.
    pub async fn sweep_once(&self, positions: &mut Positions) {
        let republish_after = self.republish_after;
        if let Some(queue) = self.queue.clone() {
            let lost = move |connection: &mut PgConnection, begin| {
                sweeps::republish_lost(connection, &queue, republish_after, begin)
            };
            self.search("republished", &mut positions.lost, lost, |_| {})
                .await;
        }
        let report = |ids: Vec<JobId>| {
            self.activity.failed_waiting(ids.len());
            self.notifier.jobs_changed(ids);
        };
        self.search(
            "overdue",
            &mut positions.overdue,
            sweeps::fail_overdue,
            report,
        )
        .await;
        self.delete("results", sweeps::delete_expired_results).await;
        self.delete("jobs", sweeps::delete_expired_jobs).await;
        self.delete(ACTIVITY, activity::delete_old).await;
        self.delete("processes", processes::delete_old).await;
        self.delete_old_events().await;
    }

    /// Looks for jobs in two parts of those that have not ended: the oldest, where lost and overdue jobs almost always are,
    /// and the part at which the last round stopped, so that each job is looked at in the end. Goes on as long as it finds
    /// jobs or fails.
    async fn search(
        &self,
        kind: &'static str,
        position: &mut JobId,
        sweep: impl Fn(&mut PgConnection, JobId) -> Result<Part, DatabaseError> + Clone + Send + 'static,
        report: impl Fn(Vec<JobId>),
    ) {
        let mut begin = START;
        let mut has_continued = false;
        loop {
            let sweep = sweep.clone();
            let sweep = move |connection: &mut PgConnection| sweep(connection, begin);
            let Some(Part { jobs, end }) = self.run_one(kind, sweep).await else {
                return;
            };
            let found = jobs.len();
            record(kind, found);
            report(jobs);
            if is_full(found) {
                continue;
            }
            let Some(end) = end else {
                *position = START;
                return;
            };
            if found > 0 {
                begin = end;
            } else if !has_continued {
                has_continued = true;
                begin = end.max(*position);
            } else {
                *position = end;
                return;
            }
        }
    }

    /// Repeats one kind of deletion until it finds less than a full batch or fails.
    async fn delete(
        &self,
        kind: &'static str,
        delete: fn(&mut PgConnection) -> Result<usize, DatabaseError>,
    ) {
        while let Some(rows) = self.run_one(kind, delete).await {
            record(kind, rows);
            if !is_full(rows) {
                return;
            }
        }
    }

    /// Deletes events that nobody has accepted, and reports those that were still to be sent: nobody else would.
    async fn delete_old_events(&self) {
        let mut waiting = 0;
        while let Some(old) = self.run_one(EVENTS, sweeps::delete_old_events).await {
            let deleted = usize::try_from(old.deleted).unwrap_or_default();
            record(EVENTS, deleted);
            waiting += old.waiting;
            if !is_full(deleted) {
                break;
            }
        }
        if waiting > 0 {
            log::warn!(
                "events.deleted" = waiting;
                "deleted completion events that were still to be sent: nobody accepted them for seven days, or nobody \
                 sends them because their destination is not configured any more"
            );
        }
    }

    /// Returns `None` if the sweep failed.
    async fn run_one<T: Send + 'static>(
        &self,
        kind: &'static str,
        sweep: impl FnOnce(&mut PgConnection) -> Result<T, DatabaseError> + Send + 'static,
    ) -> Option<T> {
        match self.pool.run(sweep).await {
            Ok(swept) => Some(swept),
            Err(error) => {
                log::warn!("sweep.kind" = kind, error:%; "a sweep failed; trying again later");
                None
            }
        }
    }
}

fn record(kind: &'static str, rows: usize) {
    if rows > 0 {
        // there is old activity in every round, because every process reports all the time
        let level = if kind == ACTIVITY {
            log::Level::Debug
        } else {
            log::Level::Info
        };
        log::log!(level, "sweep.kind" = kind, "sweep.rows" = rows; "swept");
        metrics::counter!(SWEPT, "kind" => kind).increment(rows as u64);
    }
}

fn is_full(rows: usize) -> bool {
    usize::try_from(sweeps::BATCH).is_ok_and(|batch| rows >= batch)
}
