//! Natural batching: one statement for many callers.
//!
//! Items wait in a lane while the previous batch runs. The next batch takes everything that has arrived by then, runs
//! once, and answers each caller. There is no timer, so a lane that is idle adds no latency, and a lane that is busy makes
//! larger batches.
//!
//! A batch that the database rejects is halved until the item that it rejects stands alone: one bad item fails alone. A
//! batch that may succeed later is run again, so running it twice must have the same effect as running it once. The lane
//! is a task of its own: a caller that goes away takes nothing with it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::backoff::Backoff;
use crate::database::DatabaseError;

/// How many items a lane holds before its callers wait: a few batches.
const QUEUED_BATCHES: usize = 4;

/// The limits of a lane's batches.
#[derive(Debug, Clone, Copy)]
pub struct LaneLimits {
    /// How many items one batch holds at most.
    pub items: usize,
    /// The weight of one batch at most. An item that is heavier has a batch of its own.
    pub weight: usize,
    /// How many batches run at the same time.
    pub parallel: usize,
    /// How many times a batch is run if the database is not available, before its callers receive the error.
    pub calls: u32,
    /// How long a batch that is not full waits for more items. Zero, except for calls that are billed.
    pub linger: Duration,
}

impl LaneLimits {
    /// Batches of at most `items` of any weight, one after the other, each run once.
    pub const fn items(items: usize) -> Self {
        Self {
            items,
            weight: usize::MAX,
            parallel: 1,
            calls: 1,
            linger: Duration::ZERO,
        }
    }
}

/// An item waits in the lane with the channel on which its caller waits.
type Waiting<I, O> = (I, oneshot::Sender<Result<O, DatabaseError>>);

/// A lane. Clones share it.
#[derive(Debug)]
pub struct Lane<I, O>(mpsc::Sender<Waiting<I, O>>);

impl<I, O> Clone for Lane<I, O> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// What a lane does with its items.
pub trait RunBatch<I, O>: Send + Sync + 'static {
    /// Runs a batch, and returns one answer for each item, in the same order.
    ///
    /// # Errors
    /// Returns an error if the batch as a whole failed.
    fn run(&self, items: Arc<Vec<I>>)
    -> impl Future<Output = Result<Vec<O>, DatabaseError>> + Send;

    /// Returns the weight of an item, for [`LaneLimits::weight`].
    fn weight(&self, _item: &I) -> usize {
        0
    }
}

impl<I: Send + Sync + 'static, O: Send + 'static> Lane<I, O> {
    /// Starts a lane. It ends when its last clone is dropped and everything in it has been answered.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime.
    pub fn start(limits: LaneLimits, run: impl RunBatch<I, O>) -> Self {
        let (sender, receiver) = mpsc::channel(limits.items * QUEUED_BATCHES);
        tokio::spawn(run_batches(limits, Arc::new(run), receiver));
        Self(sender)
    }

    /// Adds an item to the next batch and waits for its answer.
    ///
    /// # Errors
    /// Returns the error of the batch, once the item stands alone or another attempt would not help.
    pub async fn call(&self, item: I) -> Result<O, DatabaseError> {
        let (sender, receiver) = oneshot::channel();
        // the lane's task ends only after its last sender, unless the process is stopping
        if self.0.send((item, sender)).await.is_err() {
            return Err(unanswered());
        }
        receiver.await.unwrap_or_else(|_| Err(unanswered()))
    }
}

fn unanswered() -> DatabaseError {
    DatabaseError::Unavailable("the batch panicked, or the process is stopping".to_owned())
}

async fn run_batches<I: Send + Sync + 'static, O: Send + 'static, R: RunBatch<I, O>>(
    limits: LaneLimits,
    run: Arc<R>,
    mut receiver: mpsc::Receiver<Waiting<I, O>>,
) {
    let slots = Arc::new(Semaphore::new(limits.parallel));
    let mut arrived = Vec::new();
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        if arrived.is_empty() && receiver.recv_many(&mut arrived, limits.items).await == 0 {
            return;
        }
        fill(&mut arrived, &mut receiver, limits).await;
        let batch = take_batch(&mut arrived, limits, run.as_ref());
        let run = Arc::clone(&run);
        // a task of its own, so that a panic ends this batch and not the lane
        tokio::spawn(async move {
            answer(run.as_ref(), limits.calls, batch).await;
            drop(slot);
        });
    }
}

/// Adds what else has arrived, and waits for more if the lane lingers.
async fn fill<T>(arrived: &mut Vec<T>, receiver: &mut mpsc::Receiver<T>, limits: LaneLimits) {
    while arrived.len() < limits.items
        && let Ok(item) = receiver.try_recv()
    {
        arrived.push(item);
    }
    if limits.linger.is_zero() || arrived.len() >= limits.items {
        return;
    }
    let more = async {
        while arrived.len() < limits.items
            && let Some(item) = receiver.recv().await
        {
            arrived.push(item);
        }
    };
    let _ = tokio::time::timeout(limits.linger, more).await;
}

/// Takes the first items that together stay within the limits, and at least one.
fn take_batch<I, O>(
    arrived: &mut Vec<Waiting<I, O>>,
    limits: LaneLimits,
    run: &impl RunBatch<I, O>,
) -> Vec<Waiting<I, O>> {
    let mut weight = 0_usize;
    let fitting = arrived.iter().take(limits.items).take_while(|(item, _)| {
        weight = weight.saturating_add(run.weight(item));
        weight <= limits.weight
    });
    let count = fitting.count().max(1);
    arrived.drain(..count).collect()
}

/// Runs a batch until every caller has an answer.
async fn answer<I: Send + Sync, O: Send>(
    run: &impl RunBatch<I, O>,
    max_calls: u32,
    batch: Vec<Waiting<I, O>>,
) {
    let mut parts = vec![batch];
    while let Some(mut part) = parts.pop() {
        let (items, callers): (Vec<I>, Vec<_>) = part.drain(..).unzip();
        let items = Arc::new(items);
        match run_until_answered(run, max_calls, &items).await {
            Ok(answers) => {
                for (caller, answer) in callers.into_iter().zip(answers) {
                    // a caller that has gone away needs no answer
                    let _ = caller.send(Ok(answer));
                }
            }
            Err(DatabaseError::Query(_)) if callers.len() > 1 => {
                let items = Arc::into_inner(items).unwrap_or_default();
                let mut first: Vec<_> = items.into_iter().zip(callers).collect();
                let second = first.split_off(first.len() / 2);
                parts.extend([second, first]);
            }
            Err(error) => {
                for caller in callers {
                    let _ = caller.send(Err(error.clone()));
                }
            }
        }
    }
}

/// Runs a batch again while another attempt may succeed.
async fn run_until_answered<I: Send + Sync, O: Send>(
    run: &impl RunBatch<I, O>,
    max_calls: u32,
    items: &Arc<Vec<I>>,
) -> Result<Vec<O>, DatabaseError> {
    let mut calls = 0;
    loop {
        calls += 1;
        match run.run(Arc::clone(items)).await {
            Err(DatabaseError::Unavailable(error)) if calls < max_calls => {
                log::debug!(error; "a batch failed; running it again");
                tokio::time::sleep(Backoff::CALL.after(calls)).await;
            }
            result => return result,
        }
    }
}
