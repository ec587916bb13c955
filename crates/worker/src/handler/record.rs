//! Writes the end of an attempt to the job's row.
//!
//! Every write names the attempt's claim. If the claim has been lost, the write changes nothing.

use std::sync::Arc;
use std::time::Duration;

use shared_model::backoff::Backoff;
use shared_model::database::DatabaseError;
use shared_model::job::{JobError, JobStatus};
use shared_model::job_store::claims::{self, ClaimKey};
use shared_model::results::NewResult;

use super::Handler;
use crate::in_flight::InFlightGuard;
use crate::outcome::Outcome;
use crate::telemetry;

/// How many times the worker tries to store a finished calendar. The other writes are tried once, because no calendar
/// is lost if they fail.
const MAX_COMPLETE_CALLS: u32 = 3;

impl Handler {
    /// Stores the calendar and ends the job in SUCCESS.
    pub(super) async fn complete(
        &self,
        key: ClaimKey,
        result: Box<NewResult>,
        guard: &InFlightGuard,
    ) -> Outcome {
        let result = Arc::new(result);
        for call in 1..=MAX_COMPLETE_CALLS {
            let result = Arc::clone(&result);
            let completed = self
                .pool
                .run(move |connection| claims::complete(connection, key, &result))
                .await;
            match completed {
                Ok(true) => {
                    log::info!("job.id":% = key.id, "job.attempt" = key.attempt; "the calendar is stored");
                    return Outcome::Succeeded;
                }
                Ok(false) if call == 1 => return lost(key),
                // An earlier call may have succeeded without its answer arriving. The message is delivered again, and
                // the next attempt to claim the job shows whether it has ended.
                Ok(false) => return Outcome::Lost,
                Err(DatabaseError::Unavailable(error))
                    if call < MAX_COMPLETE_CALLS && !guard.stop_token().is_cancelled() =>
                {
                    log::warn!("job.id":% = key.id, error; "could not store the calendar; trying again");
                    tokio::time::sleep(Backoff::CALL.after(call)).await;
                }
                Err(error) => return unknown(key, &error),
            }
        }
        Outcome::Unknown
    }

    /// Ends the job in FAILURE.
    pub(super) async fn fail(&self, key: ClaimKey, error: JobError) -> Outcome {
        let detail = error.detail.clone();
        match self
            .pool
            .run(move |connection| claims::fail(connection, key, &error))
            .await
        {
            Ok(true) => {
                log::error!("job.id":% = key.id, "job.attempt" = key.attempt, error = detail; "the job failed");
                Outcome::Failed
            }
            Ok(false) => lost(key),
            Err(error) => unknown(key, &error),
        }
    }

    /// Leaves the job for another attempt after `delay`, or ends it in REVOKED if it has been cancelled.
    pub(super) async fn retry(&self, key: ClaimKey, error: JobError, delay: Duration) -> Outcome {
        match self
            .pool
            .run(move |connection| claims::retry(connection, key, &error, delay))
            .await
        {
            Ok(Some(JobStatus::Revoked)) => Outcome::Revoked,
            Ok(Some(_)) => Outcome::Retry(delay),
            Ok(None) => lost(key),
            Err(error) => unknown(key, &error),
        }
    }

    /// Ends the job in REVOKED.
    pub(super) async fn revoke(&self, key: ClaimKey) -> Outcome {
        match self
            .pool
            .run(move |connection| claims::revoke(connection, key))
            .await
        {
            Ok(true) => {
                log::info!("job.id":% = key.id, "job.attempt" = key.attempt; "the job was cancelled");
                Outcome::Revoked
            }
            Ok(false) => lost(key),
            Err(error) => unknown(key, &error),
        }
    }
}

fn lost(key: ClaimKey) -> Outcome {
    log::warn!("job.id":% = key.id, "job.attempt" = key.attempt; "a late write was refused: the attempt had lost its claim");
    metrics::counter!(telemetry::LATE_WRITES_REFUSED).increment(1);
    Outcome::Lost
}

/// If the write failed, the lease of the claim expires and the job is claimed again.
fn unknown(key: ClaimKey, error: &DatabaseError) -> Outcome {
    log::warn!("job.id":% = key.id, "job.attempt" = key.attempt, error:%; "could not record how the attempt ended");
    Outcome::Unknown
}
