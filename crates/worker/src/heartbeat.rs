//! Keeps what is held: the queue's visibility, the job's claim, and a watch that stops what could not be kept.
//!
//! The three run apart, so that a call that hangs delays no other, and least of all the watch.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use job_queue::{BatchOutcome, Subscription};
use shared_model::database::{DatabaseError, Pool};
use shared_model::job_store::claims::{self, Beat, ClaimKey, Renewed};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use crate::held::{Held, Stop};

/// How often a claim is renewed at most: a client who cancels a running job waits so long, and its progress is as old.
const CLAIM_INTERVAL: Duration = Duration::from_secs(1);

/// Runs until it is dropped.
pub async fn keep(
    held: Held,
    subscription: Arc<dyn Subscription>,
    pool: Pool,
    visibility: Duration,
) {
    let extending = async {
        loop {
            let extended = extend_visibility(&held, subscription.as_ref(), visibility).await;
            // one that failed is tried again while the visibility still holds
            let pause = visibility / if extended { 4 } else { 12 };
            tokio::time::sleep(pause).await;
        }
    };
    let renewing = async {
        let mut ticks = every(CLAIM_INTERVAL.min(visibility / 6));
        loop {
            ticks.tick().await;
            renew_claims(&held, &pool, visibility).await;
        }
    };
    let watching = async {
        let mut ticks = every(visibility / 20);
        loop {
            ticks.tick().await;
            held.stop_overdue(visibility / 10);
        }
    };
    tokio::join!(extending, renewing, watching);
}

fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// `false`: some could not be extended, and may be yet.
async fn extend_visibility(
    held: &Held,
    subscription: &dyn Subscription,
    visibility: Duration,
) -> bool {
    let _gate = held.extension_gate().await;
    let (entries, receipts): (Vec<_>, Vec<_>) = held.receipts().into_iter().unzip();
    if receipts.is_empty() {
        return true;
    }
    // counted from before the call: the queue's clock starts somewhere within it
    let until = Instant::now() + visibility;
    let mut extended = true;
    for (entry, outcome) in entries.iter().zip(subscription.extend(&receipts).await) {
        match outcome {
            BatchOutcome::Done => entry.hidden_until(until),
            BatchOutcome::Lost => {
                metrics::counter!("worker_deliveries_lost_total").increment(1);
                entry.stop(Stop::Lost);
            }
            BatchOutcome::Failed(error) => {
                log::warn!(error; "could not extend a delivery; trying again before its visibility ends");
                extended = false;
            }
        }
    }
    extended
}

async fn renew_claims(held: &Held, pool: &Pool, lease: Duration) {
    let (entries, beats): (Vec<_>, Vec<Beat>) = held.beats().into_iter().unzip();
    if beats.is_empty() {
        return;
    }
    let until = Instant::now() + lease;
    let keys: Vec<ClaimKey> = beats.iter().map(|beat| beat.key).collect();
    let renewed: Result<Vec<Renewed>, DatabaseError> = pool
        .run(move |connection| claims::renew(connection, &beats, lease))
        .await;
    let renewed: HashMap<ClaimKey, Renewed> = match renewed {
        Ok(renewed) => renewed
            .into_iter()
            .map(|renewed| (renewed.key, renewed))
            .collect(),
        Err(error) => {
            log::warn!(error:%; "could not renew claims; trying again before they end");
            return;
        }
    };
    for (entry, key) in entries.iter().zip(keys) {
        match renewed.get(&key) {
            Some(Renewed {
                cancel_requested: true,
                ..
            }) => entry.stop(Stop::Cancelled),
            Some(_) => entry.claimed_until(until),
            None => {
                // settled a moment ago, or taken over
                entry.stop(Stop::Lost);
            }
        }
    }
}
