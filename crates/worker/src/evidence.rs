//! Reports the progress of the queue to the database, by which lost messages are found: see
//! [`shared_model::job_store::evidence`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use job_queue::Subscription;
use shared_model::database::Pool;
use shared_model::job_store::evidence::{self, Observation};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// The time between two reports.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long polls have to stay empty before a queue counts as empty.
const SILENCE: Duration = Duration::from_secs(1);
/// The time between two questions to a queue until when it is drained.
const DRAINED_INTERVAL: Duration = Duration::from_secs(5);

/// What this worker observes. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Evidence(Arc<Mutex<Observed>>);

#[derive(Debug, Default)]
struct Observed {
    newest_delivered: Option<DateTime<Utc>>,
    has_received: bool,
    /// When the first of the latest empty polls began.
    quiet_since: Option<Instant>,
    /// When the last of them ended, unless that has been reported.
    quiet_until: Option<Instant>,
    /// Whether the queue does not keep the order of messages: then neither a later message nor an empty poll shows that one
    /// is lost, but only the queue's word that it is drained.
    is_unordered: bool,
}

impl Evidence {
    /// Records that the queue does not keep the order of messages.
    pub fn expect_no_order(&self) {
        self.lock().is_unordered = true;
    }

    /// Records a poll that began at `began`, and whether it returned nothing.
    pub fn polled(&self, began: Instant, is_empty: bool) {
        let mut observed = self.lock();
        if observed.is_unordered {
            observed.has_received |= !is_empty;
            return;
        }
        if is_empty {
            observed.quiet_since.get_or_insert(began);
            observed.quiet_until = Some(Instant::now());
        } else {
            observed.has_received = true;
            observed.quiet_since = None;
            observed.quiet_until = None;
        }
    }

    /// Asks a queue that keeps no order until when it is drained, every 5 s, forever. It is also asked while messages arrive:
    /// under steady load, messages always do.
    pub(crate) async fn ask(self, queue: Arc<dyn Subscription>) {
        let mut ticks = interval(DRAINED_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match queue.drained_until().await {
                Ok(Some(until)) => self.drained(until),
                Ok(None) => {}
                Err(error) => {
                    log::debug!(error:%; "the queue did not say until when it is drained");
                }
            }
        }
    }

    /// Records that everything has been received and settled that was sent before `until`.
    pub fn drained(&self, until: Instant) {
        let mut observed = self.lock();
        // as after a poll that was empty for long enough
        observed.quiet_since = until.checked_sub(SILENCE);
        observed.quiet_until = Some(until);
    }

    /// Records that the queue is not polled for a while: what follows is another silence.
    pub fn interrupted(&self) {
        let mut observed = self.lock();
        observed.quiet_since = None;
        observed.quiet_until = None;
    }

    /// Records that the message of a job arrived that was accepted at `created_at`.
    pub fn delivered(&self, created_at: DateTime<Utc>) {
        let mut observed = self.lock();
        if !observed.is_unordered {
            observed.newest_delivered = observed.newest_delivered.max(Some(created_at));
        }
    }

    /// Reports what was observed about the queue with the name `queue`, forever. `serial_silence` is given if the queue
    /// delivers one message at a time.
    pub(crate) async fn report(self, pool: Pool, queue: String, serial_silence: Option<Duration>) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            let Some(observation) = self.take(serial_silence) else {
                continue;
            };
            let queue = queue.clone();
            let recorded =
                pool.run(move |connection| evidence::record(connection, &queue, observation));
            if let Err(error) = recorded.await {
                log::debug!(error:%; "could not report the progress of the queue");
            }
        }
    }

    /// Returns what was observed since the last call, or `None` if that is nothing.
    fn take(&self, serial_silence: Option<Duration>) -> Option<Observation> {
        let silence = serial_silence.unwrap_or(SILENCE);
        let mut observed = self.lock();
        let quiet = observed.quiet_since.zip(observed.quiet_until.take());
        let empty_until = quiet.filter(|(since, until)| *until - *since >= silence);
        let observation = Observation {
            newest_delivered: observed.newest_delivered.take(),
            has_received: std::mem::take(&mut observed.has_received),
            empty_since: empty_until.map(|(_, until)| until.elapsed() + silence),
            is_serial: serial_silence.is_some(),
        };
        let is_nothing = observation.newest_delivered.is_none()
            && !observation.has_received
            && observation.empty_since.is_none();
        (!is_nothing).then_some(observation)
    }

    /// A panic while the lock was held can't leave these values in an invalid state.
    fn lock(&self) -> MutexGuard<'_, Observed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    /// Polls a queue that returns nothing for this long.
    async fn poll_in_vain(evidence: &Evidence, seconds: u64) {
        let began = Instant::now();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        evidence.polled(began, true);
    }

    #[tokio::test(start_paused = true)]
    async fn polls_that_stay_empty_for_a_second_show_an_empty_queue() {
        let evidence = Evidence::default();
        evidence.polled(Instant::now(), true);
        assert_eq!(evidence.take(None), None);
        poll_in_vain(&evidence, 20).await;
        tokio::time::advance(Duration::from_millis(300)).await;
        let observation = evidence.take(None).unwrap();
        assert_eq!(observation.empty_since, Some(Duration::from_millis(1300)));
        assert!(!observation.is_serial);
        assert_eq!(evidence.take(None), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_serial_queue_counts_as_empty_after_a_longer_silence() {
        let evidence = Evidence::default();
        poll_in_vain(&evidence, 40).await;
        assert_eq!(evidence.take(Some(MINUTE)), None);
        poll_in_vain(&evidence, 20).await;
        let observation = evidence.take(Some(MINUTE)).unwrap();
        assert_eq!(observation.empty_since, Some(MINUTE));
        assert!(observation.is_serial);
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_without_polls_is_no_silence() {
        let evidence = Evidence::default();
        poll_in_vain(&evidence, 20).await;
        evidence.interrupted();
        assert_eq!(evidence.take(None), None);
        tokio::time::advance(MINUTE).await;
        evidence.polled(Instant::now(), true);
        assert_eq!(evidence.take(None), None);
    }

    #[tokio::test(start_paused = true)]
    async fn without_order_only_a_drained_queue_is_evidence() {
        let evidence = Evidence::default();
        evidence.expect_no_order();
        evidence.delivered(DateTime::UNIX_EPOCH);
        poll_in_vain(&evidence, 20).await;
        assert_eq!(evidence.take(None), None);

        evidence.drained(Instant::now());
        tokio::time::advance(Duration::from_secs(2)).await;
        // What arrives meanwhile was sent later.
        evidence.polled(Instant::now(), false);
        let observation = evidence.take(None).unwrap();
        assert_eq!(observation.empty_since, Some(Duration::from_secs(3)));
        assert_eq!(observation.newest_delivered, None);
        assert!(observation.has_received);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_ends_a_silence() {
        let evidence = Evidence::default();
        poll_in_vain(&evidence, 20).await;
        evidence.polled(Instant::now(), false);
        let observation = evidence.take(None).unwrap();
        assert_eq!(observation.empty_since, None);
        assert!(observation.has_received);
    }
}
