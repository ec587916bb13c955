//! The jobs' own table as a queue: durable on one machine, with nothing to install.
//!
//! A job that has not ended is in the queue; ending it takes it out, in the very transaction that stores its result.
//! `not_before` says when it is delivered next, and a delivery moves that by the visibility. So there is nothing to
//! delete, and no way to lose a job that has not ended.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::RunQueryDsl;
use diesel::deserialize::QueryableByName;
use diesel::sql_types::{Array, BigInt, Double, Integer, Timestamptz};
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
use crate::publisher::{Published, Publisher};
use crate::subscription::{
    Delivery, Extension, Receipt, ReceiptKind, Settlement, SettlementKind, Subscription,
    SubscriptionOptions,
};

/// How often a waiting worker looks by itself: for retries that became due, and for a notification that got lost.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The sending half: the jobs are there already, so it only wakes the workers.
#[derive(Debug)]
pub struct PostgresPublisher {
    pool: Pool,
}

impl PostgresPublisher {
    /// Over the pool that the jobs are stored through.
    pub fn new(pool: Pool) -> Self {
        Self { pool }
    }
}

#[async_trait]
impl Publisher for PostgresPublisher {
    async fn publish(&self, messages: &[JobMessage]) -> Result<Published, QueueError> {
        self.pool
            .run::<_, DatabaseError, _>(|connection| Ok(listener::notify(connection, JOB_DUE)?))
            .await?;
        Ok(Published {
            sent: messages.iter().map(|message| message.job_id).collect(),
            failed: Vec::new(),
        })
    }

    async fn check(&self) -> Result<(), QueueError> {
        Ok(self.pool.ping().await?)
    }
}

/// The receiving half.
#[derive(Debug)]
pub struct PostgresSubscription {
    pool: Pool,
    options: SubscriptionOptions,
    wake: Arc<Notify>,
    _listener: AbortOnDropHandle<()>,
}

impl PostgresSubscription {
    /// Over the pool that the jobs are stored through. Keeps one more connection, to be woken by. Call it within a
    /// tokio runtime.
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
        let deliveries = rows.await?.into_iter().map(|row| Delivery {
            message: Ok(JobMessage {
                v: MESSAGE_VERSION,
                job_id: JobId(row.id),
                generation: row.generation,
                enqueued_at: row.enqueued_at,
            }),
            message_id: format!("{}:{}", row.id, row.delivery),
            receive_count: u32::try_from(row.delivery).unwrap_or(u32::MAX),
            group: None,
            receipt: Receipt(ReceiptKind::Postgres {
                id: row.id,
                delivery: row.delivery,
            }),
        });
        Ok(deliveries.collect())
    }

    /// Sets when each is delivered next, and gives the ids of those that are still this worker's.
    async fn postpone(
        &self,
        receipts: Vec<(Uuid, i64, Duration)>,
    ) -> Result<Vec<Uuid>, QueueError> {
        #[derive(QueryableByName)]
        struct Row {
            #[diesel(sql_type = diesel::sql_types::Uuid)]
            id: Uuid,
        }
        let rows = self.pool.run::<Vec<Row>, DatabaseError, _>(move |connection| {
            let ids: Vec<Uuid> = receipts.iter().map(|(id, _, _)| *id).collect();
            let deliveries: Vec<i64> = receipts.iter().map(|(_, delivery, _)| *delivery).collect();
            let delays: Vec<f64> = receipts.iter().map(|(_, _, delay)| delay.as_secs_f64()).collect();
            Ok(diesel::sql_query(
                "UPDATE calendar_jobs AS job SET not_before = now() + make_interval(secs => mine.delay)
                 FROM unnest($1, $2, $3) AS mine (id, delivery, delay)
                 WHERE job.id = mine.id AND job.delivery = mine.delivery RETURNING job.id",
            )
            .bind::<Array<diesel::sql_types::Uuid>, _>(ids)
            .bind::<Array<BigInt>, _>(deliveries)
            .bind::<Array<Double>, _>(delays)
            .load(connection)?)
        });
        Ok(rows.await?.into_iter().map(|row| row.id).collect())
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

    async fn extend(&self, receipts: &[Receipt]) -> Vec<Extension> {
        let visibility = self.options.visibility;
        let mine = receipts.iter().filter_map(|receipt| match receipt.0 {
            ReceiptKind::Postgres { id, delivery } => Some((id, delivery, visibility)),
            ReceiptKind::Sqs(_) => None,
        });
        match self.postpone(mine.collect()).await {
            Ok(kept) => receipts
                .iter()
                .map(|receipt| match receipt.0 {
                    ReceiptKind::Postgres { id, .. } if kept.contains(&id) => Extension::Extended,
                    _ => Extension::Lost,
                })
                .collect(),
            Err(error) => receipts
                .iter()
                .map(|_| Extension::Failed(error.to_string()))
                .collect(),
        }
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Vec<Settlement> {
        let released = settlements.iter().filter_map(|settlement| {
            match (&settlement.receipt.0, settlement.kind) {
                (ReceiptKind::Postgres { id, delivery }, SettlementKind::Release(delay)) => {
                    Some((*id, *delivery, delay))
                }
                // the job's end took it out of the queue
                (_, SettlementKind::Delete) | (ReceiptKind::Sqs(_), _) => None,
            }
        });
        let released: Vec<_> = released.collect();
        if released.is_empty() {
            return Vec::new();
        }
        let due_now = released.iter().any(|(_, _, delay)| delay.is_zero());
        match self.postpone(released).await {
            Ok(_) if due_now => {
                // another worker may be waiting for just these
                let wake = self.pool.run::<_, DatabaseError, _>(|connection| {
                    Ok(listener::notify(connection, JOB_DUE)?)
                });
                if let Err(error) = wake.await {
                    log::debug!(error:%; "could not wake other workers; they look by themselves");
                }
                Vec::new()
            }
            Ok(_) => Vec::new(),
            Err(error) => {
                log::warn!(error:%; "could not give deliveries back");
                settlements
            }
        }
    }

    async fn dead_letters(&self) -> Result<Option<Arc<dyn Subscription>>, QueueError> {
        Ok(None)
    }

    async fn warnings(&self, _max_attempts: u32) -> Result<Vec<String>, QueueError> {
        self.pool.ping().await?;
        Ok(Vec::new())
    }
}
