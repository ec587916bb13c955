//! A queue that can't carry jobs ends the processes with exit code 2, and they say what is wrong and what to do.

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};

use faults::process::Role;
use faults::queue::QueueKind;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use local_services::brokers::{BrokerKind, LocalBroker};
use local_services::testing::{TIMEOUT, eventually};
use nix::sys::signal::Signal;
use tokio::task::block_in_place;

use crate::support::{TestSystem, system};

/// A name that no test creates.
const MISSING: &str = "missing";

/// Starts an API and a worker with this queue. Both must end with exit code 2, and name each of these.
async fn assert_refused(system: &TestSystem, queue_url: &str, expected: &[&str]) {
    for role in [Role::Api, Role::Worker] {
        let process = system.start(role, &[("QUEUE_URL", queue_url)]).await;
        let process = process.unwrap();
        let status = process.wait(TIMEOUT).await.unwrap();
        assert_eq!(status.code(), Some(2), "{role:?} with {queue_url}");
        // What it wrote at its end may arrive after its end.
        for text in expected {
            let what = format!("{role:?} with {queue_url} says {text:?}");
            eventually(&what, async || !process.logged(text).is_empty()).await;
        }
    }
}

fn private(settings: &[(&str, &str)]) -> LocalBroker {
    block_in_place(|| LocalBroker::private(BrokerKind::Redis, settings)).unwrap()
}

fn shared(kind: BrokerKind) -> &'static LocalBroker {
    block_in_place(|| LocalBroker::shared(kind))
}

#[tokio::test(flavor = "multi_thread")]
async fn f40_a_queue_url_with_an_unknown_scheme_is_refused_with_those_that_are_known() {
    let system = system(QueueKind::Postgres).await;
    let known = ["QUEUE_URL", "redis://HOST/STREAM", "amqp://HOST/QUEUE"];
    assert_refused(&system, "nats://127.0.0.1/ical", &known).await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
async fn f40_a_missing_stream_of_redis_is_refused_with_the_command_that_creates_it() {
    let system = system(QueueKind::Postgres).await;
    let command = format!("redis-cli XGROUP CREATE {MISSING} taskoverflow 0 MKSTREAM");
    let url = shared(BrokerKind::Redis).url(MISSING, None);
    assert_refused(&system, &url, &[&command]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
async fn f40_a_wrong_password_of_redis_is_refused() {
    let system = system(QueueKind::Postgres).await;
    let broker = private(&[("requirepass", "s3cret")]);
    for login in ["", ":wrong@", "nobody:s3cret@"] {
        let url = format!("redis://{login}127.0.0.1:{}/ical", broker.port());
        let expected = "Redis refuses the user or password of QUEUE_URL";
        assert_refused(&system, &url, &[expected]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
async fn f40_a_redis_that_deletes_messages_is_refused() {
    let system = system(QueueKind::Postgres).await;
    let settings = [("maxmemory", "100mb"), ("maxmemory-policy", "allkeys-lru")];
    let broker = private(&settings);
    broker.create_queue("ical").unwrap();
    let expected = ["maxmemory-policy is allkeys-lru", "set noeviction"];
    assert_refused(&system, &broker.url("ical", None), &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
async fn f40_a_replica_of_redis_is_refused() {
    let system = system(QueueKind::Postgres).await;
    let primary = shared(BrokerKind::Redis);
    let replica = private(&[]);
    let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, replica.port())).unwrap();
    let command = format!("REPLICAOF 127.0.0.1 {}\r\n", primary.port());
    connection.write_all(command.as_bytes()).unwrap();
    let expected = ["this Redis is a replica", "the address of the primary"];
    assert_refused(&system, &replica.url("ical", None), &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_rabbitmq), ignore = "needs rabbitmq-server")]
async fn f40_a_missing_or_classic_queue_of_rabbitmq_is_refused() {
    let system = system(QueueKind::Postgres).await;
    let broker = shared(BrokerKind::RabbitMq);
    let expected = ["no queue missing", "rabbitmqctl import_definitions"];
    assert_refused(&system, &broker.url(MISSING, None), &expected).await;

    let address = format!("amqp://127.0.0.1:{}/%2f", broker.port());
    let connection = Connection::connect(&address, ConnectionProperties::default());
    let connection = connection.await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let durable = QueueDeclareOptions::durable();
    let declared = channel.queue_declare("classic".into(), durable, FieldTable::default());
    declared.await.unwrap();
    let expected = ["is no quorum queue", "create it again as a quorum queue"];
    assert_refused(&system, &broker.url("classic", None), &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_rabbitmq), ignore = "needs rabbitmq-server")]
async fn f40_a_wrong_password_of_rabbitmq_is_refused() {
    let system = system(QueueKind::Postgres).await;
    let port = shared(BrokerKind::RabbitMq).port();
    let url = format!("amqp://guest:wrong@127.0.0.1:{port}/ical");
    let expected = "RabbitMQ refuses the user or password of QUEUE_URL";
    assert_refused(&system, &url, &[expected]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f40_a_broker_that_is_away_is_no_invalid_setting_but_is_named() {
    let system = system(QueueKind::Postgres).await;
    let port = local_services::free_port(None).unwrap();
    for scheme in ["redis", "amqp", "stomp"] {
        let url = format!("{scheme}://127.0.0.1:{port}/ical");
        for role in [Role::Api, Role::Worker] {
            let process = system.start(role, &[("QUEUE_URL", &url)]).await.unwrap();
            let line = process.wait_for_log("the queue does not answer").await;
            assert_eq!(line.unwrap()["level"], "warn");
            // Nobody has to know the threads of a client.
            assert_eq!(process.logged("io_loop"), [""; 0]);
            process.url().await.unwrap();
            process.signal(Signal::SIGTERM).unwrap();
            let status = process.wait(TIMEOUT).await.unwrap();
            assert!(status.success(), "{role:?} with {url} ended with {status}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_activemq), ignore = "needs activemq")]
async fn f40_a_wrong_password_of_activemq_is_refused() {
    let system = system(QueueKind::Postgres).await;
    let port = shared(BrokerKind::ActiveMq).port();
    for login in ["", "local:wrong@"] {
        let url = format!("stomp://{login}127.0.0.1:{port}/ical");
        let expected = "ActiveMQ refuses the user or password of QUEUE_URL";
        assert_refused(&system, &url, &[expected]).await;
    }
}
