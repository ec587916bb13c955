//! Receiving from Postgres: waiting for jobs, and claiming them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use shared_model::database::{DatabaseError, Pool};
use shared_model::job::JobStatus;
use shared_model::job_store::claims::{self, Claim, ClaimKey, ClaimOptions, EndedJob};
use shared_model::listener::{self, JOB_DUE};
use shared_model::notifier::Notifier;
use shared_model::processes::ThisProcess;
use shared_model::trace;
use tokio::sync::{Mutex, Notify};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::look::{LOOK_INTERVAL, Look};
use crate::error::QueueError;
use crate::findings::Findings;
use crate::subscription::{
    BatchOutcome, Deletion, Receipt, Received, Rejection, Release, Subscription,
    SubscriptionOptions, WorkerNeeds,
};

/// How long after a look that found few jobs the next one comes at the earliest. Jobs that gather meanwhile share all
/// statements until they end. A job that comes alone does not wait.
const GATHER: Duration = Duration::from_millis(4);

/// The receiving half of the table of jobs.
#[derive(Debug)]
pub struct PostgresSubscription {
    pool: Pool,
    options: SubscriptionOptions,
    notifier: Notifier,
    process: ThisProcess,
    wake: Arc<Notify>,
    look: Mutex<Look>,
    _listener: AbortOnDropHandle<()>,
}

impl PostgresSubscription {
    /// Creates a subscription over the pool that the jobs are stored through. It keeps one more connection, on which it
    /// listens for notifications. Call it within a tokio runtime.
    pub fn new(
        pool: Pool,
        notifier: Notifier,
        process: ThisProcess,
        options: SubscriptionOptions,
    ) -> Self {
        let wake = Arc::new(Notify::new());
        let woken = Arc::clone(&wake);
        let listener = listener::listen(pool.clone(), JOB_DUE, move |_| woken.notify_one());
        let listener = tokio::spawn(listener);
        Self {
            pool,
            options,
            notifier,
            process,
            wake,
            look: Mutex::new(Look::new()),
            _listener: AbortOnDropHandle::new(listener),
        }
    }

    /// Waits until another look may find jobs.
    async fn wait_for_jobs(&self) {
        let Some(exhausted_at) = self.look.lock().await.exhausted_at else {
            return;
        };
        let notified = async {
            self.wake.notified().await;
            // even a sleep until now lasts a millisecond
            if exhausted_at + GATHER > Instant::now() {
                tokio::time::sleep_until(exhausted_at + GATHER).await;
            }
        };
        tokio::select! {
            () = notified => {}
            () = tokio::time::sleep_until(exhausted_at + LOOK_INTERVAL) => {}
        }
    }

    /// Claims at most `max` jobs, if there are any.
    async fn look(&self, max: usize) -> Result<Vec<Received>, QueueError> {
        let mut look = self.look.lock().await;
        if let Some((claim, until)) = look.unanswered {
            let claimed = self.find_claimed(claim, max).await?;
            look.unanswered = None;
            if !claimed.is_empty() {
                return Ok(received(claimed, until));
            }
        }
        let options = ClaimOptions {
            lease: self.options.visibility,
            max_attempts: self.options.max_attempts,
            worker_id: self.process.id(),
        };
        let (search, until) = look.begin(options, i64::try_from(max).unwrap_or(i64::MAX));
        let found = self
            .pool
            .run(move |connection| search.run(connection))
            .await?;
        look.searched(search, &found);
        for EndedJob { id, status, trace } in &found.ended {
            trace::within(Some(*trace), || {
                log::error!("job.id":% = id, "job.status":% = status; "the job ended: no worker can claim it any more");
            });
            match status {
                JobStatus::Revoked => self.process.activity.revoked(1),
                JobStatus::Failure => self.process.activity.failed_waiting(1),
                JobStatus::Pending | JobStatus::Started | JobStatus::Retry | JobStatus::Success => {
                }
            }
        }
        self.notifier
            .jobs_changed(found.ended.iter().map(|ended| ended.id));
        Ok(received(found.claims, until))
    }

    /// Returns at most `max` jobs that an earlier call has claimed, and gives up the others.
    async fn find_claimed(&self, claim: Uuid, max: usize) -> Result<Vec<Claim>, DatabaseError> {
        let found = self.pool.run(move |connection| {
            let mut claimed = claims::find_claimed(connection, claim)?;
            let excess = claimed.split_off(max.min(claimed.len()));
            if !excess.is_empty() {
                let keys: Vec<ClaimKey> = excess.iter().map(|claim| claim.key).collect();
                claims::unclaim(connection, &keys, Duration::ZERO)?;
            }
            Ok(claimed)
        });
        found.await
    }
}

fn received(claims: Vec<Claim>, until: Instant) -> Vec<Received> {
    claims
        .into_iter()
        .map(|claim| Received::Claim {
            claim: Box::new(claim),
            until,
        })
        .collect()
}

#[async_trait]
impl Subscription for PostgresSubscription {
    async fn receive(
        &self,
        max: usize,
        stop: &CancellationToken,
    ) -> Result<Vec<Received>, QueueError> {
        let deadline = Instant::now() + self.options.wait;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(Vec::new()),
                () = self.wait_for_jobs() => {}
                () = tokio::time::sleep_until(deadline) => {}
            }
            let received = self.look(max).await?;
            if !received.is_empty() || Instant::now() >= deadline {
                return Ok(received);
            }
        }
    }

    // This queue delivers claims, and never a message with a receipt.

    async fn extend(&self, receipts: &[Receipt]) -> Vec<BatchOutcome> {
        vec![BatchOutcome::Lost; receipts.len()]
    }

    async fn delete(&self, deletions: &[Deletion]) -> Vec<BatchOutcome> {
        vec![BatchOutcome::Lost; deletions.len()]
    }

    async fn release(&self, releases: &[Release]) -> Vec<BatchOutcome> {
        vec![BatchOutcome::Lost; releases.len()]
    }

    async fn reject(&self, rejections: &[Rejection]) -> Vec<BatchOutcome> {
        vec![BatchOutcome::Lost; rejections.len()]
    }

    async fn dead_letters(&self) -> Result<Option<Arc<dyn Subscription>>, QueueError> {
        Ok(None)
    }

    async fn inspect(&self, _worker: WorkerNeeds) -> Result<Findings, QueueError> {
        self.pool.ping().await?;
        Ok(Findings::default())
    }
}
