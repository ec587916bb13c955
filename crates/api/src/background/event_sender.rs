//! Sends completion events to their destinations. Every API process that has any runs one.
//!
//! A bounded number of events is on its way at the same time: some to each receiver in the settings, some to clients'
//! receivers that are known to accept events, and some to all others of clients. So receivers that hang, or are slow, delay
//! only others of clients, and not those of the operators. A process takes no event that it has no settings to send.
//!
//! # Layout
//! - `receivers`: how many events each receiver may get now
//! - `refusals`: which receivers have accepted nothing for long
//! - `round`: which of the clients' other receivers come next, and when
//! - `schedule`: when the next attempt begins, and when to give up

mod receivers;
mod refusals;
mod round;
mod schedule;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use shared_model::backoff::Backoff;
use shared_model::database::{DatabaseError, Pool};
use shared_model::event_deliveries::Delivery;
use shared_model::event_deliveries::settle::{self, DeliveredAttempt, FailedAttempt};
use shared_model::event_deliveries::take::{self, Taken, Wanted};
use shared_model::trace::{self, Trace};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use crate::events::destinations::shown;
use crate::events::receiver_kind::ReceiverKind;
use crate::events::send_error::SendError;
use crate::events::settings::EventSettings;
use crate::events::transport::Transport;
use crate::telemetry::EVENT_ATTEMPTS;
use receivers::{PLACES, Receivers};
use refusals::Refusals;
use round::Round;

/// How often to look for new events while none is on its way.
const PAUSE: Duration = Duration::from_secs(1);
/// How long this process has to settle an event that it has taken: twice as long as an attempt takes.
const LEASE: Duration = Duration::from_secs(30);

/// Sends events.
#[derive(Debug)]
pub struct EventSender {
    pool: Pool,
    transport: Arc<Transport>,
    attempts: JoinSet<Vec<Result<(), SendError>>>,
    /// The events on their way, by the tasks that send them.
    in_flight: HashMap<Id, Group>,
    /// The events that have arrived, and are still to be deleted.
    delivered: Vec<DeliveredAttempt>,
    /// The attempts that failed, and are still to be recorded.
    failed: Vec<FailedAttempt>,
    receivers: Receivers,
    refusals: Refusals,
    /// Receivers that have accepted nothing for long, whose events of a day ago are still to be given up.
    refusing: HashSet<String>,
    round: Round,
}

/// Events on their way that are all for the same receiver.
#[derive(Debug)]
struct Group {
    /// What the receiver was when the attempt began.
    kind: ReceiverKind,
    deliveries: Vec<Delivery>,
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
            receivers: Receivers::new(transport.own()),
            transport: Arc::new(transport),
            attempts: JoinSet::new(),
            in_flight: HashMap::new(),
            delivered: Vec::new(),
            failed: Vec::new(),
            refusals: Refusals::default(),
            refusing: HashSet::new(),
            round: Round::new(),
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
        while let Some(ended) = self.attempts.try_join_next_with_id() {
            self.note(ended);
        }
        self.settle().await?;
        let mut has_found = self.send_to_own().await?;
        if self.transport.has_webhooks() {
            has_found |= self.send_to_proven().await?;
            has_found |= self.send_to_others().await?;
        }
        self.give_up_untried().await;
        Ok(has_found)
    }

    /// Begins attempts to deliver to the receivers in the settings. Returns whether there were any.
    async fn send_to_own(&mut self) -> Result<bool, DatabaseError> {
        let shares = self.receivers.shares(ReceiverKind::Own, self.in_flight());
        let limit = shares.iter().map(|(_, share)| i64::from(*share)).sum();
        self.send_to_these(ReceiverKind::Own, shares, limit).await
    }

    /// Begins attempts to deliver to clients' receivers that are proven. Returns whether there were any.
    async fn send_to_proven(&mut self) -> Result<bool, DatabaseError> {
        let shares = self
            .receivers
            .shares(ReceiverKind::Proven, self.in_flight());
        let limit = self.free_places(ReceiverKind::Proven);
        self.send_to_these(ReceiverKind::Proven, shares, limit)
            .await
    }

    async fn send_to_these(
        &mut self,
        kind: ReceiverKind,
        shares: Vec<(String, i32)>,
        limit: i64,
    ) -> Result<bool, DatabaseError> {
        if shares.is_empty() || limit == 0 {
            return Ok(false);
        }
        let names = shares.iter().map(|(name, _)| name.clone());
        let wanted = Wanted {
            receivers: take::Receivers::These(names.collect()),
            limit,
            share: 0,
            shares,
            lease: LEASE,
        };
        let taken = self.take(wanted).await?;
        let has_found = taken.has_moved || !taken.deliveries.is_empty();
        self.begin(kind, taken.deliveries);
        Ok(has_found)
    }

    /// Begins attempts to deliver to some of the clients' other receivers, one for each. Returns whether it is the turn of
    /// more of them.
    async fn send_to_others(&mut self) -> Result<bool, DatabaseError> {
        let limit = self.free_places(ReceiverKind::Other);
        let Some(after) = self.round.next_part().filter(|_| limit > 0) else {
            return Ok(false);
        };
        let in_flight = self.in_flight();
        let wanted = Wanted {
            receivers: take::Receivers::OfClients {
                except: self.receivers.proven(),
                after: after.to_owned(),
            },
            limit,
            share: 1,
            shares: in_flight.map(|one| (one.receiver.clone(), 0)).collect(),
            lease: LEASE,
        };
        let began = Instant::now();
        let taken = self.take(wanted).await?;
        let has_found = taken.has_moved || !taken.deliveries.is_empty();
        self.begin(ReceiverKind::Other, taken.deliveries);
        Ok(self.round.advance(has_found, taken.next, began.elapsed()))
    }

    fn in_flight(&self) -> impl Iterator<Item = &Delivery> {
        self.in_flight.values().flat_map(|group| &group.deliveries)
    }

    /// Returns how many more events may be on their way to clients' receivers of a kind.
    fn free_places(&self, kind: ReceiverKind) -> i64 {
        let groups = self.in_flight.values().filter(|group| group.kind == kind);
        let taken: usize = groups.map(|group| group.deliveries.len()).sum();
        i64::try_from(PLACES.saturating_sub(taken)).unwrap_or(0)
    }

    async fn take(&self, wanted: Wanted) -> Result<Taken, DatabaseError> {
        let taken = self
            .pool
            .run(move |connection| take::take(connection, &wanted));
        taken.await
    }

    fn begin(&mut self, kind: ReceiverKind, deliveries: Vec<Delivery>) {
        for deliveries in Transport::groups(deliveries) {
            let (transport, sent) = (Arc::clone(&self.transport), deliveries.clone());
            let trace = match deliveries.as_slice() {
                [only] => Some(trace_of(only)),
                _ => None,
            };
            let sending = trace::scope(trace, async move { transport.send(&sent, kind).await });
            let task = self.attempts.spawn(sending);
            self.in_flight.insert(task.id(), Group { kind, deliveries });
        }
    }

    /// Waits until an attempt ends, or until it is time to look again.
    async fn wait(&mut self) {
        tokio::select! {
            Some(ended) = self.attempts.join_next_with_id() => self.note(ended),
            () = tokio::time::sleep(PAUSE) => {}
        }
    }

    fn note(&mut self, ended: Result<(Id, Vec<Result<(), SendError>>), JoinError>) {
        let (task, results) = match ended {
            Ok((task, results)) => (task, Ok(results)),
            Err(panic) => (panic.id(), Err(SendError::Failed(panic.to_string()))),
        };
        let Some(Group { deliveries, .. }) = self.in_flight.remove(&task) else {
            return;
        };
        let results = results.unwrap_or_else(|panic| vec![Err(panic); deliveries.len()]);
        if let Some(Delivery { receiver, .. }) = deliveries.first() {
            self.note_receiver(receiver, &results);
        }
        for (delivery, result) in deliveries.iter().zip(results) {
            let outcome = match result {
                Ok(()) => self.note_success(delivery),
                Err(error) => self.note_failure(delivery, &error),
            };
            metrics::counter!(EVENT_ATTEMPTS, "outcome" => outcome).increment(1);
        }
    }

    /// Records what a group of results says about their receiver: nothing if no event left this process.
    fn note_receiver(&mut self, receiver: &str, results: &[Result<(), SendError>]) {
        let is_local = |result: &Result<_, _>| matches!(result, Err(SendError::Local(_)));
        if results.iter().all(is_local) {
            return;
        }
        self.receivers
            .note(receiver, results.iter().any(Result::is_ok));
        let is_failure = |result: &Result<_, _>| {
            matches!(result, Err(SendError::Failed(_) | SendError::Local(_)))
        };
        if self.refusals.note(receiver, results.iter().all(is_failure)) {
            self.refusing.insert(receiver.to_owned());
        }
    }

    fn note_success(&mut self, delivery: &Delivery) -> &'static str {
        self.delivered.push(DeliveredAttempt {
            id: delivery.id,
            version: delivery.version,
        });
        "delivered"
    }

    fn note_failure(&mut self, delivery: &Delivery, error: &SendError) -> &'static str {
        let retry_after = match error {
            SendError::Failed(_) | SendError::Local(_) => {
                schedule::retry_after(delivery.attempt, delivery.tried_for)
            }
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
                    "job.id":% = delivery.job_id, "event.id" = delivery.event_id,
                    "event.destination" = shown(&delivery.destination),
                    "event.outcome" = outcome, "error" = error.summary();
                    "a completion event was not delivered"
                );
            });
        }
        self.failed.push(FailedAttempt {
            id: delivery.id,
            version: delivery.version,
            error: error.summary(),
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

    /// Gives up events of a day ago for receivers that accept nothing. If that fails, the next failure of such a receiver
    /// leads to it again; events for others must not wait for it.
    async fn give_up_untried(&mut self) {
        if self.refusing.is_empty() {
            return;
        }
        let refusing: Vec<_> = self.refusing.drain().collect();
        let statement = move |connection: &mut diesel::PgConnection| {
            settle::give_up_untried(connection, &refusing)
        };
        let receivers = match self.pool.run(statement).await {
            Ok(receivers) => receivers,
            Err(error) => {
                log::warn!(error:%; "completion events of a day ago can't be given up; trying again later");
                return;
            }
        };
        for given_up in receivers {
            log::warn!(
                "event.destination" = shown(&given_up.receiver), "events.given_up" = given_up.number;
                "gave up completion events that were not tried within a day, because their receiver accepts none"
            );
            let number = u64::try_from(given_up.number).unwrap_or_default();
            metrics::counter!(EVENT_ATTEMPTS, "outcome" => "given_up").increment(number);
        }
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
