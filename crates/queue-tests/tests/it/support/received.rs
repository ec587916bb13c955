//! What a subscription receives.

use std::collections::BTreeSet;

use job_queue::{Delivery, Received, Subscription};
use shared_model::job::JobId;
use shared_model::job_store::claims::Claim;
use tokio_util::sync::CancellationToken;

/// Like `Queue::receive`, with any of its subscriptions.
pub(crate) async fn receive(subscription: &dyn Subscription, max: usize) -> Vec<Received> {
    subscription
        .receive(max, &CancellationToken::new())
        .await
        .unwrap()
}

/// Like `Queue::receive_all`, with any of its subscriptions.
pub(crate) async fn receive_all(subscription: &dyn Subscription, count: usize) -> Vec<Received> {
    let mut received = Vec::new();
    while received.len() < count {
        let more = receive(subscription, job_queue::MAX_BATCH).await;
        if more.is_empty() {
            break;
        }
        received.extend(more);
    }
    received
}

pub(crate) fn job_of(received: &Received) -> JobId {
    match received {
        Received::Message(delivery) => delivery.message.as_ref().unwrap().job_id,
        Received::Claim { claim, .. } => claim.key.id,
    }
}

pub(crate) fn generation_of(received: &Received) -> i32 {
    match received {
        Received::Message(delivery) => delivery.message.as_ref().unwrap().generation,
        Received::Claim { claim, .. } => claim.generation,
    }
}

/// Returns how many times the job has been delivered, including this time.
pub(crate) fn delivery_number(received: &Received) -> u32 {
    match received {
        Received::Message(delivery) => delivery.receive_count,
        Received::Claim { claim, .. } => u32::try_from(claim.attempt).unwrap(),
    }
}

pub(crate) fn message(received: Received) -> Delivery {
    match received {
        Received::Message(delivery) => delivery,
        Received::Claim { claim, .. } => panic!("not a message: {claim:?}"),
    }
}

pub(crate) fn claim(received: Received) -> Claim {
    match received {
        Received::Claim { claim, .. } => *claim,
        Received::Message(delivery) => panic!("not a claim: {delivery:?}"),
    }
}

/// Returns the ids of the received jobs.
pub(crate) fn ids(received: &[Received]) -> Vec<JobId> {
    received.iter().map(job_of).collect()
}

/// Like [`ids`], where the order does not matter.
pub(crate) fn id_set(received: &[Received]) -> BTreeSet<JobId> {
    ids(received).into_iter().collect()
}
