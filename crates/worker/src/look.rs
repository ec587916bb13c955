//! Looks at the queue when the worker starts: whether it can work, and what does not suit this worker.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use job_queue::{QueueError, Subscription, WorkerNeeds, findings};
use shared_model::processes::{self, ProcessState, Role};
use shared_model::startup::StartupError;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::database::Database;

/// How long the worker waits for the queue's answer before it begins to receive.
const PATIENCE: Duration = Duration::from_secs(5);

/// A look at a queue, which lasts until the queue answers.
#[derive(Debug)]
pub struct Look(Option<AbortOnDropHandle<Vec<String>>>);

impl Look {
    /// Looks at the queue, and waits up to 5 s for its answer. If it answers later that it can't work, `drain` is cancelled.
    /// `needs` are those of a worker that runs alone; the others are counted for each look.
    ///
    /// # Errors
    /// Returns an error if the queue answers in time that it can't work.
    pub async fn begin(
        subscription: Arc<dyn Subscription>,
        needs: WorkerNeeds,
        database: Database,
        drain: CancellationToken,
    ) -> Result<Self, StartupError> {
        let mut looking = Box::pin(findings::until_answered(move || {
            let (subscription, database) = (Arc::clone(&subscription), database.clone());
            async move {
                let workers = needs.workers + other_workers(&database).await?;
                subscription.inspect(WorkerNeeds { workers, ..needs }).await
            }
        }));
        let answer = timeout(PATIENCE, &mut looking);
        if let Some(Ok(unusable)) = drain.run_until_cancelled(answer).await {
            return outcome(unusable).map(|()| Self(None));
        }
        let looking = tokio::spawn(async move {
            let unusable = looking.await;
            for reason in &unusable {
                log::error!("{reason}");
            }
            if !unusable.is_empty() {
                drain.cancel();
            }
            unusable
        });
        Ok(Self(Some(AbortOnDropHandle::new(looking))))
    }

    /// Ends the look.
    ///
    /// # Errors
    /// Returns an error if the queue has answered that it can't work.
    pub fn end(self) -> Result<(), StartupError> {
        let answer = self.0.and_then(FutureExt::now_or_never);
        outcome(answer.and_then(Result::ok).unwrap_or_default())
    }
}

fn outcome(unusable: Vec<String>) -> Result<(), StartupError> {
    if unusable.is_empty() {
        Ok(())
    } else {
        Err(StartupError::UnusableQueue(unusable))
    }
}

/// Returns how many workers run besides this one.
async fn other_workers(database: &Database) -> Result<u32, QueueError> {
    let this = database.process.id();
    let processes = database.pool.run(processes::list).await?;
    let others = processes.iter().filter(|process| {
        process.role == Role::Worker
            && process.state == ProcessState::Running
            && Some(process.id) != this
    });
    Ok(u32::try_from(others.count()).unwrap_or(u32::MAX))
}
