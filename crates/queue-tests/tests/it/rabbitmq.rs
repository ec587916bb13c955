//! What is special about RabbitMQ: what its queues must be, and what happens when it or a connection to it ends.

use std::collections::BTreeSet;

use job_queue::{BatchOutcome, Delivery, Findings};
use local_services::brokers::{BrokerKind, LocalBroker};
use local_services::testing::eventually;
use nix::sys::signal::Signal;
use shared_model::job::JobId;
use tcp_proxy::BrokerProxy;

use crate::setup::{SLOTS, Setup, id, messages, receive, take_all};

mod raw;

use raw::Raw;

/// Creates a queue that no other test uses.
fn new_setup(broker: &LocalBroker) -> Setup {
    let name = format!("test-{}", JobId::new());
    broker.create_queue(&name).unwrap();
    Setup::of(broker.url(&name, None))
}

fn shared() -> &'static LocalBroker {
    LocalBroker::shared(BrokerKind::RabbitMq)
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_rabbitmq), ignore = "needs rabbitmq-server")]
async fn a_rabbitmq_that_is_restarted_or_killed_loses_no_message() {
    let mut broker = LocalBroker::private(BrokerKind::RabbitMq, &[]).unwrap();
    let setup = new_setup(&broker);
    let (publisher, subscription) = (setup.publisher(), setup.subscription());
    // The restart comes first: RabbitMQ may forget a quorum queue if it is killed just after it has created the queue.
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let sent = setup.publish(100).await;
        let mut deliveries = Vec::new();
        while deliveries.len() < SLOTS {
            deliveries.extend(receive(subscription.as_ref(), SLOTS - deliveries.len()).await);
        }
        broker.stop(signal).unwrap();
        assert!(publisher.publish(&messages(1)).await.is_err());
        broker.start_again().unwrap();
        take_all(subscription.as_ref(), &sent).await;
        let lost = subscription
            .delete(&[deliveries.pop().unwrap().delete()])
            .await;
        assert_eq!(lost, [BatchOutcome::Lost]);
        let again = publisher.publish(&messages(3)).await.unwrap();
        assert_eq!(again.sent.len(), 3);
        let left = again.sent.iter().map(|key| key.id).collect();
        take_all(subscription.as_ref(), &left).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_rabbitmq), ignore = "needs rabbitmq-server")]
async fn a_connection_to_rabbitmq_that_is_cut_loses_no_message() {
    let direct = new_setup(shared());
    let proxy = BrokerProxy::start(shared().port()).await.unwrap();
    let through = Setup::of(shared().url(direct.name(), Some(proxy.port())));
    let (publisher, subscription) = (through.publisher(), through.subscription());
    assert_eq!(publisher.publish(&messages(1)).await.unwrap().sent.len(), 1);
    let first = receive(subscription.as_ref(), 1).await;
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].receive_count, 1);
    proxy.disconnect();
    // another worker gets it immediately, although the visibility timeout has not passed
    let other = direct.subscription();
    let mut again = Vec::new();
    eventually("another worker gets the message", async || {
        again = receive(other.as_ref(), 1).await;
        !again.is_empty()
    })
    .await;
    assert_eq!(id(&again[0]), id(&first[0]));
    assert_eq!(again[0].receive_count, 2);
    let deletions: Vec<_> = again.into_iter().map(Delivery::delete).collect();
    assert_eq!(other.delete(&deletions).await, [BatchOutcome::Done]);
    let sent = through.publish(20).await;
    take_all(subscription.as_ref(), &sent).await;
    let deletions: Vec<_> = first.into_iter().map(Delivery::delete).collect();
    assert_eq!(subscription.delete(&deletions).await, [BatchOutcome::Lost]);
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_rabbitmq), ignore = "needs rabbitmq-server")]
async fn rabbitmq_keeps_no_message_for_a_worker_that_does_not_poll() {
    let setup = new_setup(shared());
    let published = setup.publish(SLOTS).await;
    let idle = setup.subscription();
    let first = receive(idle.as_ref(), 1).await;
    assert_eq!(first.len(), 1);
    // the others were pushed to it too
    let rest = published
        .into_iter()
        .filter(|other| *other != id(&first[0]));
    let rest = rest.collect();
    take_all(setup.subscription().as_ref(), &rest).await;
    let deletions: Vec<_> = first.into_iter().map(Delivery::delete).collect();
    assert_eq!(idle.delete(&deletions).await, [BatchOutcome::Done]);
    eventually("the queue is empty", async || setup.depth().await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_rabbitmq), ignore = "needs rabbitmq-server")]
async fn a_worker_that_closes_its_subscription_returns_its_messages_to_rabbitmq() {
    let setup = new_setup(shared());
    let published = setup.publish(SLOTS).await;
    let leaving = setup.subscription();
    let mut deliveries = Vec::new();
    while deliveries.len() < SLOTS {
        deliveries.extend(receive(leaving.as_ref(), SLOTS).await);
    }
    let settled = deliveries.pop().unwrap();
    let rest = published.into_iter().filter(|other| *other != id(&settled));
    let rest: BTreeSet<JobId> = rest.collect();
    assert_eq!(
        leaving.delete(&[settled.delete()]).await,
        [BatchOutcome::Done]
    );
    leaving.close().await;
    take_all(setup.subscription().as_ref(), &rest).await;
    eventually("the queue is empty", async || setup.depth().await == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_rabbitmq), ignore = "needs rabbitmq-server")]
async fn a_queue_that_is_missing_in_rabbitmq_is_named_with_the_command_that_creates_it() {
    let setup = Setup::of(shared().url("nowhere", None));
    let fault = setup.only_fault().await;
    assert!(fault.contains("no queue nowhere"), "{fault}");
    assert!(
        fault.contains("| rabbitmqctl import_definitions"),
        "{fault}"
    );
    let published = setup.publisher().publish(&messages(2)).await.unwrap();
    assert_eq!(published.sent, []);
    assert_eq!(published.failed.len(), 2);
    assert!(published.failed[0].1.contains("NO_ROUTE"), "{published:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_rabbitmq), ignore = "needs rabbitmq-server")]
async fn a_user_or_virtual_host_that_rabbitmq_refuses_is_named() {
    let setup = new_setup(shared());
    let with = |login: &str, host: &str| {
        let url = setup.url.replace("://", &format!("://{login}"));
        Setup::of(url.replace(setup.name(), &format!("{host}{}", setup.name())))
    };
    let fault = with("guest:wrong@", "").only_fault().await;
    assert!(fault.contains("user or password"), "{fault}");
    let fault = with("", "other/").only_fault().await;
    assert!(fault.contains("add_vhost other"), "{fault}");
    assert_eq!(setup.findings().await, Findings::default());
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_rabbitmq), ignore = "needs rabbitmq-server")]
async fn a_classic_queue_of_rabbitmq_is_refused() {
    let raw = Raw::connect(shared().port()).await;
    let name = format!("classic-{}", JobId::new());
    raw.declare(&name, &[]).await;
    let fault = Setup::of(shared().url(&name, None)).only_fault().await;
    assert!(fault.contains("no quorum queue"), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_rabbitmq), ignore = "needs rabbitmq-server")]
async fn arguments_of_a_rabbitmq_queue_that_drop_messages_cause_warnings() {
    let raw = Raw::connect(shared().port()).await;
    let name = format!("limited-{}", JobId::new());
    raw.declare(
        &name,
        &[
            "x-queue-type=quorum",
            "x-max-length=1000",
            "x-delivery-limit=2",
        ],
    )
    .await;
    let Findings { unusable, warnings } = Setup::of(shared().url(&name, None)).findings().await;
    assert_eq!(unusable, [""; 0]);
    for name in [
        "x-max-length",
        "x-delivery-limit 2",
        "x-dead-letter-exchange",
    ] {
        let found = warnings.iter().filter(|warning| warning.contains(name));
        assert_eq!(found.count(), 1, "{name}: {warnings:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_rabbitmq), ignore = "needs rabbitmq-server")]
async fn a_message_that_cannot_be_read_is_moved_to_the_dead_letters_that_rabbitmq_has() {
    let raw = Raw::connect(shared().port()).await;
    // a queue whose dead letters RabbitMQ moves, and one that has only a queue with the usual name
    let moved = new_setup(shared());
    let copied = format!("plain-{}", JobId::new());
    raw.declare(&copied, &["x-queue-type=quorum"]).await;
    raw.declare(&format!("{copied}.dead"), &["x-queue-type=quorum"])
        .await;
    for setup in [moved, Setup::of(shared().url(&copied, None))] {
        raw.send(setup.name(), "garbage").await;
        let subscription = setup.subscription();
        let mut received = receive(subscription.as_ref(), SLOTS).await;
        let delivery = received.pop().unwrap();
        assert!(delivery.message.is_err());
        let outcome = subscription.reject(&[delivery.reject()]).await;
        assert_eq!(outcome, [BatchOutcome::Done]);
        let dead = format!("{}.dead", setup.name());
        let mut found = None;
        eventually("the message is among the dead letters", async || {
            found = raw.get(&dead).await;
            found.is_some()
        })
        .await;
        assert_eq!(found.unwrap(), "garbage");
        assert_eq!(setup.depth().await, 0);
    }
}
