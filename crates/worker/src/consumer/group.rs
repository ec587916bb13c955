//! Handles deliveries: those of one ordered group one after the other, all others at the same time.

use std::collections::{HashMap, VecDeque};

use job_queue::Received;
use shared_model::trace;
use tokio::sync::OwnedSemaphorePermit;

use super::{Consumer, spans};
use crate::handler::{BUSY_RELEASE_DELAY, Handler};
use crate::health::Health;
use crate::in_flight::InFlightGuard;
use crate::outcome::Outcome;
use crate::settler::Settler;
use crate::telemetry;

/// A delivery with its guard and its slot.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) received: Received,
    pub(super) guard: InFlightGuard,
    pub(super) slot: Slot,
}

/// A slot that is in use.
#[derive(Debug)]
pub(super) struct Slot {
    _permit: OwnedSemaphorePermit,
}

impl Slot {
    pub(super) fn new(permit: OwnedSemaphorePermit) -> Self {
        metrics::gauge!(telemetry::SLOTS_IN_USE).increment(1.0);
        Self { _permit: permit }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        metrics::gauge!(telemetry::SLOTS_IN_USE).decrement(1.0);
    }
}

/// Puts the deliveries of each ordered group together, and every other delivery into a group of its own.
pub(super) fn in_order(deliveries: Vec<Taken>) -> Vec<VecDeque<Taken>> {
    let mut groups: Vec<VecDeque<Taken>> = Vec::new();
    let mut index_of: HashMap<String, usize> = HashMap::new();
    for taken in deliveries {
        let group = match &taken.received {
            Received::Message(delivery) => delivery.group.clone(),
            Received::Claim { .. } => None,
        };
        let known = group.as_ref().and_then(|group| index_of.get(group));
        if let Some(group) = known.and_then(|index| groups.get_mut(*index)) {
            group.push_back(taken);
        } else {
            if let Some(group) = group {
                index_of.insert(group, groups.len());
            }
            groups.push(VecDeque::from([taken]));
        }
    }
    groups
}

impl Consumer {
    /// Starts a task that handles and settles the deliveries of a group, one after the other.
    pub(super) fn start(&self, mut group: VecDeque<Taken>) {
        let (handler, settler) = (self.handler.clone(), self.settler.clone());
        let (drain, pause) = (self.shutdown.drain.clone(), self.pause.clone());
        let (health, visibility) = (self.health.clone(), self.options.visibility);
        self.tasks.spawn(async move {
            let mut may_begin = true;
            while let Some(taken) = group.pop_front() {
                may_begin &= !drain.is_cancelled() && !pause.is_paused();
                let trace = taken.received.trace();
                let handling = async {
                    let mut span = spans::of_delivery(&taken.received, trace, visibility);
                    let handling = handle(&handler, &settler, &health, taken, may_begin);
                    let outcome = span.scope(handling).await;
                    spans::end(&mut span, outcome);
                    outcome
                };
                let outcome = trace::scope(trace, handling).await;
                may_begin &= outcome.lets_the_next_begin();
            }
        });
    }
}

/// Handles and settles one delivery, unless it may not begin: then it is only settled.
async fn handle(
    handler: &Handler,
    settler: &Settler,
    health: &Health,
    taken: Taken,
    may_begin: bool,
) -> Outcome {
    let Taken {
        received,
        guard,
        slot,
    } = taken;
    let (outcome, delivery) = match received {
        Received::Message(delivery) if may_begin => {
            (handler.handle(&delivery, &guard).await, Some(delivery))
        }
        Received::Message(delivery) => (Outcome::NotStarted, Some(delivery)),
        Received::Claim { claim, .. } if may_begin => {
            let outcome = handler.attempt(*claim, &guard, BUSY_RELEASE_DELAY).await;
            (outcome, None)
        }
        Received::Claim { claim, .. } => (handler.decline(claim.key).await, None),
    };
    if outcome == Outcome::Unknown {
        health.database_failed();
    }
    metrics::counter!(telemetry::DELIVERIES, "outcome" => outcome.name()).increment(1);
    // The heartbeat must not extend the delivery once the queue is asked to delete or release it.
    drop(guard);
    let settlement = delivery.and_then(|delivery| outcome.settlement(delivery));
    if let Some(settlement) = settlement {
        settler.settle(settlement).await;
    }
    drop(slot);
    outcome
}
