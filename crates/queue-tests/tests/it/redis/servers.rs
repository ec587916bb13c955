//! Which server suits, and how it is reached.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use job_queue::{BrokerAccess, Findings, QueueError, QueueUrl, WorkerNeeds};
use local_services::brokers::{BrokerKind, LocalBroker};
use local_services::testing::eventually;
use shared_model::job::JobId;
use tokio_util::sync::CancellationToken;

use super::{STREAM, ask, ask_at, private, publisher, send, subscription};
use crate::support::{Kind, LONG, Queue, receive_all};

const NEEDS: WorkerNeeds = WorkerNeeds {
    max_attempts: 5,
    job_timeout: Duration::from_mins(2),
    slots: 10,
    workers: 1,
};

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
    // also if nothing else has followed the stream before
    let found = findings(&url.to_string(), &access).await;
    assert_eq!(found, Findings::default());
}

/// Starts a server that answers as a node of a cluster does, a replica, whose stream is in another node.
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
            Some("INFO") => "$12\r\nrole:slave\r\n\r\n".to_owned(),
            _ => format!("-MOVED 1234 127.0.0.1:{node}\r\n"),
        };
        if connection.write_all(answer.as_bytes()).is_err() {
            break;
        }
    }
}
