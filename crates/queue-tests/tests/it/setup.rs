//! A queue in a broker whose messages are of jobs that do not exist.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use job_queue::{
    BrokerAccess, Delivery, Findings, Publisher, QueueUrl, Received, Subscription,
    SubscriptionOptions, WorkerNeeds,
};
use local_services::testing::eventually;
use shared_model::database::Pool;
use shared_model::job::JobId;
use shared_model::message::{JobMessage, MESSAGE_VERSION, OutboundMessage};
use tokio_util::sync::CancellationToken;

use crate::support::{Kind, LONG, Queue};

pub(crate) const SLOTS: usize = 10;

pub(crate) const OPTIONS: SubscriptionOptions = SubscriptionOptions {
    wait: Duration::from_secs(1),
    slots: SLOTS,
    ..LONG
};

pub(crate) const NEEDS: WorkerNeeds = WorkerNeeds {
    max_attempts: 5,
    job_timeout: Duration::from_mins(2),
    slots: SLOTS,
    workers: 1,
};

/// A queue in a broker, and a database that nothing of it is in.
pub(crate) struct Setup {
    pub(crate) url: String,
    access: BrokerAccess,
    pool: Pool,
}

impl Setup {
    pub(crate) fn of(url: String) -> Self {
        Self::with(url, BrokerAccess::default())
    }

    pub(crate) fn with(url: String, access: BrokerAccess) -> Self {
        let pool = Queue::new(Kind::Postgres).pool;
        Self { url, access, pool }
    }

    pub(crate) fn name(&self) -> &str {
        let name = self.url.rsplit('/').next().unwrap();
        name.split('?').next().unwrap()
    }

    pub(crate) fn publisher(&self) -> Arc<dyn Publisher> {
        match self.url.parse().unwrap() {
            QueueUrl::Broker(broker) => broker.publisher(&self.access),
            other => panic!("{other}"),
        }
    }

    pub(crate) fn subscription(&self) -> Arc<dyn Subscription> {
        match self.url.parse().unwrap() {
            QueueUrl::Broker(broker) => broker.subscription(&self.access, &self.pool, OPTIONS),
            other => panic!("{other}"),
        }
    }

    /// Publishes messages of jobs that do not exist, and returns the ids.
    pub(crate) async fn publish(&self, count: usize) -> BTreeSet<JobId> {
        let messages = messages(count);
        let published = self.publisher().publish(&messages).await.unwrap();
        assert_eq!((published.sent.len(), published.failed), (count, vec![]));
        messages.iter().map(|one| one.message.job_id).collect()
    }

    pub(crate) async fn findings(&self) -> Findings {
        let ours = self.subscription().inspect(NEEDS).await.unwrap();
        let publishers = self.publisher().inspect().await.unwrap();
        assert_eq!(ours, publishers);
        ours
    }

    pub(crate) async fn only_fault(&self) -> String {
        let Findings { unusable, warnings } = self.findings().await;
        assert_eq!(warnings, [""; 0]);
        let [fault] = unusable.try_into().unwrap();
        fault
    }

    pub(crate) async fn depth(&self) -> u64 {
        self.publisher().depth().await.unwrap().visible
    }
}

pub(crate) fn messages(count: usize) -> Vec<OutboundMessage> {
    let message = |_| OutboundMessage {
        message: JobMessage {
            v: MESSAGE_VERSION,
            job_id: JobId::new(),
            generation: 1,
            enqueued_at: chrono::DateTime::UNIX_EPOCH,
            traceparent: None,
        },
        sends: 1,
    };
    (0..count).map(message).collect()
}

pub(crate) async fn receive(subscription: &dyn Subscription, max: usize) -> Vec<Delivery> {
    let stop = CancellationToken::new();
    let received = subscription.receive(max, &stop).await.unwrap_or_default();
    let deliveries = received.into_iter().map(|received| match received {
        Received::Message(delivery) => delivery,
        Received::Claim { .. } => panic!("a broker delivers messages"),
    });
    deliveries.collect()
}

pub(crate) fn id(delivery: &Delivery) -> JobId {
    delivery.message.as_ref().unwrap().job_id
}

/// Receives and deletes until all of these have arrived, whatever fails in between.
pub(crate) async fn take_all(subscription: &dyn Subscription, expected: &BTreeSet<JobId>) {
    let mut arrived = BTreeSet::new();
    eventually("all messages arrive", async || {
        let deliveries = receive(subscription, SLOTS).await;
        arrived.extend(deliveries.iter().map(id));
        let deletions: Vec<_> = deliveries.into_iter().map(Delivery::delete).collect();
        subscription.delete(&deletions).await;
        arrived.is_superset(expected)
    })
    .await;
    assert_eq!(&arrived, expected);
}
