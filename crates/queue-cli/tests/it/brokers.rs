//! The practical's demonstration with queues of other services than SQS.

use std::collections::BTreeSet;

use local_services::brokers::BrokerKind;
use nix::sys::signal::Signal;

use crate::support::brokers::{assert_empty, created, numbered, receive, run};
use crate::support::{NO_ENDPOINT, queue, start, start_at};

/// A port of 127.0.0.1 that no server uses.
const NO_SERVER: &str = "redis://127.0.0.1:1/demo";

/// Makes a test for each broker.
macro_rules! for_each_broker {
    ($($name:ident)*) => {
        mod redis { $(#[test] #[cfg_attr(not(has_redis), ignore = "needs redis-server")] fn $name() { super::$name(super::BrokerKind::Redis); })* }
        mod rabbitmq { $(#[test] #[cfg_attr(not(has_rabbitmq), ignore = "needs rabbitmq-server")] fn $name() { super::$name(super::BrokerKind::RabbitMq); })* }
        mod activemq { $(#[test] #[cfg_attr(not(has_activemq), ignore = "needs activemq")] fn $name() { super::$name(super::BrokerKind::ActiveMq); })* }
    };
}

for_each_broker! {
    a_queue_keeps_a_hundred_messages_in_order_until_somebody_receives
    subscribers_share_the_messages_of_several_publishers
    what_was_not_deleted_comes_again_when_its_subscriber_leaves
    what_a_killed_subscriber_held_goes_to_another_one
    operators_count_and_purge_a_queue
}

fn a_queue_keeps_a_hundred_messages_in_order_until_somebody_receives(kind: BrokerKind) {
    let url = created(kind);
    let sent = run(&["--url", &url, "--client-name", "Client 1"]).succeeded();
    let calls = match kind {
        BrokerKind::Redis => "101 calls: 1 EXISTS, 100 XADD",
        BrokerKind::RabbitMq => "102 calls: 100 basic.publish, 1 confirm.select, 1 queue.declare",
        BrokerKind::ActiveMq => "100 calls: 100 SEND",
    };
    assert!(sent.lines.contains(&calls.to_owned()), "{sent:?}");
    let ended = receive(&url, "100", &[]);
    assert_eq!(ended.bodies(), numbered(0..100));
    let received = &ended.events("received")[0];
    assert_eq!(received["client"], "Client 1");
    assert_eq!(received["receive_count"], 1);
    assert!(received["latency_ms"].is_u64(), "{received}");
    let summary = ended.summary();
    for (member, expected) in [("out_of_order", 0), ("duplicates", 0), ("missing", 0)] {
        assert_eq!(summary[member], expected, "{member}");
    }
    assert!(summary["p50_ms"].is_u64() && summary["dollars_on_aws"].is_null());
    assert_empty(&url);
}

fn subscribers_share_the_messages_of_several_publishers(kind: BrokerKind) {
    let url = created(kind);
    for client in ["Client 1", "Client 2"] {
        let arguments = ["--url", &url, "--client-name", client, "--batch"];
        run(&[&arguments[..], &["--count", "50", "--prepend", "again "]].concat()).succeeded();
    }
    let arguments = ["--url", &url, "--receive", "--max", "50", "--json"];
    let receivers = [(); 2].map(|()| start_at(NO_ENDPOINT, &arguments, &[]));
    let shares = receivers.map(|receiver| receiver.finish().succeeded().events("received"));
    assert!(shares.iter().all(|share| share.len() == 50));
    let all: BTreeSet<String> = shares
        .iter()
        .flatten()
        .map(|line| format!("{} {}", line["client"], line["body"]))
        .collect();
    assert_eq!(all.len(), 100);
    assert!(all.contains(r#""Client 2" "again Message 49""#), "{all:?}");
}

fn what_was_not_deleted_comes_again_when_its_subscriber_leaves(kind: BrokerKind) {
    let url = created(kind);
    run(&["--url", &url, "--count", "3"]).succeeded();
    let first = receive(&url, "3", &["--no-delete"]);
    assert_eq!(first.bodies(), numbered(0..3));
    assert_eq!(first.summary()["given_back"], 3);
    let again = receive(&url, "3", &[]);
    assert_eq!(again.bodies(), numbered(0..3));
    for line in again.events("received") {
        assert_eq!(line["receive_count"], 2, "{line}");
    }
    assert_empty(&url);
}

fn what_a_killed_subscriber_held_goes_to_another_one(kind: BrokerKind) {
    let url = created(kind);
    run(&["--url", &url, "--count", "3"]).succeeded();
    let arguments = ["--url", &url, "--receive", "--no-delete", "--json"];
    let mut killed = start_at(NO_ENDPOINT, &arguments, &[]);
    killed.await_line("Message 2");
    killed.signal(Signal::SIGKILL);
    assert_eq!(killed.finish().code, None);
    // Redis does not notice the end of a subscriber.
    let visibility: &[&str] = match kind {
        BrokerKind::Redis => &["--visibility", "2s"],
        BrokerKind::RabbitMq | BrokerKind::ActiveMq => &[],
    };
    let ended = receive(&url, "3", visibility);
    assert_eq!(ended.bodies(), numbered(0..3));
    assert_eq!(ended.events("received")[0]["receive_count"], 2);
}

fn operators_count_and_purge_a_queue(kind: BrokerKind) {
    let url = created(kind);
    run(&["--url", &url, "--count", "4"]).succeeded();
    let stats = run(&["stats", &url, "--json"]).succeeded().json();
    assert_eq!(stats[0]["visible"], 4);
    // Only Redis tells this.
    let in_flight = (kind == BrokerKind::Redis).then_some(0);
    assert_eq!(stats[0]["in_flight"].as_u64(), in_flight, "{stats:?}");
    assert_eq!(run(&["purge", &url]).code, Some(2));
    run(&["purge", &url, "--yes"]).succeeded();
    assert_empty(&url);
    run(&["--url", &url, "--count", "1"]).succeeded();
    assert_eq!(receive(&url, "1", &[]).bodies(), ["Message 0"]);
    let deleted = run(&["--url", &url, "--delete-queue"]);
    if kind == BrokerKind::ActiveMq {
        assert_eq!(deleted.code, Some(2));
        assert!(deleted.stderr.contains("no command"), "{deleted:#?}");
    } else {
        deleted.succeeded();
        assert_eq!(run(&["stats", &url]).code, Some(2));
    }
}

#[test]
fn an_unreachable_broker_is_reported() {
    let ended = run(&["--url", NO_SERVER]);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.stderr.contains("127.0.0.1:1"), "{ended:#?}");
}

#[test]
fn a_password_is_not_shown() {
    let ended = run(&["--url", "redis://me:secret@127.0.0.1:1/demo"]);
    assert!(ended.stderr.contains("me:***@"), "{ended:#?}");
    assert!(!ended.stderr.contains("secret"), "{ended:#?}");
}

#[test]
fn what_only_sqs_can_do_is_refused() {
    for (arguments, word) in [
        (&["--url", NO_SERVER, "--group", "a"][..], "--group"),
        (&["--url", NO_SERVER, "--dedup-id", "x"], "--dedup-id"),
        (&["--url", NO_SERVER, "--delay", "1s"], "--delay"),
        (
            &["--url", NO_SERVER, "--create", "--max-receives", "2"],
            "--max-receives",
        ),
        (&["stats", NO_SERVER, "--age"], "--age"),
        (&["tail", NO_SERVER], "only with SQS"),
        (&["redrive", NO_SERVER], "only with SQS"),
    ] {
        let ended = run(arguments);
        assert_eq!(ended.code, Some(2), "{ended:#?}");
        assert!(ended.stderr.contains(word), "{ended:#?}");
    }
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_url_may_also_name_a_queue_of_sqs() {
    let demo = crate::support::Queue::standard();
    let url = format!("sqs://{}", demo.name);
    queue(&["--url", &url, "--count", "3"]).succeeded();
    assert_eq!(demo.visible(), 3);
    let receiver = start(&["--url", &url, "--receive", "--max", "3", "--json"], &[]);
    assert_eq!(receiver.finish().succeeded().bodies().len(), 3);
}
