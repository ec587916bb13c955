//! The state of the worker, as its loop reports it and the admin endpoint shows it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The state of the worker. Clones share it.
#[derive(Debug, Clone)]
pub struct Health {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// A poll that takes longer than this is considered dead.
    longest_poll: Duration,
    state: Mutex<State>,
    database_in_doubt: AtomicBool,
    has_been_ready: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    poll_since: Option<Instant>,
    queue: QueueState,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) enum QueueState {
    #[default]
    Unknown,
    Answers,
    Fails(String),
}

impl Health {
    /// Creates the state of a worker whose polls may take up to `longest_poll`.
    pub fn new(longest_poll: Duration) -> Self {
        let inner = Inner {
            longest_poll,
            state: Mutex::default(),
            database_in_doubt: AtomicBool::new(false),
            has_been_ready: AtomicBool::new(false),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Records that a poll has begun.
    pub fn poll_began(&self) {
        self.state(|state| state.poll_since = Some(Instant::now()));
    }

    /// Records that the queue answered the poll.
    pub fn poll_ended(&self) {
        self.state(|state| {
            if matches!(state.queue, QueueState::Fails(_)) {
                log::info!("the queue answers again");
            }
            *state = State {
                poll_since: None,
                queue: QueueState::Answers,
            };
        });
    }

    /// Records that the queue did not answer the poll, or refused it. Logs each new reason once.
    pub fn poll_failed(&self, error: &str) {
        self.state(|state| {
            let failed = QueueState::Fails(error.to_owned());
            if state.queue != failed {
                log::error!(error; "could not poll the queue; trying again with a growing backoff");
            }
            *state = State {
                poll_since: None,
                queue: failed,
            };
        });
    }

    /// Records that a query failed, so that the next poll waits until the database answers.
    pub fn database_failed(&self) {
        self.inner.database_in_doubt.store(true, Ordering::Relaxed);
    }

    /// Records that the database answers again.
    pub fn database_answered(&self) {
        self.inner.database_in_doubt.store(false, Ordering::Relaxed);
    }

    /// Returns whether a query has failed and the database has not answered since.
    pub fn is_database_in_doubt(&self) -> bool {
        self.inner.database_in_doubt.load(Ordering::Relaxed)
    }

    /// Records that the worker could run jobs.
    pub(crate) fn was_ready(&self) {
        self.inner.has_been_ready.store(true, Ordering::Relaxed);
    }

    /// Returns whether the worker could run jobs at any time.
    pub(crate) fn has_been_ready(&self) -> bool {
        self.inner.has_been_ready.load(Ordering::Relaxed)
    }

    /// Returns whether polling continues.
    pub(crate) fn is_alive(&self) -> bool {
        self.state(|state| {
            state
                .poll_since
                .is_none_or(|since| since.elapsed() <= self.inner.longest_poll)
        })
    }

    pub(crate) fn queue(&self) -> QueueState {
        self.state(|state| state.queue.clone())
    }

    fn state<T>(&self, access: impl FnOnce(&mut State) -> T) -> T {
        access(
            &mut self
                .inner
                .state
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}
