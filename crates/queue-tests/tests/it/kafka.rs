//! What is special about Kafka: how workers share its partitions, what its topics must be, and what happens when it is
//! away. Its servers are those that librdkafka contains for its own tests.

use std::collections::BTreeSet;
use std::sync::Arc;

use job_queue::{BatchOutcome, Delivery, Findings, QueueError, Subscription, WorkerNeeds};
use local_services::testing::eventually;
use queue_tests::kafka::Kafka;
use shared_model::job::JobId;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::setup::{NEEDS, SLOTS, Setup, id, messages, receive, take_all};
use crate::support::{Kind, Queue, ids, receive as receive_jobs};

mod dead_letters;
mod killed;
mod refusing;
#[cfg(feature = "kafka-tls")]
mod tls;
mod unusable;

fn new_setup(partitions: i32) -> Setup {
    Setup::of(Kafka::shared().new_topic(partitions))
}

/// Receives this many messages.
async fn receive_count(subscription: &dyn Subscription, count: usize) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    eventually("the messages arrive", async || {
        deliveries.extend(receive(subscription, count - deliveries.len()).await);
        deliveries.len() == count
    })
    .await;
    deliveries
}

async fn delete(subscription: &dyn Subscription, deliveries: Vec<Delivery>) -> Vec<BatchOutcome> {
    let deletions: Vec<_> = deliveries.into_iter().map(Delivery::delete).collect();
    subscription.delete(&deletions).await
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_may_end_in_any_order_with_kafka() {
    let setup = new_setup(1);
    setup.publish(SLOTS).await;
    let worker = setup.subscription();
    let mut deliveries = receive_count(worker.as_ref(), SLOTS).await;
    assert!(!worker.keeps_order());
    let first = deliveries.remove(0);
    let done = delete(worker.as_ref(), deliveries).await;
    assert_eq!(done, vec![BatchOutcome::Done; SLOTS - 1]);
    // Another member of the group would receive all of them again.
    assert_eq!(setup.depth().await, 10);
    assert_eq!(worker.drained_until().await.unwrap(), None);
    assert_eq!(
        delete(worker.as_ref(), vec![first]).await,
        [BatchOutcome::Done]
    );
    eventually("everything is settled", async || setup.depth().await == 0).await;
    let asked = Instant::now();
    let until = worker.drained_until().await.unwrap();
    assert!(until.is_some_and(|until| until >= asked));
}

/// A message that is lost is found by this.
#[tokio::test(flavor = "multi_thread")]
async fn what_kafka_had_before_is_known_to_be_settled_while_more_arrives() {
    let setup = new_setup(1);
    let worker = setup.subscription();
    setup.publish(SLOTS).await;
    let earlier = receive_count(worker.as_ref(), SLOTS).await;
    assert_eq!(worker.drained_until().await.unwrap(), None);
    let remembered = Instant::now();
    setup.publish(1).await;
    assert_eq!(worker.drained_until().await.unwrap(), None);
    delete(worker.as_ref(), earlier).await;
    let mut until = None;
    eventually("the earlier messages are settled", async || {
        until = worker.drained_until().await.unwrap();
        until.is_some()
    })
    .await;
    assert!(until.is_some_and(|until| until <= remembered));
    assert_eq!(setup.depth().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_is_told_what_is_settled_again_if_it_has_refused() {
    let kafka = Kafka::start(1).unwrap();
    let setup = Setup::of(kafka.new_topic(1));
    setup.publish(SLOTS).await;
    let worker = setup.subscription();
    let deliveries = receive_count(worker.as_ref(), SLOTS).await;
    kafka.refuse_offsets(2).unwrap();
    let done = delete(worker.as_ref(), deliveries).await;
    assert_eq!(done, vec![BatchOutcome::Done; SLOTS]);
    eventually("everything is settled", async || setup.depth().await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_kafka_that_is_forgotten_comes_again() {
    let queue = Queue::new(Kind::Kafka);
    let published = queue.publish(1).await;
    let brief = queue.brief_subscription();
    for _ in 0..2 {
        let mut received = Vec::new();
        eventually("the job is delivered", async || {
            received = ids(&receive_jobs(brief.as_ref(), 10).await);
            !received.is_empty()
        })
        .await;
        assert_eq!(received, published);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_share_the_partitions_of_kafka() {
    let setup = new_setup(8);
    let workers = [setup.subscription(), setup.subscription()];
    let mut have_received = [false; 2];
    eventually("both workers have partitions", async || {
        setup.publish(8).await;
        for (number, deliveries) in receive_both(&workers).await.into_iter().enumerate() {
            have_received[number] |= !deliveries.is_empty();
            delete(workers[number].as_ref(), deliveries).await;
        }
        have_received == [true; 2]
    })
    .await;
    eventually("everything is settled", async || {
        for (worker, deliveries) in workers.iter().zip(receive_both(&workers).await) {
            delete(worker.as_ref(), deliveries).await;
        }
        setup.depth().await == 0
    })
    .await;
    let sent = setup.publish(40).await;
    let mut arrived = Vec::new();
    eventually("all messages arrive", async || {
        let deliveries = receive_both(&workers).await;
        arrived.extend(deliveries.iter().flatten().map(id));
        arrived.len() >= sent.len()
    })
    .await;
    assert_eq!(arrived.len(), sent.len());
    assert_eq!(arrived.into_iter().collect::<BTreeSet<_>>(), sent);
}

/// A worker that has enough messages ready reads no more for a while.
#[tokio::test(flavor = "multi_thread")]
async fn a_partition_of_kafka_that_was_given_up_while_it_was_not_read_is_read_when_it_comes_back() {
    let setup = new_setup(2);
    // More than a worker keeps ready.
    let sent = publish_many(&setup, 7000).await;
    let (stays, leaves) = (setup.subscription(), setup.subscription());
    let mut arrived: BTreeSet<JobId> = BTreeSet::new();
    let first = receive_count(stays.as_ref(), 1).await;
    arrived.extend(first.iter().map(id));
    // The other worker gets one of the partitions.
    let mut theirs: BTreeSet<JobId> = BTreeSet::new();
    let first = receive_count(leaves.as_ref(), 1).await;
    theirs.extend(first.iter().map(id));
    let workers = [Arc::clone(&stays), Arc::clone(&leaves)];
    eventually("all messages arrive", async || {
        let [ours, others] = receive_both(&workers).await;
        arrived.extend(ours.iter().map(id));
        theirs.extend(others.iter().map(id));
        arrived.union(&theirs).count() == sent.len()
    })
    .await;
    leaves.close().await;
    eventually("those of the other worker arrive", async || {
        let ours = receive(stays.as_ref(), 100).await;
        arrived.extend(ours.iter().map(id));
        arrived == sent
    })
    .await;
}

/// Lets both workers receive at the same time.
async fn receive_both(workers: &[Arc<dyn Subscription>; 2]) -> [Vec<Delivery>; 2] {
    let [one, two] = workers;
    let (one, two) = tokio::join!(receive(one.as_ref(), 100), receive(two.as_ref(), 100));
    [one, two]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_closes_its_subscription_leaves_its_messages_in_kafka_to_others() {
    let setup = new_setup(4);
    let published = setup.publish(SLOTS).await;
    let leaving = setup.subscription();
    let mut deliveries = receive_count(leaving.as_ref(), SLOTS).await;
    let kept = id(&deliveries[0]);
    let settled = deliveries.split_off(1);
    delete(leaving.as_ref(), settled).await;
    leaving.close().await;
    let lost = delete(leaving.as_ref(), deliveries).await;
    assert_eq!(lost, [BatchOutcome::Lost]);
    let other = setup.subscription();
    let mut again: BTreeSet<JobId> = BTreeSet::new();
    eventually("another worker gets the message", async || {
        let deliveries = receive(other.as_ref(), SLOTS).await;
        again.extend(deliveries.iter().map(id));
        delete(other.as_ref(), deliveries).await;
        setup.depth().await == 0
    })
    .await;
    // Also those that were settled later than it, if they are in the same partition.
    assert!(again.contains(&kept), "{again:?}");
    assert!(again.is_subset(&published));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_of_kafka_receives_more_messages_than_it_keeps_ready() {
    let setup = new_setup(2);
    let sent = publish_many(&setup, 7000).await;
    take_all(setup.subscription().as_ref(), &sent).await;
}

/// Publishes this many messages, a multiple of 100.
async fn publish_many(setup: &Setup, count: usize) -> BTreeSet<JobId> {
    let publisher = setup.publisher();
    let mut sent = BTreeSet::new();
    for _ in 0..count / 100 {
        let batch = publisher.publish(&messages(100)).await.unwrap();
        sent.extend(batch.sent.iter().map(|key| key.id));
    }
    assert_eq!(sent.len(), count);
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kafka_that_is_away_for_a_while_loses_no_message() {
    let kafka = Kafka::start(1).unwrap();
    let setup = Setup::of(kafka.new_topic(4));
    let (publisher, subscription) = (setup.publisher(), setup.subscription());
    let sent = setup.publish(100).await;
    let deliveries = receive_count(subscription.as_ref(), SLOTS).await;
    kafka.go_down().unwrap();
    // It is away for as long as the publisher tries.
    assert!(publisher.publish(&messages(1)).await.is_err());
    kafka.come_up().unwrap();
    let held = deliveries.iter().map(id).collect();
    let rest: BTreeSet<JobId> = sent.difference(&held).copied().collect();
    let mut arrived = BTreeSet::new();
    eventually("the others arrive", async || {
        let more = receive(subscription.as_ref(), SLOTS).await;
        arrived.extend(more.iter().map(id));
        delete(subscription.as_ref(), more).await;
        arrived.is_superset(&rest)
    })
    .await;
    assert!(arrived.is_subset(&sent));
    let mut again = BTreeSet::new();
    eventually("messages can be sent again", async || {
        let batch = publisher.publish(&messages(3)).await.unwrap_or_default();
        again.extend(batch.sent.iter().map(|key| key.id));
        !again.is_empty()
    })
    .await;
    eventually("they arrive", async || {
        let more = receive(subscription.as_ref(), SLOTS).await;
        arrived.extend(more.iter().map(id));
        delete(subscription.as_ref(), more).await;
        arrived.is_superset(&again)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_missing_in_kafka_is_named_with_the_command_that_creates_it() {
    let setup = Setup::of(Kafka::shared().url("nowhere"));
    let fault = setup.only_fault().await;
    assert!(fault.contains("no topic nowhere"), "{fault}");
    assert!(fault.contains("--create --topic nowhere "), "{fault}");
    // To look at it has not created it.
    assert_eq!(setup.only_fault().await, fault);
    assert!(setup.publisher().depth().await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_missing_in_kafka_is_not_created_by_sending_to_it() {
    let setup = Setup::of(Kafka::shared().url("never-created"));
    let published = setup.publisher().publish(&messages(1)).await;
    assert_eq!(published.map_or(0, |batch| batch.sent.len()), 0);
    let fault = setup.only_fault().await;
    assert!(fault.contains("no topic never-created"), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_of_kafka_that_do_not_suit_cause_warnings() {
    let kafka = Kafka::start(3).unwrap();
    kafka.create_topic("good", 4, 3).unwrap();
    kafka.create_topic("good.dead", 1, 3).unwrap();
    kafka.create_topic("poor", 4, 1).unwrap();
    assert_eq!(
        Setup::of(kafka.url("good")).findings().await,
        Findings::default()
    );
    let workers = WorkerNeeds {
        workers: 5,
        ..NEEDS
    };
    let worker = Setup::of(kafka.url("poor")).subscription();
    let Findings { unusable, warnings } = worker.inspect(workers).await.unwrap();
    assert_eq!(unusable, [""; 0]);
    for part in [
        "replication factor",
        "no topic poor.dead",
        "5 workers run: 1 of them",
    ] {
        let found = warnings.iter().filter(|warning| warning.contains(part));
        assert_eq!(found.count(), 1, "{part}: {warnings:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_kafka_refuses_is_named() {
    let server = refusing::Server::start().await;
    let url = format!("kafka://me:wrong@127.0.0.1:{}/ical", server.port());
    let setup = Setup::of(url);
    let fault = setup.only_fault().await;
    assert!(fault.contains("user or password of QUEUE_URL"), "{fault}");
    let sent = setup.publisher().publish(&messages(1)).await;
    assert!(is_refusal(&sent.unwrap_err()));
    let worker = setup.subscription();
    eventually("the worker is refused", async || {
        let received = worker.receive(1, &CancellationToken::new()).await;
        received.is_err_and(|error| is_refusal(&error))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_to_kafka_that_breaks_while_the_user_logs_in_is_no_refusal() {
    let server = refusing::Server::start_that_hangs_up().await;
    let url = format!("kafka://me:secret@127.0.0.1:{}/ical", server.port());
    let setup = Setup::of(url);
    let found = setup.publisher().inspect().await;
    assert!(
        matches!(&found, Err(QueueError::Unavailable(_))),
        "{found:?}"
    );
    let worker = setup.subscription();
    eventually("the worker learns that there is no Kafka", async || {
        let received = worker.receive(1, &CancellationToken::new()).await;
        assert!(
            !matches!(&received, Err(QueueError::Refused(_))),
            "{received:?}"
        );
        received.is_err()
    })
    .await;
}

fn is_refusal(error: &QueueError) -> bool {
    matches!(error, QueueError::Refused(reason) if reason.contains("user or password of QUEUE_URL"))
}

#[tokio::test(flavor = "multi_thread")]
#[cfg(not(feature = "kafka-tls"))]
async fn a_mechanism_of_sasl_that_needs_openssl_is_named_for_kafka() {
    let url = "kafka://me:secret@127.0.0.1:1/ical?sasl=SCRAM-SHA-256";
    let fault = Setup::of(url.to_owned()).only_fault().await;
    assert!(fault.contains("--features kafka-tls"), "{fault}");
}
