//! Notifies waiting requests when their jobs change. A waiting request needs no thread, connection or query of its own.
//!
//! One task reads all watched jobs. It reads a job as soon as the database sends a notification that the job has changed.
//! Because notifications can get lost, it also reads all watched jobs every few seconds.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shared_model::database::{DatabaseError, Pool};
use shared_model::job::{Job, JobId};
use shared_model::job_store::requests;
use shared_model::listener::{self, JOB_CHANGED};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use uuid::Uuid;

/// How often all watched jobs are read, with or without notifications.
const READ_INTERVAL: Duration = Duration::from_secs(3);
/// The maximum number of jobs in one query.
const CHUNK: usize = 500;

/// The watched jobs.
#[derive(Debug, Default)]
pub struct JobWatch {
    watched: Mutex<HashMap<JobId, watch::Sender<Option<Job>>>>,
    changed: Mutex<HashSet<JobId>>,
    wake: Notify,
}

/// The states of one job, each newer than the one before. Dropping this ends the watch.
#[derive(Debug)]
pub struct Watching {
    states: watch::Receiver<Option<Job>>,
    /// The lowest version that may be returned next.
    from: i64,
}

impl Watching {
    /// Waits for the next state and returns it. If the job has changed several times, this skips to its newest state.
    /// Returns `None` if the job no longer exists.
    pub async fn next(&mut self) -> Option<Job> {
        loop {
            // the last state read for another request may be older than the state that this client has seen, perhaps
            // from another process
            let newer = self
                .states
                .borrow_and_update()
                .as_ref()
                .filter(|job| job.version >= self.from)
                .cloned();
            if let Some(job) = newer {
                self.from = job.version + 1;
                return Some(job);
            }
            self.states.changed().await.ok()?;
        }
    }

    /// Waits until the job has ended and returns it. Returns `None` if it has not ended by `deadline`, or no longer exists.
    pub async fn ended(&mut self, deadline: Instant) -> Option<Job> {
        let ended = async {
            loop {
                match self.next().await {
                    Some(job) if !job.status.is_terminal() => {}
                    ended => return ended,
                }
            }
        };
        tokio::time::timeout_at(deadline, ended).await.ok()?
    }
}

impl JobWatch {
    /// Watches a job for states of version `from` or higher, including its current state.
    pub fn watch(&self, id: JobId, from: i64) -> Watching {
        let states = lock(&self.watched)
            .entry(id)
            .or_insert_with(|| watch::Sender::new(None))
            .subscribe();
        self.mark([id]);
        Watching { states, from }
    }

    /// Reads jobs and notifies their watchers, forever.
    pub async fn run(&self, pool: &Pool) {
        tokio::join!(
            listener::listen(pool.clone(), JOB_CHANGED, |payload| self
                .on_notification(payload)),
            self.read_changes(pool),
        );
    }

    fn on_notification(&self, payload: &str) {
        let ids = payload.split(' ').map(str::parse::<Uuid>);
        match ids.collect::<Result<Vec<Uuid>, _>>() {
            Ok(ids) => {
                let mut ids: Vec<JobId> = ids.into_iter().map(JobId).collect();
                {
                    let watched = lock(&self.watched);
                    ids.retain(|id| watched.contains_key(id));
                }
                self.mark(ids);
            }
            // any job may have changed: the payload is empty, also after the listener has reconnected
            Err(_) => self.mark_all(),
        }
    }

    fn mark(&self, ids: impl IntoIterator<Item = JobId>) {
        let mut changed = lock(&self.changed);
        changed.extend(ids);
        if !changed.is_empty() {
            self.wake.notify_one();
        }
    }

    fn mark_all(&self) {
        let ids: Vec<JobId> = {
            let mut watched = lock(&self.watched);
            watched.retain(|_, sender| sender.receiver_count() > 0);
            watched.keys().copied().collect()
        };
        self.mark(ids);
    }

    async fn read_changes(&self, pool: &Pool) {
        let mut interval = tokio::time::interval(READ_INTERVAL);
        loop {
            tokio::select! {
                () = self.wake.notified() => {}
                _ = interval.tick() => self.mark_all(),
            }
            let ids: Vec<JobId> = std::mem::take(&mut *lock(&self.changed))
                .into_iter()
                .collect();
            for chunk in ids.chunks(CHUNK) {
                self.read(pool, chunk.to_vec()).await;
            }
        }
    }

    async fn read(&self, pool: &Pool, ids: Vec<JobId>) {
        let queried = ids.clone();
        let jobs = pool.run(move |connection| requests::find_many(connection, &queried));
        let jobs: Result<Vec<Job>, DatabaseError> = jobs.await;
        // the next interval reads them again
        let Ok(jobs) = jobs else { return };
        let mut jobs: HashMap<JobId, Job> = jobs.into_iter().map(|job| (job.id, job)).collect();
        let mut watched = lock(&self.watched);
        for id in ids {
            match (watched.get(&id), jobs.remove(&id)) {
                (Some(sender), Some(job)) => {
                    sender.send_if_modified(|known| {
                        let is_new = known
                            .as_ref()
                            .is_none_or(|known| known.version < job.version);
                        if is_new {
                            *known = Some(job);
                        }
                        is_new
                    });
                }
                (Some(_), None) => drop(watched.remove(&id)),
                (None, _) => {}
            }
        }
    }
}

/// A panic while the lock was held can't leave these collections in an invalid state.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_names_the_jobs_to_read_or_none_for_all() {
        let watch = JobWatch::default();
        let ids = [(); 3].map(|()| JobId::new());
        let _watching = ids.map(|id| watch.watch(id, 1));
        let changed = |payload: &str| {
            lock(&watch.changed).clear();
            watch.on_notification(payload);
            std::mem::take(&mut *lock(&watch.changed))
        };
        let stranger = JobId::new();
        let two = format!("{} {stranger} {}", ids[0], ids[2]);
        assert_eq!(changed(&two), HashSet::from([ids[0], ids[2]]));
        assert_eq!(changed(&stranger.to_string()), HashSet::new());
        assert_eq!(changed(""), HashSet::from(ids));
    }
}
