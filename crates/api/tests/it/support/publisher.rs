//! A queue whose sending half does as it is told.

use std::collections::VecDeque;
use std::sync::Mutex;

use job_queue::{Published, Publisher, QueueError};
use shared_model::job::JobId;
use shared_model::message::JobMessage;
use tokio::sync::Semaphore;

/// What becomes of one call.
#[derive(Debug)]
pub(crate) enum Behaviour {
    /// The call fails as a whole, and nothing arrived.
    Fail,
    /// The queue refuses the first so many of the batch and takes the rest.
    RefuseFirst(usize),
    /// The queue takes everything, and the answer never comes.
    TakeAndHang,
}

/// Takes everything, unless it was told otherwise for a call.
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
    /// Sets what becomes of the next calls.
    pub(crate) fn then(&self, behaviours: impl IntoIterator<Item = Behaviour>) {
        self.next.lock().unwrap().extend(behaviours);
    }

    /// The jobs whose messages the queue has, in order of arrival.
    pub(crate) fn arrived(&self) -> Vec<JobId> {
        let arrived = self.arrived.lock().unwrap();
        arrived.iter().map(|message| message.job_id).collect()
    }

    /// Waits for the next call that was not waited for yet.
    pub(crate) async fn called(&self) {
        self.calls.acquire().await.unwrap().forget();
    }
}

#[async_trait::async_trait]
impl Publisher for TestPublisher {
    async fn publish(&self, messages: &[JobMessage]) -> Result<Published, QueueError> {
        let behaviour = self.next.lock().unwrap().pop_front();
        let refused = match behaviour {
            None | Some(Behaviour::TakeAndHang) => 0,
            Some(Behaviour::RefuseFirst(count)) => count,
            Some(Behaviour::Fail) => messages.len(),
        };
        let (refused, taken) = messages.split_at(refused);
        self.arrived.lock().unwrap().extend_from_slice(taken);
        self.calls.add_permits(1);

        let why = "as the test wants".to_owned();
        match behaviour {
            Some(Behaviour::Fail) => Err(QueueError::Unavailable(why)),
            Some(Behaviour::TakeAndHang) => std::future::pending().await,
            None | Some(Behaviour::RefuseFirst(_)) => Ok(Published {
                sent: taken.iter().map(|message| message.job_id).collect(),
                failed: refused
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
