//! What workers do with the jobs that they have received.

use std::time::Duration;

use job_queue::{BatchOutcome, Received, Subscription};
use shared_model::job::{ErrorCode, JobError};
use shared_model::job_store::claims::{self, ClaimRenewal, Renewal};
use shared_model::job_store::requests;

use super::{BRIEF_VISIBILITY, Queue, job_of};

impl Queue {
    /// Keeps jobs from other workers for another `BRIEF_VISIBILITY`, as the worker's heartbeat does. Returns whether that
    /// succeeded for all of them.
    pub(crate) async fn extend(&self, holder: &dyn Subscription, received: &[Received]) -> bool {
        let mut receipts = Vec::new();
        let mut renewals = Vec::new();
        for one in received {
            match one {
                Received::Message(delivery) => receipts.push(delivery.receipt.clone()),
                Received::Claim { claim, .. } => renewals.push(ClaimRenewal {
                    key: claim.key,
                    done: 0,
                    total: None,
                }),
            }
        }
        let extended = holder.extend(&receipts).await;
        let renewed = self
            .pool
            .run(move |connection| claims::renew(connection, &renewals, BRIEF_VISIBILITY));
        extended
            .iter()
            .all(|outcome| *outcome == BatchOutcome::Done)
            && renewed
                .await
                .unwrap()
                .iter()
                .all(|(_, renewal)| matches!(renewal, Renewal::Renewed { .. }))
    }

    /// Returns a job to the queue, to be delivered again after `delay`.
    pub(crate) async fn release(&self, received: Received, delay: Duration) {
        match received {
            Received::Message(delivery) => {
                let outcomes = self.subscription.release(&[delivery.release(delay)]).await;
                assert_eq!(outcomes, [BatchOutcome::Done]);
            }
            Received::Claim { claim, .. } => {
                let error = JobError::new(ErrorCode::Timeout, "test");
                let retried = self
                    .pool
                    .run(move |connection| claims::retry(connection, claim.key, &error, delay));
                assert!(retried.await.unwrap().is_some());
            }
        }
    }

    /// Ends jobs in the database, and then deletes their messages.
    pub(crate) async fn finish(&self, received: Vec<Received>) {
        self.finish_by(self.subscription.as_ref(), received).await;
    }

    /// Like [`finish`](Self::finish), for jobs that another subscription has received.
    pub(crate) async fn finish_by(&self, holder: &dyn Subscription, received: Vec<Received>) {
        let mut deletions = Vec::new();
        for one in received {
            let id = job_of(&one);
            match one {
                Received::Message(delivery) => {
                    let cancelled = self
                        .pool
                        .run(move |connection| requests::cancel(connection, id));
                    cancelled.await.unwrap();
                    deletions.push(delivery.delete());
                }
                Received::Claim { claim, .. } => {
                    let ended = self
                        .pool
                        .run(move |connection| claims::revoke(connection, claim.key));
                    assert!(ended.await.unwrap());
                }
            }
        }
        let outcomes = holder.delete(&deletions).await;
        assert_eq!(outcomes, vec![BatchOutcome::Done; deletions.len()]);
    }
}
