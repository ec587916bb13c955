//! Reading the stream, and settling what was read.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use redis::{Cmd, cmd};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::address::Address;
use super::connection::Connection;
use super::entries::{Arrived, Entry};
use super::in_flight::InFlight;
use super::{GROUP, LATER, inspect, scripts};
use crate::error::QueueError;
use crate::findings::Findings;
use crate::limits::{CallLimits, MAX_VISIBILITY};
use crate::subscription::{
    BatchOutcome, Deletion, Receipt, Received, Rejection, Release, Subscription,
    SubscriptionOptions, WorkerNeeds,
};

/// How long the server waits in one call for messages. Between two calls, the worker takes over what is due.
const SLICE: Duration = Duration::from_secs(1);

/// The receiving half of a stream.
#[derive(Debug)]
pub(super) struct RedisSubscription {
    /// For calls that wait in the server, which holds up all later calls of the same connection.
    reading: Connection,
    settling: Connection,
    /// This worker's name in the group. It ends with `-v` and the visibility timeout in milliseconds.
    consumer: String,
    options: SubscriptionOptions,
    in_flight: InFlight,
    /// When the worker looks next at all deliveries in flight.
    looks_at: Mutex<Instant>,
}

impl RedisSubscription {
    /// Makes no call yet.
    pub(super) fn new(address: Arc<Address>, options: SubscriptionOptions) -> Self {
        let visibility = milliseconds(options.visibility);
        Self {
            reading: Connection::new(Arc::clone(&address)),
            settling: Connection::new(address),
            consumer: format!("{}-v{visibility}", Uuid::now_v7()),
            options,
            in_flight: InFlight::default(),
            looks_at: Mutex::new(Instant::now()),
        }
    }

    /// Takes over at most `max` messages that other workers did not extend, that were released and are due, or that this
    /// worker holds without knowing.
    async fn take_over(&self, max: usize) -> Result<Vec<Entry>, QueueError> {
        let looks_at_all = self.looks_at_all();
        let mut script = self.script(scripts::TAKE_OVER);
        script
            .arg(&self.consumer)
            .arg(max)
            .arg(milliseconds(self.options.visibility))
            .arg(milliseconds(MAX_VISIBILITY))
            .arg(u8::from(looks_at_all));
        if looks_at_all {
            for receipt in self.in_flight.held(self.options.visibility) {
                script.arg(receipt.as_str());
            }
        }
        self.reading.call(&script).await
    }

    /// Returns whether it is time to look at all deliveries in flight, and if so, sets when it is time again.
    fn looks_at_all(&self) -> bool {
        let now = Instant::now();
        let Ok(mut looks_at) = self.looks_at.lock() else {
            return true;
        };
        if now < *looks_at {
            return false;
        }
        // Several workers that started together do not look together.
        *looks_at = now + scripts::LOOK_AT_ALL.mul_f64(0.75 + fastrand::f64() / 2.0);
        true
    }

    /// Waits for up to `wait` for at most `max` new messages.
    async fn read(&self, max: usize, wait: Duration) -> Result<Vec<Entry>, QueueError> {
        let mut reading = cmd("XREADGROUP");
        reading.arg("GROUP").arg(GROUP).arg(&self.consumer);
        reading.arg("COUNT").arg(max);
        // Zero would be without end.
        reading.arg("BLOCK").arg(milliseconds(wait).max(1));
        reading.arg("STREAMS").arg(self.stream()).arg(">");
        let Arrived(entries) = self.reading.wait_for(&reading, wait).await?;
        Ok(entries)
    }

    /// Gives deliveries of this worker to a consumer, each with an idle time.
    async fn hand_over<'a>(
        &self,
        to: &str,
        deliveries: impl ExactSizeIterator<Item = (&'a Receipt, Duration)>,
    ) -> Vec<BatchOutcome> {
        let count = deliveries.len();
        let mut script = self.script(scripts::HAND_OVER);
        script.arg(&self.consumer).arg(to);
        for (receipt, idle) in deliveries {
            script.arg(receipt.as_str()).arg(milliseconds(idle));
        }
        self.settle(count, &script).await
    }

    /// Runs a script that settles `count` deliveries. Its answer for each is 1, or 0 if the delivery is lost.
    async fn settle(&self, count: usize, script: &Cmd) -> Vec<BatchOutcome> {
        if count == 0 {
            return Vec::new();
        }
        match self.settling.call::<Vec<u64>>(script).await {
            Ok(outcomes) => outcomes
                .into_iter()
                .map(|settled| match settled {
                    0 => BatchOutcome::Lost,
                    _ => BatchOutcome::Done,
                })
                .collect(),
            Err(error) => vec![BatchOutcome::Failed(error.to_string()); count],
        }
    }

    /// Forgets the deliveries that a call which began at `began` has settled or found lost.
    fn end<'a>(
        &self,
        receipts: impl Iterator<Item = &'a Receipt>,
        outcomes: &[BatchOutcome],
        began: Instant,
    ) {
        for (receipt, outcome) in receipts.zip(outcomes) {
            self.in_flight.end(receipt, outcome, began);
        }
    }

    /// Returns the call of a script for the stream.
    fn script(&self, text: &str) -> Cmd {
        let mut script = cmd("EVAL");
        script.arg(text).arg(1).arg(self.stream()).arg(GROUP);
        script
    }

    fn stream(&self) -> &str {
        self.settling.address.stream()
    }
}

#[async_trait]
impl Subscription for RedisSubscription {
    async fn receive(
        &self,
        max: usize,
        stop: &CancellationToken,
    ) -> Result<Vec<Received>, QueueError> {
        let until = Instant::now() + self.options.wait;
        while !stop.is_cancelled() {
            let mut began = Instant::now();
            let mut entries = self.take_over(max).await?;
            if entries.is_empty() {
                began = Instant::now();
                let left = until.saturating_duration_since(began);
                entries = self.read(max, left.min(SLICE)).await?;
            }
            if !entries.is_empty() {
                let receipts = entries.iter().map(Entry::receipt);
                self.in_flight.hold(receipts, began);
                return Ok(entries.into_iter().map(Entry::received).collect());
            }
            if Instant::now() >= until {
                break;
            }
        }
        Ok(Vec::new())
    }

    async fn extend(&self, receipts: &[Receipt]) -> Vec<BatchOutcome> {
        let began = Instant::now();
        let deliveries = receipts.iter().map(|receipt| (receipt, Duration::ZERO));
        let outcomes = self.hand_over(&self.consumer, deliveries).await;
        for (receipt, outcome) in receipts.iter().zip(&outcomes) {
            match outcome {
                BatchOutcome::Done => self.in_flight.hold([receipt.clone()], began),
                lost_or_failed => self.in_flight.end(receipt, lost_or_failed, began),
            }
        }
        outcomes
    }

    async fn delete(&self, deletions: &[Deletion]) -> Vec<BatchOutcome> {
        let began = Instant::now();
        let mut script = self.script(scripts::REMOVE);
        for Deletion { receipt } in deletions {
            script.arg(receipt.as_str());
        }
        let outcomes = self.settle(deletions.len(), &script).await;
        self.end(deletions.iter().map(|one| &one.receipt), &outcomes, began);
        outcomes
    }

    async fn release(&self, releases: &[Release]) -> Vec<BatchOutcome> {
        let began = Instant::now();
        let deliveries = releases.iter().map(|release| {
            let idle = MAX_VISIBILITY.saturating_sub(release.delay);
            (&release.receipt, idle)
        });
        let outcomes = self.hand_over(LATER, deliveries).await;
        self.end(releases.iter().map(|one| &one.receipt), &outcomes, began);
        outcomes
    }

    async fn reject(&self, rejections: &[Rejection]) -> Vec<BatchOutcome> {
        let began = Instant::now();
        let mut script = cmd("EVAL");
        script.arg(scripts::BURY).arg(2).arg(self.stream());
        script.arg(self.settling.address.dead_letters());
        script.arg(GROUP).arg(&self.consumer);
        for Rejection { receipt } in rejections {
            script.arg(receipt.as_str());
        }
        let outcomes = self.settle(rejections.len(), &script).await;
        self.end(rejections.iter().map(|one| &one.receipt), &outcomes, began);
        outcomes
    }

    /// Nothing, because only messages that can't be read are moved, and they have no job.
    async fn dead_letters(&self) -> Result<Option<Arc<dyn Subscription>>, QueueError> {
        Ok(None)
    }

    async fn inspect(&self, _worker: WorkerNeeds) -> Result<Findings, QueueError> {
        inspect::look(&self.settling).await
    }

    fn limits(&self) -> CallLimits {
        CallLimits::FREE
    }

    async fn close(&self) {
        let mut script = self.script(scripts::LEAVE);
        script
            .arg(&self.consumer)
            .arg(LATER)
            .arg(milliseconds(MAX_VISIBILITY));
        if let Err(error) = self.settling.call::<u64>(&script).await {
            // Its deliveries are taken over after their visibility timeout.
            log::debug!(error:%; "could not leave the group of the stream");
        }
    }
}

/// Returns whole milliseconds.
pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
