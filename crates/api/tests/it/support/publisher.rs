//! A publisher whose behaviour a test controls.

use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use job_queue::{Findings, Published, Publisher, QueueDepth, QueueError};
use shared_model::job::JobId;
use shared_model::job_store::outbox::SendKey;
use shared_model::message::{JobMessage, OutboundMessage};
use tokio::sync::Semaphore;

/// The behaviour of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// The call fails, and no message arrives.
    Fail,
    /// The queue accepts all messages, but never responds.
    AcceptAndHang,
}

/// A publisher that accepts all messages, except in calls with another behaviour.
#[derive(Debug)]
pub(crate) struct TestPublisher {
    next: Mutex<VecDeque<Behaviour>>,
    arrived: Mutex<Vec<OutboundMessage>>,
    refused: Mutex<HashSet<JobId>>,
    refusals: AtomicUsize,
    largest_batch: AtomicUsize,
    calls: Semaphore,
    depth: Mutex<Result<QueueDepth, QueueError>>,
    found: Mutex<Findings>,
    looks: Semaphore,
}

impl Default for TestPublisher {
    fn default() -> Self {
        Self {
            next: Mutex::default(),
            arrived: Mutex::default(),
            refused: Mutex::default(),
            refusals: AtomicUsize::new(0),
            largest_batch: AtomicUsize::new(0),
            calls: Semaphore::new(0),
            depth: Mutex::new(Ok(QueueDepth {
                visible: 0,
                in_flight: Some(0),
                delayed: 0,
                dead_letters: Ok(None),
            })),
            found: Mutex::default(),
            looks: Semaphore::new(0),
        }
    }
}

impl TestPublisher {
    /// Sets the behaviour of the next calls.
    pub(crate) fn then(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        self.next.lock().unwrap().extend(behaviours);
    }

    /// Returns the jobs whose messages have arrived, in order of arrival.
    pub(crate) fn arrived(&self) -> Vec<JobId> {
        let arrived = self.arrived.lock().unwrap();
        arrived
            .iter()
            .map(|outbound| outbound.message.job_id)
            .collect()
    }

    /// Returns the messages that have arrived for a job.
    pub(crate) fn messages_for(&self, id: JobId) -> Vec<JobMessage> {
        let arrived = self.arrived.lock().unwrap();
        let messages = arrived.iter().map(|outbound| outbound.message.clone());
        messages.filter(|message| message.job_id == id).collect()
    }

    /// Lets the queue refuse the message of this job in every call.
    pub(crate) fn refuse(&self, id: JobId) {
        self.refused.lock().unwrap().insert(id);
    }

    /// Returns how often a message was refused because of [`refuse`](Self::refuse).
    pub(crate) fn refusals(&self) -> usize {
        self.refusals.load(Ordering::SeqCst)
    }

    /// Returns the number of messages in the largest call.
    pub(crate) fn largest_batch(&self) -> usize {
        self.largest_batch.load(Ordering::SeqCst)
    }

    /// Sets what counting the messages returns.
    pub(crate) fn set_depth(&self, depth: Result<QueueDepth, QueueError>) {
        *self.depth.lock().unwrap() = depth;
    }

    /// Lets the queue answer a look at it. Before that, it does not.
    pub(crate) fn answer_look(&self, found: Findings) {
        *self.found.lock().unwrap() = found;
        self.looks.add_permits(1);
    }

    /// Returns whether an answer has been taken.
    pub(crate) fn has_answered_look(&self) -> bool {
        self.looks.available_permits() == 0
    }

    /// Waits for the next call. Each call ends one wait.
    pub(crate) async fn called(&self) {
        self.calls.acquire().await.unwrap().forget();
    }
}

#[async_trait::async_trait]
impl Publisher for TestPublisher {
    async fn publish(&self, messages: &[OutboundMessage]) -> Result<Published, QueueError> {
        let behaviour = self.next.lock().unwrap().pop_front();
        self.largest_batch
            .fetch_max(messages.len(), Ordering::SeqCst);
        let (rejected, accepted): (Vec<_>, Vec<_>) = {
            let refused = self.refused.lock().unwrap();
            let is_rejected = |outbound: &OutboundMessage| {
                behaviour == Some(Behaviour::Fail) || refused.contains(&outbound.message.job_id)
            };
            messages.iter().cloned().partition(is_rejected)
        };
        self.refusals.fetch_add(rejected.len(), Ordering::SeqCst);
        self.arrived.lock().unwrap().extend_from_slice(&accepted);
        self.calls.add_permits(1);

        let why = "the test wants this failure".to_owned();
        match behaviour {
            Some(Behaviour::Fail) => Err(QueueError::Unavailable(why)),
            Some(Behaviour::AcceptAndHang) => std::future::pending().await,
            None => Ok(Published {
                sent: accepted.iter().map(SendKey::from).collect(),
                failed: rejected
                    .iter()
                    .map(|message| (SendKey::from(message), why.clone()))
                    .collect(),
            }),
        }
    }

    async fn inspect(&self) -> Result<Findings, QueueError> {
        self.looks.acquire().await.unwrap().forget();
        Ok(self.found.lock().unwrap().clone())
    }

    async fn depth(&self) -> Result<QueueDepth, QueueError> {
        self.depth.lock().unwrap().clone()
    }
}
