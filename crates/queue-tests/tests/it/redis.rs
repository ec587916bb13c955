//! What is special about Redis: how messages are counted, lost, moved and deleted, and what survives when the server or a
//! worker ends.
//!
//! # Layout
//! - `servers`: which server suits

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use job_queue::{
    BatchOutcome, BrokerAccess, Publisher, QueueDepth, QueueError, QueueUrl, Subscription,
    SubscriptionOptions,
};
use local_services::brokers::{BrokerKind, LocalBroker};
use local_services::testing::eventually;
use nix::sys::signal::Signal;
use redis::{Connection, FromRedisValue, Value};
use shared_model::message::OutboundMessage;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::{Kind, LONG, Queue, id_set, ids, message, receive_all};

mod servers;

/// The name of the stream on a server that only one test uses.
const STREAM: &str = "ical";

/// Sends one command to the server of a URL.
fn ask<T: FromRedisValue>(url: &QueueUrl, words: &[&str]) -> T {
    let QueueUrl::Broker(broker) = url else {
        panic!("{url} is no broker")
    };
    let (host, port) = (broker.address().host(), broker.address().port());
    ask_at(&format!("redis://{host}:{port}"), words)
}

fn ask_at<T: FromRedisValue>(server: &str, words: &[&str]) -> T {
    let mut connection: Connection = redis::Client::open(server)
        .unwrap()
        .get_connection()
        .unwrap();
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]).query(&mut connection).unwrap()
}

/// Returns a server for one test, with a stream.
fn private(settings: &[(&str, &str)]) -> (LocalBroker, QueueUrl) {
    let broker = LocalBroker::private(BrokerKind::Redis, settings).unwrap();
    broker.create_queue(STREAM).unwrap();
    let url = broker.url(STREAM, None).parse().unwrap();
    (broker, url)
}

fn publisher(url: &QueueUrl, access: &BrokerAccess) -> Arc<dyn Publisher> {
    let QueueUrl::Broker(broker) = url else {
        panic!("{url} is no broker")
    };
    broker.publisher(access)
}

fn subscription(
    queue: &Queue,
    url: &QueueUrl,
    options: SubscriptionOptions,
) -> Arc<dyn Subscription> {
    let QueueUrl::Broker(broker) = url else {
        panic!("{url} is no broker")
    };
    broker.subscription(&BrokerAccess::default(), &queue.pool, options)
}

async fn depth(url: &QueueUrl) -> QueueDepth {
    let publisher = publisher(url, &BrokerAccess::default());
    publisher.depth().await.unwrap()
}

/// Sends messages until the server has confirmed all of them.
async fn send(publisher: &dyn Publisher, messages: &[OutboundMessage]) {
    eventually("the messages are sent", async || {
        publisher
            .publish(messages)
            .await
            .is_ok_and(|published| published.sent.len() == messages.len())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
async fn the_depth_counts_messages_by_what_can_be_done_with_them() {
    let queue = Queue::new(Kind::Redis);
    queue.publish(5).await;
    let mut received = queue.receive(3).await;
    queue
        .release(received.remove(0), Duration::from_hours(1))
        .await;
    queue.release(received.remove(0), Duration::ZERO).await;
    let expected = QueueDepth {
        visible: 3,
        in_flight: Some(1),
        delayed: 1,
        dead_letters: Ok(Some(0)),
    };
    assert_eq!(depth(&queue.url).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
async fn a_delivery_that_was_lost_can_be_deleted_but_not_kept() {
    let queue = Queue::new(Kind::Redis);
    let published = queue.publish(2).await;
    let brief = queue.brief_subscription();
    let lost = receive_all(brief.as_ref(), 2).await;
    // it waits for longer than the visibility timeout of the holder, which is not its own
    let again = receive_all(queue.subscription.as_ref(), 2).await;
    assert_eq!(id_set(&again), published.into_iter().collect());
    let mut lost = lost.into_iter().map(message);
    let (first, second) = (lost.next().unwrap(), lost.next().unwrap());
    let receipts = [first.receipt.clone()];
    assert_eq!(brief.extend(&receipts).await, [BatchOutcome::Lost]);
    let released = brief.release(&[first.release(Duration::ZERO)]).await;
    assert_eq!(released, [BatchOutcome::Lost]);
    // its job has ended, whoever holds the message
    let delete = [second.delete()];
    assert_eq!(brief.delete(&delete).await, [BatchOutcome::Done]);
    assert_eq!(brief.delete(&delete).await, [BatchOutcome::Lost]);
    assert_eq!(depth(&queue.url).await.in_flight, Some(1));
}

/// Returns the name of the only consumer of a stream.
fn only_consumer(stream: &QueueUrl) -> String {
    let mut consumers: Vec<HashMap<String, Value>> = ask(
        stream,
        &["XINFO", "CONSUMERS", stream.name(), "taskoverflow"],
    );
    let consumer = consumers.pop().unwrap();
    assert_eq!(consumers, []);
    redis::from_redis_value(consumer["name"].clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
async fn a_delivery_whose_answer_was_lost_is_received_again() {
    let queue = Queue::new(Kind::Redis);
    let published = queue.publish(2).await;
    let known = queue.receive(1).await;
    // as when the server reads a call from a connection that the worker has given up
    let consumer = only_consumer(&queue.url);
    let stream = queue.url.name();
    let group = ["XREADGROUP", "GROUP", "taskoverflow", &consumer];
    let read = [&group[..], &["STREAMS", stream, ">"]].concat();
    let _: Value = ask(&queue.url, &read);
    let began = Instant::now();
    let again = queue.receive_all(1).await;
    assert_eq!(ids(&known), published[..1]);
    assert_eq!(ids(&again), published[1..]);
    assert!(began.elapsed() < LONG.visibility / 2);
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
#[expect(clippy::disallowed_methods, reason = "in a thread of its own")]
async fn a_delivery_that_only_the_server_takes_as_extended_is_received_again() {
    let queue = Queue::new(Kind::Redis);
    let published = queue.publish(1).await;
    let brief = queue.brief_subscription();
    assert_eq!(receive_all(brief.as_ref(), 1).await.len(), 1);
    let consumer = only_consumer(&queue.url);
    let url = queue.url.clone();
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let extending = std::thread::spawn(move || {
        let stream = url.name();
        let entries: Vec<(String, Value)> = ask(&url, &["XRANGE", stream, "-", "+"]);
        let id = entries[0].0.as_str();
        while !stopped.is_cancelled() {
            let claim = ["XCLAIM", stream, "taskoverflow", &consumer, "0", id];
            let _: Vec<Value> = ask(&url, &claim);
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let again = receive_all(brief.as_ref(), 1).await;
    stop.cancel();
    extending.join().unwrap();
    assert_eq!(ids(&again), published);
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
async fn a_message_that_cannot_be_read_moves_to_the_dead_letters_alone() {
    let queue = Queue::new(Kind::Redis);
    let stream = queue.url.name();
    let _: String = ask(&queue.url, &["XADD", stream, "*", "m", "{broken", "n", "2"]);
    let _: String = ask(&queue.url, &["XADD", stream, "*", "other", "field"]);
    let published = queue.publish(1).await;
    let mut received = queue.receive(10).await;
    let readable = received.pop().unwrap();
    assert_eq!(ids(&[readable]), published);
    let rejections: Vec<_> = received
        .into_iter()
        .map(|one| {
            let delivery = message(one);
            assert!(delivery.message.is_err());
            delivery.reject()
        })
        .collect();
    assert_eq!(rejections.len(), 2);
    let rejected = queue.subscription.reject(&rejections).await;
    assert_eq!(rejected, [BatchOutcome::Done, BatchOutcome::Done]);
    let dead = format!("{{{stream}}}:dead");
    let bodies: Vec<(String, Vec<String>)> = ask(&queue.url, &["XRANGE", &dead, "-", "+"]);
    let fields: Vec<_> = bodies.into_iter().map(|(_, fields)| fields).collect();
    assert_eq!(
        fields,
        [vec!["m", "{broken", "n", "2"], vec!["other", "field"]]
    );
    let again = queue.subscription.reject(&rejections).await;
    assert_eq!(again, [BatchOutcome::Lost, BatchOutcome::Lost]);
    let depth = depth(&queue.url).await;
    assert_eq!(
        (depth.dead_letters, depth.in_flight),
        (Ok(Some(2)), Some(1))
    );
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
async fn a_closed_subscription_keeps_no_message_and_leaves_no_consumer() {
    let queue = Queue::new(Kind::Redis);
    let published = queue.publish(3).await;
    let leaving = queue.second_subscription();
    assert_eq!(receive_all(leaving.as_ref(), 3).await.len(), 3);
    leaving.close().await;
    let consumers: Vec<Value> = ask(
        &queue.url,
        &["XINFO", "CONSUMERS", queue.url.name(), "taskoverflow"],
    );
    // the one that holds what was released
    assert_eq!(consumers.len(), 1, "{consumers:?}");
    let began = Instant::now();
    let again = queue.receive_all(3).await;
    assert_eq!(id_set(&again), published.into_iter().collect());
    assert!(began.elapsed() < LONG.visibility / 2);
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
async fn an_entry_that_somebody_deleted_is_forgotten() {
    let queue = Queue::new(Kind::Redis);
    queue.publish(1).await;
    let stream = queue.url.name();
    let received = queue.receive(1).await.pop().unwrap();
    queue.release(received, Duration::ZERO).await;
    let entries: Vec<(String, Value)> = ask(&queue.url, &["XRANGE", stream, "-", "+"]);
    let deleted: u64 = ask(&queue.url, &["XDEL", stream, &entries[0].0]);
    assert_eq!(deleted, 1);
    let published = queue.publish(1).await;
    assert_eq!(ids(&queue.receive(1).await), published);
    assert_eq!(depth(&queue.url).await.in_flight, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
async fn a_server_that_is_killed_or_closes_connections_loses_no_message() {
    let (mut broker, url) = private(&[]);
    let queue = Queue::new(Kind::Postgres);
    let publisher = publisher(&url, &BrokerAccess::default());
    let worker = subscription(&queue, &url, LONG);
    let mut expected = BTreeSet::new();
    let mut received = BTreeSet::new();
    for round in 0..4 {
        let messages = queue.jobs(10).await;
        expected.extend(messages.iter().map(|one| one.message.job_id));
        send(publisher.as_ref(), &messages).await;
        // the first call after a connection was closed fails
        let some = worker.receive(5, &CancellationToken::new()).await;
        received.extend(ids(&some.unwrap_or_default()));
        match round {
            0 => drop(ask::<u64>(&url, &["CLIENT", "KILL", "TYPE", "normal"])),
            1 => broker.stop(Signal::SIGKILL).unwrap(),
            2 => broker.stop(Signal::SIGTERM).unwrap(),
            _ => {}
        }
        if (1..=2).contains(&round) {
            let refused = worker.receive(5, &CancellationToken::new()).await;
            assert!(
                matches!(refused, Err(QueueError::Unavailable(_))),
                "{refused:?}"
            );
            broker.start_again().unwrap();
        }
    }
    eventually("everything arrives", async || {
        let more = worker.receive(100, &CancellationToken::new()).await;
        received.extend(ids(&more.unwrap_or_default()));
        received.len() >= expected.len()
    })
    .await;
    assert_eq!(received, expected);
    assert_eq!(depth(&url).await.in_flight, Some(40));
}
