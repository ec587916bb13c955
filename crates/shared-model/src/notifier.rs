//! Sends PostgreSQL's NOTIFY, a few times a second at most, and never in a transaction that writes.
//!
//! A commit with a notification takes a lock that all databases of the server share, and holds it until the WAL is
//! flushed. In the transactions that store jobs, notifications would limit the whole service to one commit after the
//! other. A notification is only a hint, so it may as well follow in a transaction of its own, which flushes nothing, and
//! one transaction can carry many.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use diesel::RunQueryDsl;
use diesel::sql_types::{Array, Text};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::database::{DatabaseError, Pool, prepared};
use crate::job::JobId;
use crate::listener::{JOB_CHANGED, JOB_DUE};

/// The time between two rounds of notifications, on average.
const INTERVAL: Duration = Duration::from_millis(4);
/// How many rounds may follow the first one immediately after a quiet time, so that jobs that come alone do not wait for
/// each other's notifications.
const BURST: u32 = 3;
/// How many ids fit into one payload, which PostgreSQL limits to 8,000 bytes.
const IDS_PER_PAYLOAD: usize = 200;
/// With more changed jobs than this, listeners are asked to look at all their jobs instead.
const MAX_CHANGED: usize = 10_000;

/// What still has to be sent.
#[derive(Debug, Default)]
struct Pending {
    is_job_due: bool,
    changed: HashSet<JobId>,
    everything_changed: bool,
}

/// Accepts notifications and sends them in the background. Clones share one round.
#[derive(Debug, Clone, Default)]
pub struct Notifier(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    pending: Mutex<Pending>,
    wake: Notify,
}

impl Notifier {
    /// Tells the workers that a job may be claimed now.
    pub fn job_due(&self) {
        self.lock().is_job_due = true;
        self.0.wake.notify_one();
    }

    /// Tells the API processes that the versions of these jobs have grown.
    pub fn jobs_changed(&self, ids: impl IntoIterator<Item = JobId>) {
        let mut pending = self.lock();
        pending.changed.extend(ids);
        if pending.changed.len() > MAX_CHANGED {
            pending.changed.clear();
            pending.everything_changed = true;
        }
        drop(pending);
        self.0.wake.notify_one();
    }

    /// Sends notifications forever.
    pub async fn run(&self, pool: &Pool) {
        // when the next round would be sent if every round waited for its turn
        let mut next_turn = Instant::now();
        loop {
            self.0.wake.notified().await;
            self.flush(pool).await;
            let now = Instant::now();
            next_turn = next_turn.max(now) + INTERVAL;
            // even a sleep until now lasts a millisecond
            if next_turn > now + INTERVAL * BURST {
                tokio::time::sleep_until(next_turn - INTERVAL * BURST).await;
            }
        }
    }

    /// Sends what is pending. If that fails, the listeners find out at their next regular look.
    pub async fn flush(&self, pool: &Pool) {
        let (channels, payloads) = payloads(std::mem::take(&mut *self.lock()));
        if channels.is_empty() {
            return;
        }
        let sent = pool.run::<_, DatabaseError, _>(move |connection| {
            let notify = diesel::sql_query(
                "SELECT pg_notify(channel, payload) FROM unnest($1, $2) AS note (channel, payload)",
            )
            .bind::<Array<Text>, _>(channels)
            .bind::<Array<Text>, _>(payloads);
            Ok(prepared(notify).execute(connection)?)
        });
        if let Err(error) = sent.await {
            log::debug!(error:%; "could not notify other processes; they look at intervals");
        }
    }

    /// A panic while the lock was held can't leave these values in an invalid state.
    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.0
            .pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the channel and the payload of each notification.
fn payloads(pending: Pending) -> (Vec<&'static str>, Vec<String>) {
    let mut notifications = Vec::new();
    if pending.is_job_due {
        notifications.push((JOB_DUE, String::new()));
    }
    if pending.everything_changed {
        notifications.push((JOB_CHANGED, String::new()));
    } else {
        let changed: Vec<JobId> = pending.changed.into_iter().collect();
        for ids in changed.chunks(IDS_PER_PAYLOAD) {
            let ids: Vec<String> = ids.iter().map(JobId::to_string).collect();
            notifications.push((JOB_CHANGED, ids.join(" ")));
        }
    }
    notifications.into_iter().unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_changes_are_sent_in_few_notifications() {
        let notifier = Notifier::default();
        notifier.job_due();
        notifier.job_due();
        notifier.jobs_changed((0..250).map(|_| JobId::new()));
        let (channels, payloads) = payloads(std::mem::take(&mut *notifier.lock()));
        assert_eq!(channels, [JOB_DUE, JOB_CHANGED, JOB_CHANGED]);
        assert!(payloads.iter().all(|payload| payload.len() < 8000));
        let ids = payloads
            .iter()
            .flat_map(|payload| payload.split_whitespace());
        assert_eq!(ids.count(), 250);
    }

    #[test]
    fn too_many_changes_become_a_request_to_look_at_everything() {
        let notifier = Notifier::default();
        notifier.jobs_changed((0..=MAX_CHANGED).map(|_| JobId::new()));
        let (channels, payloads) = payloads(std::mem::take(&mut *notifier.lock()));
        assert_eq!(
            (channels, payloads),
            (vec![JOB_CHANGED], vec![String::new()])
        );
    }
}
