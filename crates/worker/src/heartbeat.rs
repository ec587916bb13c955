//! Keeps deliveries and claims of this worker valid while it works on them.
//!
//! Four loops run at the same time: one extends visibility timeouts, one renews claims, one stops the attempts whose claim
//! could not be renewed, or whose delivery if the queue counts deliveries, and one announces the jobs that are running. They
//! are separate so that a call that hangs delays none of the others.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use job_queue::{BatchOutcome, Subscription};
use shared_model::database::DatabaseError;
use shared_model::job_store::claims::{self, ClaimKey, ClaimRenewal, Renewal};
use shared_model::trace;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use crate::database::Database;
use crate::in_flight::{InFlight, StopReason};
use crate::telemetry;

/// The longest interval between two renewals of a claim. A client who cancels a running job waits up to this long, and
/// the progress that clients see is up to this old.
const CLAIM_INTERVAL: Duration = Duration::from_secs(1);

/// How often the jobs that have begun are announced to other processes. Most jobs end sooner, and are announced only then.
const ANNOUNCE_INTERVAL: Duration = Duration::from_millis(100);

/// Keeps everything in flight valid. Runs until it is dropped.
pub async fn keep(
    in_flight: InFlight,
    subscription: Arc<dyn Subscription>,
    database: Database,
    visibility: Duration,
) {
    let extending = async {
        loop {
            let extended = extend_visibility(&in_flight, subscription.as_ref(), visibility).await;
            // A failed extension is tried again soon, while the visibility timeout still lasts.
            let pause = visibility / if extended { 4 } else { 12 };
            tokio::time::sleep(pause).await;
        }
    };
    let renewing = async {
        let mut ticks = every(CLAIM_INTERVAL.min(visibility / 6));
        loop {
            ticks.tick().await;
            renew_claims(&in_flight, &database, visibility).await;
        }
    };
    let stopping = async {
        let mut ticks = every(visibility / 20);
        loop {
            ticks.tick().await;
            in_flight.stop_overdue(visibility / 10);
        }
    };
    let announcing = async {
        let mut ticks = every(ANNOUNCE_INTERVAL);
        loop {
            ticks.tick().await;
            let running = in_flight.newly_running();
            if !running.is_empty() {
                database.notifier.jobs_changed(running);
            }
        }
    };
    tokio::join!(extending, renewing, stopping, announcing);
}

fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Returns `false` if some deliveries could not be extended but still may be.
async fn extend_visibility(
    in_flight: &InFlight,
    subscription: &dyn Subscription,
    visibility: Duration,
) -> bool {
    let _lock = in_flight.begin_extending().await;
    let (entries, receipts): (Vec<_>, Vec<_>) = in_flight.receipts().into_iter().unzip();
    if receipts.is_empty() {
        return true;
    }
    // The queue counts from some moment during the call. Counting from before the call is on the safe side.
    let until = Instant::now() + visibility;
    let mut extended = true;
    for (entry, outcome) in entries.iter().zip(subscription.extend(&receipts).await) {
        match outcome {
            BatchOutcome::Done => entry.set_hidden_until(until),
            BatchOutcome::Lost => {
                metrics::counter!(telemetry::DELIVERIES_LOST).increment(1);
                entry.lose_delivery();
            }
            BatchOutcome::Failed(error) => {
                trace::within(entry.trace(), || {
                    log::warn!(error; "could not extend a delivery; trying again before its visibility timeout ends");
                });
                extended = false;
            }
        }
    }
    extended
}

async fn renew_claims(in_flight: &InFlight, database: &Database, lease: Duration) {
    let (entries, renewals): (Vec<_>, Vec<ClaimRenewal>) = in_flight.renewals().into_iter().unzip();
    if renewals.is_empty() {
        return;
    }
    let until = Instant::now() + lease;
    let keys: Vec<ClaimKey> = renewals.iter().map(|renewal| renewal.key).collect();
    let renewed: Result<_, DatabaseError> = database
        .pool
        .run(move |connection| claims::renew(connection, &renewals, lease))
        .await;
    let renewed: HashMap<ClaimKey, Renewal> = match renewed {
        Ok(renewed) => renewed.into_iter().collect(),
        Err(error) => {
            log::warn!(error:%; "could not renew claims; trying again before their leases end");
            return;
        }
    };
    for (entry, key) in entries.iter().zip(keys) {
        match renewed.get(&key) {
            Some(Renewal::Renewed { has_progress }) => {
                entry.set_claimed_until(until);
                if *has_progress {
                    database.notifier.jobs_changed([key.id]);
                }
            }
            Some(Renewal::CancelRequested) => entry.stop(StopReason::Cancelled),
            // another session has locked the row; the next round tries again
            Some(Renewal::Busy) => {}
            Some(Renewal::Lost) | None => entry.stop(StopReason::Lost),
        }
    }
}
