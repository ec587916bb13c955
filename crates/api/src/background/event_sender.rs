//! Sends completion events to their destinations. Every API process that has any runs one.
//!
//! A bounded number of events is on its way at the same time, and of those only a share to the same host, so that a
//! receiver that hangs delays no other. A host that failed gets one event at a time until it accepts one.
//!
//! # Layout
//! - `schedule`: when the next attempt begins, and when to give up
//! - `hosts`: how many events each host may get now

mod hosts;
mod schedule;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use shared_model::backoff::Backoff;
use shared_model::database::{DatabaseError, Pool};
use shared_model::event_deliveries::Delivery;
use shared_model::event_deliveries::settle::{self, FailedAttempt};
use shared_model::event_deliveries::take::{Wanted, take};
use shared_model::trace::{self, Trace};
use tokio::task::{Id, JoinError, JoinSet};

use crate::events::send_error::SendError;
use crate::events::settings::EventSettings;
use crate::events::transport::Transport;
use crate::telemetry::EVENT_ATTEMPTS;
use hosts::Hosts;

/// The most events on their way at the same time. Each takes some ten kilobytes, most of them for TLS.
const IN_FLIGHT: usize = 256;
/// How often to look for new events while none is on its way.
const PAUSE: Duration = Duration::from_secs(1);
/// How long this process has to settle an event that it has taken: twice as long as an attempt takes.
const LEASE: Duration = Duration::from_secs(30);

/// Sends events.
#[derive(Debug)]
pub struct EventSender {
    pool: Pool,
    transport: Arc<Transport>,
    attempts: JoinSet<Result<(), SendError>>,
    /// The events on their way, by the tasks that send them.
    in_flight: HashMap<Id, Delivery>,
    /// The events that have arrived, and are still to be deleted.
    delivered: Vec<i64>,
    /// The attempts that failed, and are still to be recorded.
    failed: Vec<FailedAttempt>,
    hosts: Hosts,
    /// The host after which the next round begins.
    position: String,
}

/// Sends events forever if the settings name a destination. Otherwise does nothing, forever.
pub async fn run(settings: &EventSettings, pool: Pool) {
    match Transport::connect(settings).await {
        Some(transport) => EventSender::new(pool, transport).run().await,
        None => std::future::pending().await,
    }
}

impl EventSender {
    /// Returns a sender that has not taken any event.
    pub fn new(pool: Pool, transport: Transport) -> Self {
        Self {
            pool,
            transport: Arc::new(transport),
            attempts: JoinSet::new(),
            in_flight: HashMap::new(),
            delivered: Vec::new(),
            failed: Vec::new(),
            hosts: Hosts::default(),
            position: String::new(),
        }
    }

    async fn run(mut self) {
        let mut failures = 0;
        loop {
            match self.send_once().await {
                Ok(true) => failures = 0,
                Ok(false) => {
                    failures = 0;
                    self.wait().await;
                }
                Err(error) => {
                    failures += 1;
                    log::warn!(error:%; "completion events can't be read or settled; trying again");
                    tokio::time::sleep(Backoff::CALL.after(failures)).await;
                }
            }
        }
    }

    /// Settles the attempts that have ended, and begins those that are due. Returns whether more may be due now.
    ///
    /// # Errors
    /// Returns an error if the database does not answer. Nothing is forgotten: the next call tries again.
    async fn send_once(&mut self) -> Result<bool, DatabaseError> {
        self.settle().await?;
        let free = IN_FLIGHT.saturating_sub(self.in_flight.len());
        if free == 0 {
            return Ok(false);
        }
        let after = std::mem::take(&mut self.position);
        let is_first_part = after.is_empty();
        let wanted = Wanted {
            after,
            limit: i64::try_from(free).unwrap_or(i64::MAX),
            share: hosts::SHARE,
            shares: self.hosts.shares(self.in_flight.values()),
            lease: LEASE,
        };
        let taken = self.pool.run(move |connection| take(connection, &wanted));
        let taken = taken.await?;
        for delivery in taken.deliveries {
            self.begin(delivery);
        }
        let has_more = taken.next.is_some() || !is_first_part;
        self.position = taken.next.unwrap_or_default();
        Ok(has_more)
    }

    fn begin(&mut self, delivery: Delivery) {
        let transport = Arc::clone(&self.transport);
        let sent = delivery.clone();
        let trace = Some(trace_of(&delivery));
        let sending = trace::scope(trace, async move { transport.send(&sent).await });
        let task = self.attempts.spawn(sending);
        self.in_flight.insert(task.id(), delivery);
    }

    /// Waits until an attempt ends, or until it is time to look again.
    async fn wait(&mut self) {
        tokio::select! {
            Some(ended) = self.attempts.join_next_with_id() => self.note(ended),
            () = tokio::time::sleep(PAUSE) => {}
        }
        while let Some(ended) = self.attempts.try_join_next_with_id() {
            self.note(ended);
        }
    }

    fn note(&mut self, ended: Result<(Id, Result<(), SendError>), JoinError>) {
        let (task, result) = match ended {
            Ok(ended) => ended,
            Err(panic) => (panic.id(), Err(SendError::Failed(panic.to_string()))),
        };
        let Some(delivery) = self.in_flight.remove(&task) else {
            return;
        };
        self.hosts.note(&delivery.host, result.is_ok());
        let outcome = match result {
            Ok(()) => {
                self.delivered.push(delivery.id);
                "delivered"
            }
            Err(error) => self.note_failure(&delivery, &error),
        };
        metrics::counter!(EVENT_ATTEMPTS, "outcome" => outcome).increment(1);
    }

    fn note_failure(&mut self, delivery: &Delivery, error: &SendError) -> &'static str {
        let retry_after = match error {
            SendError::Failed(_) => schedule::retry_after(delivery.attempt),
            SendError::Unwanted(_) => None,
        };
        let outcome = if retry_after.is_some() {
            "failed"
        } else {
            "given_up"
        };
        if delivery.attempt == 1 || retry_after.is_none() {
            trace::within(Some(trace_of(delivery)), || {
                log::warn!(
                    "job.id":% = delivery.job_id, "event.id" = delivery.event_id, "event.host" = delivery.host,
                    "event.outcome" = outcome, error:%;
                    "a completion event was not delivered"
                );
            });
        }
        self.failed.push(FailedAttempt {
            id: delivery.id,
            attempt: delivery.attempt,
            error: error.to_string(),
            retry_after,
        });
        outcome
    }

    async fn settle(&mut self) -> Result<(), DatabaseError> {
        if self.delivered.is_empty() && self.failed.is_empty() {
            return Ok(());
        }
        let (delivered, failed) = (self.delivered.clone(), self.failed.clone());
        let settle = move |connection: &mut diesel::PgConnection| {
            if !delivered.is_empty() {
                settle::delivered(connection, &delivered)?;
            }
            if !failed.is_empty() {
                settle::failed(connection, &failed)?;
            }
            Ok::<_, DatabaseError>(())
        };
        self.pool.run(settle).await?;
        self.delivered.clear();
        self.failed.clear();
        Ok(())
    }
}

/// Returns the trace of the job whose end a delivery reports.
fn trace_of(delivery: &Delivery) -> Trace {
    let traceparent = delivery.event.get("traceparent");
    Trace::of_job(
        delivery.job_id.0,
        traceparent.and_then(|value| value.as_str()),
    )
}
