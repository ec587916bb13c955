//! A publisher whose behaviour a test controls.

use std::collections::VecDeque;
use std::sync::Mutex;

use job_queue::{Published, Publisher, QueueError};
use shared_model::job::JobId;
use shared_model::message::JobMessage;
use tokio::sync::Semaphore;

/// The behaviour of one call.
#[derive(Debug)]
pub(crate) enum Behaviour {
    /// The call fails, and no message arrives.
    Fail,
    /// The queue rejects this many messages at the start of the batch and accepts the others.
    RejectFirst(usize),
    /// The queue accepts all messages, but never responds.
    AcceptAndHang,
}

/// A publisher that accepts all messages, except in calls with another behaviour.
#[derive(Debug)]
pub(crate) struct TestPublisher {
    next: Mutex<VecDeque<Behaviour>>,
    arrived: Mutex<Vec<JobMessage>>,
    calls: Semaphore,
}

impl Default for TestPublisher {
    fn default() -> Self {
        Self {
            next: Mutex::default(),
            arrived: Mutex::default(),
            calls: Semaphore::new(0),
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
        arrived.iter().map(|message| message.job_id).collect()
    }

    /// Waits for the next call. Each call ends one wait.
    pub(crate) async fn called(&self) {
        self.calls.acquire().await.unwrap().forget();
    }
}

#[async_trait::async_trait]
impl Publisher for TestPublisher {
    async fn publish(&self, messages: &[JobMessage]) -> Result<Published, QueueError> {
        let behaviour = self.next.lock().unwrap().pop_front();
        let rejected = match behaviour {
            None | Some(Behaviour::AcceptAndHang) => 0,
            Some(Behaviour::RejectFirst(count)) => count,
            Some(Behaviour::Fail) => messages.len(),
        };
        let (rejected, accepted) = messages.split_at(rejected);
        self.arrived.lock().unwrap().extend_from_slice(accepted);
        self.calls.add_permits(1);

        let why = "the test wants this failure".to_owned();
        match behaviour {
            Some(Behaviour::Fail) => Err(QueueError::Unavailable(why)),
            Some(Behaviour::AcceptAndHang) => std::future::pending().await,
            None | Some(Behaviour::RejectFirst(_)) => Ok(Published {
                sent: accepted.iter().map(|message| message.job_id).collect(),
                failed: rejected
                    .iter()
                    .map(|message| (message.job_id, why.clone()))
                    .collect(),
            }),
        }
    }

    async fn check(&self) -> Result<(), QueueError> {
        Ok(())
    }
}
