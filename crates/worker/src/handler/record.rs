//! Writes the end of an attempt to the job's row.
//!
//! Every write names the attempt's claim. If the claim has been lost, the write changes nothing.

use std::sync::Arc;
use std::time::Duration;

use shared_model::database::DatabaseError;
use shared_model::job::{JobError, JobStatus};
use shared_model::job_store::claims::{self, ClaimKey, Completion, Written};
use shared_model::results::NewResult;

use super::Handler;
use crate::in_flight::InFlightGuard;
use crate::outcome::Outcome;
use crate::telemetry;

/// How long a worker waits before it writes again to a row that another session has locked. The wait doubles up to the
/// second.
const FIRST_BUSY_WAIT: Duration = Duration::from_millis(5);
const LAST_BUSY_WAIT: Duration = Duration::from_secs(1);

impl Handler {
    /// Stores the calendar and ends the job in SUCCESS. While the job's row is locked, tries again, until the claim runs
    /// out.
    pub(super) async fn complete(
        &self,
        key: ClaimKey,
        result: Arc<NewResult>,
        guard: &InFlightGuard,
    ) -> Outcome {
        let mut wait = FIRST_BUSY_WAIT;
        loop {
            let result = Arc::clone(&result);
            match self.database.complete(Completion { key, result }).await {
                Ok(Written::Done) => return self.stored(key),
                Ok(Written::Lost) => return lost(key),
                Ok(Written::Busy) => {}
                Err(error) => return unknown(key, &error),
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => wait = LAST_BUSY_WAIT.min(wait * 2),
                _ = guard.stopped() => return Outcome::Lost,
            }
        }
    }

    /// The calendar is stored.
    pub(super) fn stored(&self, key: ClaimKey) -> Outcome {
        log::debug!("job.id":% = key.id; "the calendar is stored");
        self.database.notifier.jobs_changed([key.id]);
        Outcome::Succeeded
    }

    /// Ends the job in FAILURE.
    pub(super) async fn fail(&self, key: ClaimKey, error: JobError) -> Outcome {
        let detail = error.detail.clone();
        let ended = self
            .database
            .pool
            .run(move |connection| claims::fail(connection, key, &error))
            .await;
        self.database.notifier.jobs_changed([key.id]);
        match ended {
            Ok(true) => {
                log::error!("job.id":% = key.id, error = detail; "the job failed");
                Outcome::Failed
            }
            Ok(false) => lost(key),
            Err(error) => unknown(key, &error),
        }
    }

    /// Leaves the job for another attempt after `delay`, or ends it in REVOKED if it has been cancelled.
    pub(super) async fn retry(&self, key: ClaimKey, error: JobError, delay: Duration) -> Outcome {
        let ended = self
            .database
            .pool
            .run(move |connection| claims::retry(connection, key, &error, delay))
            .await;
        self.database.notifier.jobs_changed([key.id]);
        match ended {
            Ok(Some(JobStatus::Revoked)) => Outcome::Revoked,
            Ok(Some(_)) => {
                if delay.is_zero() {
                    self.database.notifier.job_due();
                }
                Outcome::Retry(delay)
            }
            Ok(None) => lost(key),
            Err(error) => unknown(key, &error),
        }
    }

    /// Ends the job in REVOKED.
    pub(super) async fn revoke(&self, key: ClaimKey) -> Outcome {
        let ended = self
            .database
            .pool
            .run(move |connection| claims::revoke(connection, key))
            .await;
        self.database.notifier.jobs_changed([key.id]);
        match ended {
            Ok(true) => {
                log::info!("job.id":% = key.id; "the job was cancelled");
                Outcome::Revoked
            }
            Ok(false) => lost(key),
            Err(error) => unknown(key, &error),
        }
    }
}

fn lost(key: ClaimKey) -> Outcome {
    log::warn!("job.id":% = key.id; "a late write was refused: the attempt had lost its claim");
    metrics::counter!(telemetry::LATE_WRITES_REFUSED).increment(1);
    Outcome::Lost
}

/// If the write failed, the lease of the claim expires and the job is claimed again.
fn unknown(key: ClaimKey, error: &DatabaseError) -> Outcome {
    log::warn!("job.id":% = key.id, error:%; "could not record how the attempt ended");
    Outcome::Unknown
}
