//! What is special about Redis: which server suits, and what survives when it or a worker ends.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use job_queue::{
    BatchOutcome, BrokerAccess, Findings, Publisher, QueueDepth, QueueError, QueueUrl,
    Subscription, SubscriptionOptions, WorkerNeeds,
};
use local_services::brokers::{BrokerKind, LocalBroker};
use local_services::testing::eventually;
use nix::sys::signal::Signal;
use redis::{Connection, FromRedisValue, Value};
use shared_model::job::JobId;
use shared_model::message::OutboundMessage;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::{Kind, LONG, Queue, id_set, ids, message, receive_all};

const NEEDS: WorkerNeeds = WorkerNeeds {
    max_attempts: 5,
    job_timeout: Duration::from_mins(2),
    slots: 10,
    workers: 1,
};
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

/// Returns what the API and a worker find, which is the same.
async fn findings(url: &str, access: &BrokerAccess) -> Findings {
    let url: QueueUrl = url.parse().unwrap();
    let QueueUrl::Broker(broker) = &url else {
        panic!("{url} is no broker")
    };
    let pool = Queue::new(Kind::Postgres).pool;
    let worker = broker.subscription(access, &pool, LONG);
    let found = worker.inspect(NEEDS).await.unwrap();
    assert_eq!(publisher(&url, access).inspect().await.unwrap(), found);
    found
}

/// Returns the only reason why a queue can't be used.
async fn reason(url: &str) -> String {
    let mut found = findings(url, &BrokerAccess::default()).await;
    assert_eq!(found.unusable.len(), 1, "{found:?}");
    found.unusable.remove(0)
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

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
async fn a_server_that_suits_has_no_findings() {
    let queue = Queue::new(Kind::Redis);
    let found = findings(&queue.url.to_string(), &BrokerAccess::default()).await;
    assert_eq!(found, Findings::default());
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
async fn a_missing_stream_or_group_is_unusable_with_the_command_that_creates_it() {
    let broker = LocalBroker::shared(BrokerKind::Redis);
    let name = format!("test-{}", JobId::new());
    let url = broker.url(&name, None);
    let command = format!("redis-cli XGROUP CREATE {name} taskoverflow 0 MKSTREAM");
    assert!(reason(&url).await.contains(&command));
    let parsed: QueueUrl = url.parse().unwrap();
    // without a stream, nothing can be sent either, and the stream is not created without its group
    let queue = Queue::new(Kind::Postgres);
    let messages = queue.jobs(1).await;
    let publisher = publisher(&parsed, &BrokerAccess::default());
    let refused = publisher.publish(&messages).await.unwrap_err();
    assert!(matches!(&refused, QueueError::Refused(text) if text.contains(&command)));
    let exists: bool = ask(&parsed, &["EXISTS", &name]);
    assert!(!exists);

    let _: String = ask(&parsed, &["XADD", &name, "*", "m", "x"]);
    assert!(reason(&url).await.contains(&command));
    let worker = subscription(&queue, &parsed, LONG);
    let refused = worker.receive(1, &CancellationToken::new()).await;
    let error = refused.unwrap_err();
    assert!(
        matches!(&error, QueueError::Refused(text) if text.contains(&command)),
        "{error}"
    );

    let text = format!("{name}-text");
    let _: String = ask(&parsed, &["SET", &text, "x"]);
    let other = broker.url(&text, None);
    assert!(reason(&other).await.contains("is not a stream"));
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
async fn a_server_that_deletes_messages_is_unusable_and_one_that_forgets_them_is_a_warning() {
    let (_broker, url) = private(&[
        ("maxmemory", "100mb"),
        ("maxmemory-policy", "allkeys-lru"),
        ("appendonly", "no"),
    ]);
    let found = findings(&url.to_string(), &BrokerAccess::default()).await;
    assert!(found.unusable[0].contains("set noeviction"), "{found:?}");
    assert!(found.warnings[0].contains("append-only file"), "{found:?}");
    assert_eq!((found.unusable.len(), found.warnings.len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
async fn a_server_is_used_with_a_user_a_password_and_a_database() {
    let broker = LocalBroker::private(BrokerKind::Redis, &[("requirepass", "s3cret")]).unwrap();
    let port = broker.port();
    let server = format!("redis://:s3cret@127.0.0.1:{port}/2");
    let create = ["XGROUP", "CREATE", STREAM, "taskoverflow", "0", "MKSTREAM"];
    let _: String = ask_at(&server, &create);
    let _: String = ask_at(
        &server,
        &["ACL", "SETUSER", "me", "on", ">pass word", "~*", "+@all"],
    );
    let _: String = ask_at(
        &server,
        &["ACL", "SETUSER", "reader", "on", ">pw", "~*", "+ping"],
    );
    let url = |login: &str| format!("redis://{login}127.0.0.1:{port}/{STREAM}?db=2");
    for login in ["me:pass%20word@", ":s3cret@"] {
        let found = findings(&url(login), &BrokerAccess::default()).await;
        assert_eq!(found, Findings::default(), "{login}");
    }
    for login in ["", ":wrong@", "me:wrong@", "nobody:s3cret@", "reader:pw@"] {
        let reason = reason(&url(login)).await;
        let expected = "Redis refuses the user or password of QUEUE_URL";
        assert!(reason.starts_with(expected), "{login}: {reason}");
        assert!(!reason.contains("wrong"), "{reason}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "s3cret\n").unwrap();
    let access = BrokerAccess {
        password_file: Some(file),
        ca_file: None,
    };
    assert_eq!(findings(&url(""), &access).await, Findings::default());
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
async fn a_replica_is_unusable() {
    let (primary, url) = private(&[]);
    let of = format!("127.0.0.1 {}", primary.port());
    let replica = LocalBroker::private(BrokerKind::Redis, &[]).unwrap();
    let replica_url: QueueUrl = replica.url(STREAM, None).parse().unwrap();
    let mut words = vec!["REPLICAOF"];
    words.extend(of.split(' '));
    let _: String = ask(&replica_url, &words);
    eventually("the replica has the stream", async || {
        ask::<bool>(&replica_url, &["EXISTS", STREAM])
    })
    .await;
    let reason = reason(&replica_url.to_string()).await;
    assert!(reason.contains("replica"), "{reason}");
    let queue = Queue::new(Kind::Postgres);
    let messages = queue.jobs(1).await;
    let access = BrokerAccess::default();
    let refused = publisher(&replica_url, &access).publish(&messages).await;
    assert!(
        matches!(refused, Err(QueueError::Unavailable(_))),
        "{refused:?}"
    );
    // when it becomes the primary, the same publisher reaches it
    let promoted = publisher(&replica_url, &access);
    assert!(promoted.publish(&messages).await.is_err());
    let _: String = ask(&replica_url, &["REPLICAOF", "NO", "ONE"]);
    send(promoted.as_ref(), &messages).await;
    drop(url);
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
async fn a_stream_in_another_node_of_a_cluster_is_found_there() {
    let queue = Queue::new(Kind::Redis);
    let node = LocalBroker::shared(BrokerKind::Redis).port();
    let first = cluster_node_without_the_stream(node);
    let url: QueueUrl = format!("redis://127.0.0.1:{first}/{}", queue.url.name())
        .parse()
        .unwrap();
    let messages = queue.jobs(3).await;
    let access = BrokerAccess::default();
    let published = publisher(&url, &access).publish(&messages).await.unwrap();
    assert_eq!(published.sent.len(), 3);
    let worker = subscription(&queue, &url, LONG);
    assert_eq!(receive_all(worker.as_ref(), 3).await.len(), 3);
    assert_eq!(worker.inspect(NEEDS).await.unwrap(), Findings::default());
}

/// Starts a server that answers every command as a node of a cluster does whose stream is in another node.
fn cluster_node_without_the_stream(node: u16) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let connection = connection.unwrap();
            std::thread::spawn(move || redirect(&connection, node));
        }
    });
    port
}

fn redirect(mut connection: &TcpStream, node: u16) {
    let mut lines = BufReader::new(connection).lines();
    // Each command is the number of its words, and then the length and the text of each word.
    while let Some(Ok(line)) = lines.next() {
        let words: usize = line.trim_start_matches('*').parse().unwrap();
        let mut name = None;
        for _ in 0..words {
            lines.next();
            let word = lines.next().unwrap().unwrap();
            name.get_or_insert(word);
        }
        let answer = match name.as_deref() {
            Some("CLIENT") => "+OK\r\n".to_owned(),
            _ => format!("-MOVED 1234 127.0.0.1:{node}\r\n"),
        };
        if connection.write_all(answer.as_bytes()).is_err() {
            break;
        }
    }
}
