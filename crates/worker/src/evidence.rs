//! Reports the progress of the queue to the database, by which lost messages are found: see
//! [`shared_model::job_store::evidence`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use shared_model::database::Pool;
use shared_model::job_store::evidence::{self, Observation};
use tokio::time::Instant;

/// The time between two reports, and how long polls have to stay empty before the queue counts as empty.
const INTERVAL: Duration = Duration::from_secs(1);

/// What this worker observes. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Evidence(Arc<Mutex<Observed>>);

#[derive(Debug, Default)]
struct Observed {
    newest_delivered: Option<DateTime<Utc>>,
    /// When the first of the latest empty polls began.
    quiet_since: Option<Instant>,
    /// When the latest second ended in which all polls were empty.
    empty_until: Option<Instant>,
}

impl Evidence {
    /// Records a poll that began at `began`, and whether it returned nothing.
    pub fn polled(&self, began: Instant, is_empty: bool) {
        let mut observed = self.lock();
        if !is_empty {
            observed.quiet_since = None;
            return;
        }
        let quiet_since = *observed.quiet_since.get_or_insert(began);
        if quiet_since.elapsed() >= INTERVAL {
            observed.empty_until = Some(Instant::now());
        }
    }

    /// Records that the message of a job arrived that was accepted at `created_at`.
    pub fn delivered(&self, created_at: DateTime<Utc>) {
        let mut observed = self.lock();
        observed.newest_delivered = observed.newest_delivered.max(Some(created_at));
    }

    /// Reports what was observed about the queue with the name `queue`, forever.
    pub async fn report(self, pool: Pool, queue: String, is_serial: bool) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            let Some(observation) = self.take(is_serial) else {
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
    fn take(&self, is_serial: bool) -> Option<Observation> {
        let mut observed = self.lock();
        let empty_until = observed.empty_until.take();
        let observation = Observation {
            newest_delivered: observed.newest_delivered.take(),
            empty_since: empty_until.map(|until| until.elapsed() + INTERVAL),
            is_serial,
        };
        let is_nothing =
            observation.newest_delivered.is_none() && observation.empty_since.is_none();
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

    #[tokio::test(start_paused = true)]
    async fn polls_that_stay_empty_for_a_second_show_an_empty_queue() {
        let evidence = Evidence::default();
        evidence.polled(Instant::now(), true);
        assert_eq!(evidence.take(false), None);
        let began = Instant::now();
        tokio::time::advance(Duration::from_secs(20)).await;
        evidence.polled(began, true);
        tokio::time::advance(Duration::from_millis(300)).await;
        let observation = evidence.take(true).unwrap();
        assert_eq!(observation.empty_since, Some(Duration::from_millis(1300)));
        assert!(observation.is_serial);
        assert_eq!(evidence.take(false), None);
    }
}
