//! What every broker guarantees beyond what every queue does: it is tried with messages that no API sends, with connections
//! that are cut, and with settings that can't work. Kafka, whose server runs inside of the tests, is in `kafka.rs`.

use std::collections::BTreeSet;
use std::time::Duration;

use job_queue::{
    BatchOutcome, Delivery, Findings, Publisher, Received, Subscription, SubscriptionOptions,
    WorkerNeeds,
};
use local_services::brokers::{BrokerKind, LocalBroker};
use local_services::testing::eventually;
use queue_tests::BrokerQueue;
use shared_model::job::JobId;
use tcp_proxy::BrokerProxy;
use tokio::task::block_in_place;
use tokio_util::sync::CancellationToken;

use crate::support::{
    BRIEF_VISIBILITY, LONG, Queue, id_set, ids, job_of, message, receive, receive_all,
};

macro_rules! for_every_broker {
    ($($claim:ident),* $(,)?) => {
        mod redis { $(#[tokio::test(flavor = "multi_thread")] #[cfg_attr(not(has_redis), ignore = "needs redis-server")] async fn $claim() { super::$claim(super::BrokerKind::Redis).await; })* }
        mod rabbitmq { $(#[tokio::test(flavor = "multi_thread")] #[cfg_attr(not(has_rabbitmq), ignore = "needs rabbitmq-server")] async fn $claim() { super::$claim(super::BrokerKind::RabbitMq).await; })* }
        mod activemq { $(#[tokio::test(flavor = "multi_thread")] #[cfg_attr(not(has_activemq), ignore = "needs activemq")] async fn $claim() { super::$claim(super::BrokerKind::ActiveMq).await; })* }
    };
}

for_every_broker!(
    a_message_that_cannot_be_read_goes_to_the_dead_letter_queue_alone,
    a_message_of_a_worker_that_died_is_delivered_to_another,
    connections_that_are_cut_lose_no_message,
    a_closed_subscription_keeps_no_message,
    the_depth_counts_messages,
    a_wrong_password_is_unusable,
    a_missing_queue_is_unusable_unless_the_broker_creates_it,
);

const NEEDS: WorkerNeeds = WorkerNeeds {
    max_attempts: 5,
    job_timeout: Duration::from_mins(2),
    slots: 10,
    workers: 1,
};
/// Messages reappear during the test, and a receive does not wait for them.
const IMPATIENT: SubscriptionOptions = SubscriptionOptions {
    visibility: BRIEF_VISIBILITY,
    wait: Duration::from_millis(200),
    ..LONG
};

/// Creates a queue, as the services and as the test reach it.
fn create(kind: BrokerKind) -> (Queue, BrokerQueue) {
    let direct = block_in_place(|| BrokerQueue::create(kind)).unwrap();
    (Queue::at(direct.url()), direct)
}

/// Returns what the API and what a worker finds at this URL.
async fn findings(url: &str) -> [Findings; 2] {
    let queue = Queue::at(url);
    [
        queue.publisher().inspect().await.unwrap(),
        queue.subscription.inspect(NEEDS).await.unwrap(),
    ]
}

async fn a_message_that_cannot_be_read_goes_to_the_dead_letter_queue_alone(kind: BrokerKind) {
    let (queue, direct) = create(kind);
    let bodies = ["no message", "{}"];
    for body in bodies {
        direct.send(body).await.unwrap();
    }
    let published = queue.publish(1).await;
    let received = queue.receive_all(3).await;
    let (readable, unreadable): (Vec<_>, Vec<_>) = received
        .into_iter()
        .map(message)
        .partition(|delivery| delivery.message.is_ok());
    let readable: Vec<_> = readable.into_iter().map(Received::Message).collect();
    assert_eq!(ids(&readable), published);
    let rejections: Vec<_> = unreadable.into_iter().map(Delivery::reject).collect();
    let rejected = queue.subscription.reject(&rejections).await;
    assert_eq!(rejected, [BatchOutcome::Done, BatchOutcome::Done]);
    eventually("both are counted as dead letters", async || {
        let depth = queue.publisher().depth().await.unwrap();
        depth.dead_letters == Ok(Some(2))
    })
    .await;
    let mut dead = direct.take_dead_letters().await.unwrap();
    dead.sort_unstable();
    assert_eq!(dead, bodies);
    // The other message is still held, and can be settled.
    queue.finish(readable).await;
    eventually("the queue is empty", async || {
        direct.depth().await.unwrap().all() == 0
    })
    .await;
}

async fn a_message_of_a_worker_that_died_is_delivered_to_another(kind: BrokerKind) {
    let (queue, _) = create(kind);
    let published = queue.publish(2).await.into_iter().collect();
    let dying = queue.brief_subscription();
    assert_eq!(receive_all(dying.as_ref(), 2).await.len(), 2);
    drop(dying);
    assert_eq!(id_set(&queue.receive_all(2).await), published);
}

/// Sends until the broker has confirmed all messages.
async fn send(publisher: &dyn Publisher, queue: &Queue, count: usize) -> Vec<JobId> {
    let messages = queue.jobs(count).await;
    eventually("the messages are sent", async || {
        let outcome = publisher.publish(&messages).await;
        outcome.is_ok_and(|done| done.sent.len() == count)
    })
    .await;
    messages.iter().map(|one| one.message.job_id).collect()
}

/// Receives and deletes, and returns what was received. The connection may be cut.
async fn take(subscription: &dyn Subscription) -> Vec<JobId> {
    let stop = CancellationToken::new();
    let received = subscription.receive(10, &stop).await.unwrap_or_default();
    let ids = received.iter().map(job_of).collect();
    let deletions: Vec<_> = received
        .into_iter()
        .map(|one| message(one).delete())
        .collect();
    // What can't be deleted comes again.
    subscription.delete(&deletions).await;
    ids
}

async fn connections_that_are_cut_lose_no_message(kind: BrokerKind) {
    let (queue, direct) = create(kind);
    let proxy = BrokerProxy::start(direct.port()).await.unwrap();
    let through = Queue::at(&direct.url_through(proxy.port()));
    let publisher = through.publisher();
    let worker = through.subscription_with(IMPATIENT);
    let mut sent = BTreeSet::new();
    let mut arrived = BTreeSet::new();
    for _ in 0..4 {
        sent.extend(send(publisher.as_ref(), &queue, 5).await);
        arrived.extend(take(worker.as_ref()).await);
        // These are in flight when their connection ends.
        let stop = CancellationToken::new();
        drop(worker.receive(2, &stop).await);
        proxy.disconnect();
    }
    eventually("everything has arrived and was deleted", async || {
        arrived.extend(take(worker.as_ref()).await);
        arrived.is_superset(&sent) && direct.depth().await.unwrap().all() == 0
    })
    .await;
    assert_eq!(arrived, sent);
}

async fn a_closed_subscription_keeps_no_message(kind: BrokerKind) {
    let (queue, _) = create(kind);
    let published = queue.publish(3).await.into_iter().collect();
    let closing = queue.second_subscription();
    assert!(!receive(closing.as_ref(), 2).await.is_empty());
    closing.close().await;
    // Its visibility timeout is longer than this receive waits.
    assert_eq!(id_set(&queue.receive_all(3).await), published);
}

async fn the_depth_counts_messages(kind: BrokerKind) {
    let (queue, direct) = create(kind);
    queue.publish(3).await;
    let publisher = queue.publisher();
    for left in [3, 2] {
        eventually("the depth is the number of messages", async || {
            let depth = publisher.depth().await.unwrap();
            (depth.visible, depth.delayed, depth.dead_letters) == (left, 0, Ok(Some(0)))
        })
        .await;
        direct.delete_one().await.unwrap();
    }
}

async fn a_wrong_password_is_unusable(kind: BrokerKind) {
    // A Redis without a password has no wrong one.
    let redis = (kind == BrokerKind::Redis).then(|| {
        let settings = [("requirepass", "s3cret")];
        block_in_place(|| LocalBroker::private(kind, &settings)).unwrap()
    });
    let broker = redis
        .as_ref()
        .unwrap_or_else(|| block_in_place(|| LocalBroker::shared(kind)));
    let url = broker.url("ical", None);
    let (scheme, rest) = url.split_once("://").unwrap();
    let (_, address) = rest.split_once('@').unwrap_or(("", rest));
    let user = match kind {
        BrokerKind::Redis => "default",
        BrokerKind::ActiveMq => "local",
        BrokerKind::RabbitMq => "guest",
    };
    let url = format!("{scheme}://{user}:wr0ng@{address}");
    for Findings { unusable, warnings } in findings(&url).await {
        let [reason] = unusable.try_into().unwrap();
        assert!(reason.contains("user or password of QUEUE_URL"), "{reason}");
        assert!(!reason.contains("wr0ng"), "{reason}");
        assert_eq!(warnings, [""; 0]);
    }
}

async fn a_missing_queue_is_unusable_unless_the_broker_creates_it(kind: BrokerKind) {
    let name = format!("missing-{}", JobId::new());
    let url = block_in_place(|| LocalBroker::shared(kind)).url(&name, None);
    for Findings { unusable, warnings } in findings(&url).await {
        assert_eq!(warnings, [""; 0]);
        if kind == BrokerKind::ActiveMq {
            assert_eq!(unusable, [""; 0]);
        } else {
            let [reason] = unusable.try_into().unwrap();
            assert!(reason.contains(&name), "{reason}");
        }
    }
}
