//! The practical's demonstration with RabbitMQ and ActiveMQ, which deliver again when a connection ends.

use std::collections::BTreeSet;

use local_services::brokers::{BrokerKind, LocalBroker};
use nix::sys::signal::Signal;

use crate::support::{Ended, NO_ENDPOINT, start_at, unused_name};

/// Makes a test for each of the two brokers.
macro_rules! for_each_broker {
    ($($name:ident)*) => {
        mod rabbitmq {
            use super::BrokerKind;

            $(
                #[test]
                #[cfg_attr(not(has_rabbitmq), ignore = "needs rabbitmq-server")]
                fn $name() {
                    super::$name(BrokerKind::RabbitMq);
                }
            )*
        }

        mod activemq {
            use super::BrokerKind;

            $(
                #[test]
                #[cfg_attr(not(has_activemq), ignore = "needs activemq")]
                fn $name() {
                    super::$name(BrokerKind::ActiveMq);
                }
            )*
        }
    };
}

for_each_broker! {
    a_queue_keeps_a_hundred_messages_in_order_until_somebody_receives
    subscribers_share_the_messages_of_several_publishers
    what_was_not_deleted_comes_again_when_its_subscriber_leaves
    what_a_killed_subscriber_held_goes_to_another_one_at_once
    operators_count_and_purge_a_queue
    a_wrong_password_is_refused_and_that_of_a_file_replaces_it
}

/// Runs the program without SQS.
fn run(arguments: &[&str]) -> Ended {
    start_at(NO_ENDPOINT, arguments, &[]).finish()
}

/// Returns the URL of a queue that does not exist.
fn unused(kind: BrokerKind) -> String {
    LocalBroker::shared(kind).url(&unused_name(""), None)
}

/// Returns the URL of a new queue.
fn created(kind: BrokerKind) -> String {
    let url = unused(kind);
    run(&["--url", &url, "--create"]).succeeded();
    url
}

/// Receives until `max` messages have come.
fn receive(url: &str, max: &str, more: &[&str]) -> Ended {
    let arguments = ["--url", url, "--receive", "--json", "--max", max];
    let idle = ["--idle-exit", "60s"];
    run(&[&arguments[..], &idle, more].concat()).succeeded()
}

/// Checks that nothing comes for a second.
#[track_caller]
fn assert_empty(url: &str) {
    let arguments = ["--url", url, "--receive", "--json", "--idle-exit", "1s"];
    let ended = run(&arguments).succeeded();
    assert_eq!(ended.bodies(), [""; 0]);
}

fn numbered(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| format!("Message {number}")).collect()
}

fn a_queue_keeps_a_hundred_messages_in_order_until_somebody_receives(kind: BrokerKind) {
    let url = created(kind);
    let sent = run(&["--url", &url, "--client-name", "Client 1"]).succeeded();
    let calls = if kind == BrokerKind::RabbitMq {
        "102 calls: 100 basic.publish, 1 confirm.select, 1 queue.declare"
    } else {
        "100 calls: 100 SEND"
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

fn what_a_killed_subscriber_held_goes_to_another_one_at_once(kind: BrokerKind) {
    let url = created(kind);
    run(&["--url", &url, "--count", "3"]).succeeded();
    let arguments = ["--url", &url, "--receive", "--no-delete", "--json"];
    let mut killed = start_at(NO_ENDPOINT, &arguments, &[]);
    killed.await_line("Message 2");
    killed.signal(Signal::SIGKILL);
    assert_eq!(killed.finish().code, None);
    let ended = receive(&url, "3", &[]);
    assert_eq!(ended.bodies(), numbered(0..3));
    assert_eq!(ended.events("received")[0]["receive_count"], 2);
}

fn operators_count_and_purge_a_queue(kind: BrokerKind) {
    let url = created(kind);
    run(&["--url", &url, "--count", "4"]).succeeded();
    let stats = run(&["stats", &url, "--json"]).succeeded().json();
    assert_eq!(stats[0]["visible"], 4);
    assert!(stats[0]["in_flight"].is_null(), "{stats:?}");
    assert_eq!(run(&["purge", &url]).code, Some(2));
    run(&["purge", &url, "--yes"]).succeeded();
    assert_empty(&url);
    run(&["--url", &url, "--count", "1"]).succeeded();
    assert_eq!(receive(&url, "1", &[]).bodies(), ["Message 0"]);
    let deleted = run(&["--url", &url, "--delete-queue"]);
    if kind == BrokerKind::RabbitMq {
        deleted.succeeded();
        assert_eq!(run(&["stats", &url]).code, Some(2));
    } else {
        assert_eq!(deleted.code, Some(2));
        assert!(deleted.stderr.contains("no command"), "{deleted:#?}");
    }
}

fn a_wrong_password_is_refused_and_that_of_a_file_replaces_it(kind: BrokerKind) {
    let url = created(kind);
    // both servers have a user with a password that is equal
    let password = if kind == BrokerKind::RabbitMq {
        "guest"
    } else {
        "local"
    };
    let (scheme, rest) = url.split_once("://").unwrap();
    let server = rest.split_once('@').map_or(rest, |(_, server)| server);
    let wrong = format!("{scheme}://{password}:wrong-one@{server}");
    let ended = run(&["--url", &wrong, "--count", "1"]);
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    assert!(ended.stderr.contains("***@"), "{ended:#?}");
    assert!(!ended.stderr.contains("wrong-one"), "{ended:#?}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, format!("{password}\n")).unwrap();
    let variables = [("QUEUE_PASSWORD_FILE", file.to_str().unwrap())];
    let arguments = ["--url", &wrong, "--count", "1"];
    start_at(NO_ENDPOINT, &arguments, &variables)
        .finish()
        .succeeded();
    let stats = ["stats", &wrong, "--password-file", file.to_str().unwrap()];
    let stats = run(&[&stats[..], &["--json"]].concat()).succeeded().json();
    assert_eq!(stats[0]["visible"], 1);
}

#[test]
#[cfg_attr(not(has_rabbitmq), ignore = "needs rabbitmq-server")]
fn a_queue_that_does_not_exist_in_rabbitmq_is_named_in_the_error() {
    let url = unused(BrokerKind::RabbitMq);
    for arguments in [
        &["--url", &url][..],
        &["--url", &url, "--receive"],
        &["stats", &url],
        &["--url", &url, "--delete-queue"],
    ] {
        let ended = run(arguments);
        assert_eq!(ended.code, Some(2), "{ended:#?}");
        assert!(ended.stderr.contains("--create"), "{ended:#?}");
    }
}

#[test]
fn an_unreachable_rabbitmq_or_activemq_is_reported() {
    for url in [
        "amqp://me:secret@127.0.0.1:1/demo",
        "stomp://me:secret@127.0.0.1:1/demo",
    ] {
        let ended = run(&["--url", url]);
        assert_eq!(ended.code, Some(1), "{ended:#?}");
        assert!(ended.stderr.contains("me:***@127.0.0.1:1"), "{ended:#?}");
        assert!(!ended.stderr.contains("secret"), "{ended:#?}");
        let refused = run(&["--url", url, "--receive", "--visibility", "5s"]);
        assert_eq!(refused.code, Some(2), "{refused:#?}");
    }
}
