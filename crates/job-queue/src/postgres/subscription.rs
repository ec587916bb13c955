//! Receiving from Postgres, and setting when a job is delivered next.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::RunQueryDsl;
use diesel::deserialize::QueryableByName;
use diesel::sql_types::{Array, BigInt, Double, Integer, Nullable, Timestamptz};
use shared_model::database::{DatabaseError, Pool};
use shared_model::job::JobId;
use shared_model::listener::{self, JOB_DUE};
use shared_model::message::{JobMessage, MESSAGE_VERSION};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::error::QueueError;
use crate::subscription::{
    BatchOutcome, Deletion, Delivery, Receipt, Release, Subscription, SubscriptionOptions,
};

/// How often a waiting worker looks for due jobs without being notified: for retries that became due, and in case a
/// notification was lost.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The receiving half of the table of jobs.
#[derive(Debug)]
pub struct PostgresSubscription {
    pool: Pool,
    options: SubscriptionOptions,
    wake: Arc<Notify>,
    _listener: AbortOnDropHandle<()>,
}

impl PostgresSubscription {
    /// Creates a subscription over the pool that the jobs are stored through. It keeps one more connection, on which it
    /// listens for notifications. Call it within a tokio runtime.
    pub fn new(pool: Pool, options: SubscriptionOptions) -> Self {
        let wake = Arc::new(Notify::new());
        let woken = Arc::clone(&wake);
        let listener = listener::listen(pool.clone(), JOB_DUE, move |_| woken.notify_one());
        let listener = tokio::spawn(listener);
        Self {
            pool,
            options,
            wake,
            _listener: AbortOnDropHandle::new(listener),
        }
    }

    async fn take_due(&self, max: usize) -> Result<Vec<Delivery>, QueueError> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Uuid)]
            id: Uuid,
            #[diesel(sql_type = Integer)]
            generation: i32,
            #[diesel(sql_type = BigInt)]
            delivery: i64,
            #[diesel(sql_type = Timestamptz)]
            enqueued_at: DateTime<Utc>,
        }
        let visibility = self.options.visibility.as_secs_f64();
        let max = i64::try_from(max).unwrap_or(i64::MAX);
        let rows = self.pool.run::<Vec<Row>, DatabaseError, _>(move |connection| {
            Ok(diesel::sql_query(
                "WITH due AS MATERIALIZED (
                     SELECT id FROM calendar_jobs
                     WHERE status IN ('PENDING', 'RETRY', 'STARTED') AND not_before <= now()
                     ORDER BY not_before LIMIT $2 FOR UPDATE SKIP LOCKED)
                 UPDATE calendar_jobs
                 SET not_before = now() + make_interval(secs => $1), delivery = delivery + 1
                 WHERE id IN (SELECT id FROM due)
                 RETURNING id, generation, delivery, coalesce(published_at, created_at) AS enqueued_at",
            )
            .bind::<Double, _>(visibility)
            .bind::<BigInt, _>(max)
            .load(connection)?)
        });
        let deliveries = rows.await?.into_iter().map(|row| {
            let receipt = DeliveryKey {
                id: row.id,
                delivery: row.delivery,
            }
            .to_receipt();
            Delivery {
                message: Ok(JobMessage {
                    v: MESSAGE_VERSION,
                    job_id: JobId(row.id),
                    generation: row.generation,
                    enqueued_at: row.enqueued_at,
                }),
                message_id: receipt.as_str().to_owned(),
                receive_count: u32::try_from(row.delivery).unwrap_or(u32::MAX),
                group: None,
                receipt,
            }
        });
        Ok(deliveries.collect())
    }

    /// Sets when each job is delivered next, counted from now. Returns one outcome per receipt, in the same order.
    async fn postpone(
        &self,
        receipts: impl Iterator<Item = (&Receipt, Duration)>,
    ) -> Vec<BatchOutcome> {
        let (keys, delays): (Vec<_>, Vec<_>) = receipts
            .map(|(receipt, delay)| (DeliveryKey::of(receipt), delay.as_secs_f64()))
            .unzip();
        match self.set_not_before(keys.clone(), delays).await {
            Ok(current) => keys
                .iter()
                .map(|key| match key {
                    Some(key) if current.contains(key) => BatchOutcome::Done,
                    _ => BatchOutcome::Lost,
                })
                .collect(),
            Err(error) => vec![BatchOutcome::Failed(error.to_string()); keys.len()],
        }
    }

    /// Returns the deliveries that still belong to this worker; the others remain unchanged.
    async fn set_not_before(
        &self,
        keys: Vec<Option<DeliveryKey>>,
        delays: Vec<f64>,
    ) -> Result<HashSet<DeliveryKey>, DatabaseError> {
        let rows = self.pool.run::<Vec<DeliveryKey>, DatabaseError, _>(move |connection| {
            // NULL matches no row
            let ids: Vec<Option<Uuid>> = keys.iter().map(|key| key.map(|key| key.id)).collect();
            let deliveries: Vec<Option<i64>> =
                keys.iter().map(|key| key.map(|key| key.delivery)).collect();
            Ok(diesel::sql_query(
                "UPDATE calendar_jobs AS job SET not_before = now() + make_interval(secs => mine.delay)
                 FROM unnest($1, $2, $3) AS mine (id, delivery, delay)
                 WHERE job.id = mine.id AND job.delivery = mine.delivery RETURNING job.id, job.delivery",
            )
            .bind::<Array<Nullable<diesel::sql_types::Uuid>>, _>(ids)
            .bind::<Array<Nullable<BigInt>>, _>(deliveries)
            .bind::<Array<Double>, _>(delays)
            .load(connection)?)
        });
        Ok(rows.await?.into_iter().collect())
    }

    /// Notifies the other workers, because one may be waiting for a job that is due now.
    async fn wake_others(&self) {
        let wake = self
            .pool
            .run::<_, DatabaseError, _>(|connection| Ok(listener::notify(connection, JOB_DUE)?));
        if let Err(error) = wake.await {
            log::debug!(error:%; "could not notify other workers; they look for due jobs at intervals");
        }
    }
}

/// What a receipt of this queue stands for: a job, and the count of its deliveries. The next delivery has another count,
/// so an older receipt no longer matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, QueryableByName)]
struct DeliveryKey {
    #[diesel(sql_type = diesel::sql_types::Uuid)]
    id: Uuid,
    #[diesel(sql_type = BigInt)]
    delivery: i64,
}

impl DeliveryKey {
    fn to_receipt(self) -> Receipt {
        Receipt::new(format!("{}:{}", self.id, self.delivery))
    }

    /// Returns `None` for a receipt of another kind of queue.
    fn of(receipt: &Receipt) -> Option<Self> {
        let (id, delivery) = receipt.as_str().split_once(':')?;
        Some(Self {
            id: id.parse().ok()?,
            delivery: delivery.parse().ok()?,
        })
    }
}

#[async_trait]
impl Subscription for PostgresSubscription {
    async fn receive(
        &self,
        max: usize,
        stop: &CancellationToken,
    ) -> Result<Vec<Delivery>, QueueError> {
        let deadline = Instant::now() + self.options.wait;
        loop {
            let deliveries = self.take_due(max).await?;
            let now = Instant::now();
            if !deliveries.is_empty() || now >= deadline || stop.is_cancelled() {
                return Ok(deliveries);
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(LOOK_INTERVAL.min(deadline - now)) => {}
                () = stop.cancelled() => return Ok(Vec::new()),
            }
        }
    }

    async fn extend(&self, receipts: &[Receipt]) -> Vec<BatchOutcome> {
        let visibility = self.options.visibility;
        self.postpone(receipts.iter().map(|receipt| (receipt, visibility)))
            .await
    }

    async fn delete(&self, deletions: &[Deletion]) -> Vec<BatchOutcome> {
        // ending the job removed it from the queue
        vec![BatchOutcome::Done; deletions.len()]
    }

    async fn release(&self, releases: &[Release]) -> Vec<BatchOutcome> {
        if releases.is_empty() {
            return Vec::new();
        }
        let outcomes = self
            .postpone(
                releases
                    .iter()
                    .map(|release| (&release.receipt, release.delay)),
            )
            .await;
        let is_due_now = |(release, outcome): (&Release, &BatchOutcome)| {
            release.delay.is_zero() && *outcome == BatchOutcome::Done
        };
        if releases.iter().zip(&outcomes).any(is_due_now) {
            self.wake_others().await;
        }
        outcomes
    }

    async fn dead_letters(&self) -> Result<Option<Arc<dyn Subscription>>, QueueError> {
        Ok(None)
    }

    async fn warnings(&self, _max_attempts: u32) -> Result<Vec<String>, QueueError> {
        self.pool.ping().await?;
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_names_the_delivery_it_was_made_for() {
        let key = DeliveryKey {
            id: Uuid::from_u128(7),
            delivery: 3,
        };
        assert_eq!(DeliveryKey::of(&key.to_receipt()), Some(key));
        let of_sqs = Receipt::new("AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a");
        assert_eq!(DeliveryKey::of(&of_sqs), None);
    }
}
