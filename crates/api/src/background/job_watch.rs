//! Tells requests that wait of their jobs' changes, without a thread, a connection or a query of their own.
//!
//! One task reads all watched jobs together: those that the database says have changed, at once, and all of them every
//! few seconds, as what the database says may get lost.

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

/// How often every watched job is read, whatever the database said.
const LOOK_INTERVAL: Duration = Duration::from_secs(3);
/// Jobs of one query.
const CHUNK: usize = 500;

/// The watched jobs.
#[derive(Debug, Default)]
pub struct JobWatch {
    watched: Mutex<HashMap<JobId, watch::Sender<Option<Job>>>>,
    changed: Mutex<HashSet<JobId>>,
    wake: Notify,
}

/// One job's states as they come, each newer than the one before. Dropping it ends the watching.
#[derive(Debug)]
pub struct Watching {
    states: watch::Receiver<Option<Job>>,
    /// The lowest version that is given next.
    from: i64,
}

impl Watching {
    /// The next state. Only the newest counts: states that came and went in between are left out. `None`: the job is
    /// gone.
    pub async fn next(&mut self) -> Option<Job> {
        loop {
            // what was read for somebody else may be older than what this one has seen, here or at another process
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

    /// Waits until the job has ended, at the longest until `deadline`. `None`: it has not, or is gone.
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
    /// Watches a job for its states of version `from` and later, such as the one that it has now.
    pub fn watch(&self, id: JobId, from: i64) -> Watching {
        let states = lock(&self.watched)
            .entry(id)
            .or_insert_with(|| watch::Sender::new(None))
            .subscribe();
        self.mark(id);
        Watching { states, from }
    }

    /// Reads and tells, for ever.
    pub async fn run(&self, pool: &Pool) {
        tokio::join!(
            listener::listen(pool.clone(), JOB_CHANGED, |payload| self.heard(payload)),
            self.read_on(pool),
        );
    }

    fn heard(&self, payload: &str) {
        match payload.parse::<Uuid>() {
            Ok(id) if lock(&self.watched).contains_key(&JobId(id)) => self.mark(JobId(id)),
            Ok(_) => {}
            // the connection is new: anything may have changed
            Err(_) => self.mark_all(),
        }
    }

    fn mark(&self, id: JobId) {
        lock(&self.changed).insert(id);
        self.wake.notify_one();
    }

    fn mark_all(&self) {
        let ids: Vec<JobId> = {
            let mut watched = lock(&self.watched);
            watched.retain(|_, sender| sender.receiver_count() > 0);
            watched.keys().copied().collect()
        };
        lock(&self.changed).extend(ids);
        self.wake.notify_one();
    }

    async fn read_on(&self, pool: &Pool) {
        let mut look = tokio::time::interval(LOOK_INTERVAL);
        loop {
            tokio::select! {
                () = self.wake.notified() => {}
                _ = look.tick() => self.mark_all(),
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
        let asked = ids.clone();
        let jobs = pool.run(move |connection| requests::find_many(connection, &asked));
        let jobs: Result<Vec<Job>, DatabaseError> = jobs.await;
        // the next look asks again
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

/// A panic while the lock was held leaves plain sets behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
