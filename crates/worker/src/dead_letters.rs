//! Consumes the dead-letter queue: a job whose message landed there before any worker claimed it ends in
//! FAILURE, so that no client waits for it forever.
//!
//! A message that can't be read stays there for an operator to look at.

use std::sync::Arc;
use std::time::Duration;

use job_queue::{BatchOutcome, Deletion, Delivery, Received, Release, Subscription};
use shared_model::backoff::Backoff;
use shared_model::job_store::dead_letters::{self, GivenUp};
use shared_model::trace;
use tokio_util::sync::CancellationToken;

use crate::consumer::CLOSE_GRACE;
use crate::database::Database;
use crate::pause::Pause;
use crate::telemetry;

/// Consumes the dead-letter queue of `source`, if there is one, until `stop` is cancelled; not while processing is paused.
pub async fn consume(
    source: Arc<dyn Subscription>,
    database: Database,
    paused: Pause,
    stop: CancellationToken,
) {
    let mut failures = 0;
    let dead_letters = loop {
        match source.dead_letters().await {
            Ok(Some(dead_letters)) => break dead_letters,
            Ok(None) => return,
            // Polling the source queue fails too, and that logs the reason.
            Err(_) => failures += 1,
        }
        if !pause(failures, &stop).await {
            return;
        }
    };
    failures = 0;
    while !stop.is_cancelled() {
        let max = dead_letters.limits().batch;
        let poll = async |stop: &CancellationToken| dead_letters.receive(max, stop).await;
        let settled = match paused.poll(&stop, poll).await {
            Ok(received) if paused.is_paused() => {
                release_all(dead_letters.as_ref(), received).await;
                stop.run_until_cancelled(paused.ended()).await;
                true
            }
            Ok(received) => settle_all(dead_letters.as_ref(), &database, received).await,
            Err(error) => {
                log::warn!(error:%; "could not poll the dead-letter queue");
                false
            }
        };
        failures = if settled { 0 } else { failures + 1 };
        if !settled && !pause(failures, &stop).await {
            break;
        }
    }
    // what is not closed in time ends with the process
    let _ = tokio::time::timeout(CLOSE_GRACE, dead_letters.close()).await;
}

/// Returns to the queue what a poll received that was open when processing was paused. If that fails, it becomes visible
/// again after its visibility timeout.
async fn release_all(dead_letters: &dyn Subscription, received: Vec<Received>) {
    let releases: Vec<Release> = received
        .into_iter()
        .filter_map(|received| match received {
            Received::Message(delivery) => Some(delivery.release(Duration::ZERO)),
            Received::Claim { .. } => None,
        })
        .collect();
    dead_letters.release(&releases).await;
}

/// Returns `false` if the database or the queue did not answer.
async fn settle_all(
    dead_letters: &dyn Subscription,
    database: &Database,
    received: Vec<Received>,
) -> bool {
    let mut deletions: Vec<Deletion> = Vec::new();
    let mut answered = true;
    for received in received {
        let trace = received.trace();
        // a dead-letter queue delivers nothing else
        let Received::Message(delivery) = received else {
            continue;
        };
        match trace::scope(trace, end_job(database, &delivery)).await {
            Ended::Done => deletions.push(delivery.delete()),
            Ended::Unreadable => {}
            Ended::Unknown => answered = false,
        }
    }
    for outcome in dead_letters.delete(&deletions).await {
        if let BatchOutcome::Failed(error) = outcome {
            // The message is delivered again. Its job has ended by then, so it is only deleted.
            log::warn!(error; "could not delete a message from the dead-letter queue");
            answered = false;
        }
    }
    answered
}

/// What became of the job of a dead letter.
enum Ended {
    /// It has ended, or needs no message.
    Done,
    /// The message can't be read, so the job is unknown.
    Unreadable,
    /// The database did not answer.
    Unknown,
}

/// Ends the job of a dead letter in FAILURE, unless it has been claimed.
async fn end_job(database: &Database, delivery: &Delivery) -> Ended {
    let message = match &delivery.message {
        Ok(message) => message,
        Err(error) => {
            log::error!("queue.message_id" = delivery.message_id, error:%; "a message in the dead-letter queue can't be read; it stays there");
            metrics::counter!(telemetry::DEAD_LETTERS_UNREADABLE).increment(1);
            return Ended::Unreadable;
        }
    };
    let (id, generation) = (message.job_id, message.generation);
    let given_up = database
        .pool
        .run(move |connection| dead_letters::give_up(connection, id, generation));
    match given_up.await {
        Ok(GivenUp::Failed) => {
            log::error!("job.id":% = id; "the job failed: its message was moved to the dead-letter queue");
            metrics::counter!(telemetry::DEAD_LETTERS_FAILED).increment(1);
            database.notifier.jobs_changed([id]);
            database.process.activity.failed_waiting(1);
            Ended::Done
        }
        // If the claim on the job runs out, its message counts as lost and is sent again.
        Ok(GivenUp::Stale | GivenUp::Claimed) => Ended::Done,
        Err(error) => {
            log::warn!("job.id":% = id, error:%; "could not end the job of a dead letter");
            Ended::Unknown
        }
    }
}

/// Returns `false` if `stop` was cancelled.
async fn pause(failures: u32, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = tokio::time::sleep(Backoff::CALL.after(failures)) => true,
        () = stop.cancelled() => false,
    }
}
