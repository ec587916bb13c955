//! Reads what operators watch, as long as somebody does.

use std::pin::pin;
use std::time::Duration;

use job_queue::QueueError;
use shared_model::database::DatabaseError;
use tokio::time::{Instant, sleep, timeout};

use super::snapshot::Snapshot;
use super::summary::{Counted, Summary};
use super::watchers::{INTERVAL, Watchers};
use crate::store::operations::Reading;

/// How many times longer the pause is than reading the database took. Watching must not take the database from the jobs.
const PAUSE_FACTOR: u32 = 10;
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The pause after the database did not answer.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(2);
/// How long watchers wait for the database before they are told that it does not answer.
const DATABASE_PATIENCE: Duration = Duration::from_secs(3);
/// How often the messages in the queue are counted. Each call is billed, and the numbers of SQS are older than this.
const QUEUE_INTERVAL: Duration = Duration::from_secs(5);
/// How long watchers wait for the queue.
const QUEUE_PATIENCE: Duration = Duration::from_secs(2);

/// What snapshots are made from.
pub(super) trait Source {
    /// Reads the database.
    fn read(&self) -> impl Future<Output = Result<Reading, DatabaseError>>;

    /// Counts the messages in the queue. `None` if that is the table of jobs, or not known yet.
    fn count_messages(&self) -> impl Future<Output = Option<Counted>>;

    /// Returns whether the queue is the table of jobs.
    fn is_table(&self) -> bool;
}

/// Makes snapshots.
#[derive(Debug)]
pub(super) struct Sampler<'a, S> {
    source: &'a S,
    watchers: &'a Watchers,
    summary: Summary,
    /// The snapshot that watchers have seen.
    shown: Option<Snapshot>,
    /// When the messages in the queue are to be counted again.
    queue_due: Option<Instant>,
}

impl<'a, S: Source> Sampler<'a, S> {
    pub(super) fn new(source: &'a S, watchers: &'a Watchers, queue: String) -> Self {
        Self {
            source,
            watchers,
            summary: Summary::new(queue),
            shown: None,
            queue_due: None,
        }
    }

    /// Makes snapshots forever, as long as somebody watches.
    pub(super) async fn run(mut self) {
        loop {
            self.watchers.arrive().await;
            let pause = self.sample().await;
            sleep(pause).await;
            if !self.watchers.are_there() {
                self.watchers.show(None);
                self.shown = None;
                self.summary.forget();
            }
        }
    }

    /// Makes one snapshot. Returns how long to wait before the next.
    async fn sample(&mut self) -> Duration {
        let begun = Instant::now();
        let counting = count(self.source, &mut self.queue_due);
        let mut reading = pin!(self.source.read());
        let answer = async {
            let answer = timeout(DATABASE_PATIENCE, reading.as_mut()).await;
            (answer, begun.elapsed())
        };
        let (counted, (answer, took)) = tokio::join!(counting, answer);
        match answer {
            Ok(Ok(read)) => {
                self.summary.update(read, counted);
                self.show();
                (took * PAUSE_FACTOR).clamp(INTERVAL, LONGEST_PAUSE)
            }
            Ok(Err(error)) => {
                log::debug!(error:%; "could not read what operators watch");
                self.summary.keep(counted);
                self.show();
                PAUSE_AFTER_FAILURE
            }
            Err(_elapsed) => {
                self.summary.keep(counted);
                self.show();
                // it still has a connection: another query would only take one more
                let _late = reading.await;
                PAUSE_AFTER_FAILURE
            }
        }
    }

    /// Shows the snapshot if it differs from what watchers have seen.
    fn show(&mut self) {
        if self.source.is_table() {
            self.summary.count_jobs_as_messages();
        }
        let snapshot = self.summary.snapshot();
        if self
            .shown
            .as_ref()
            .is_some_and(|shown| !snapshot.differs_from(shown))
        {
            return;
        }
        // a snapshot has only values that JSON can represent
        let json = serde_json::to_string(snapshot).unwrap_or_default();
        self.watchers.show(Some(json.into()));
        self.shown = Some(snapshot.clone());
    }
}

/// Counts the messages in the queue if that is due.
async fn count(source: &impl Source, due: &mut Option<Instant>) -> Option<Counted> {
    if due.is_some_and(|due| Instant::now() < due) {
        return None;
    }
    let counted = timeout(QUEUE_PATIENCE, source.count_messages()).await;
    let counted = counted.unwrap_or_else(|_elapsed| {
        let seconds = QUEUE_PATIENCE.as_secs();
        let error = QueueError::Unavailable(format!("no response within {seconds} s"));
        Some(Err(error))
    });
    *due = counted.is_some().then(|| Instant::now() + QUEUE_INTERVAL);
    counted
}

#[cfg(test)]
mod tests;
