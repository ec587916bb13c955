//! The practical's demonstration with Kafka: partitions keep the order, and a group has a position in each.

use std::collections::BTreeSet;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::brokers::{assert_empty, numbered, receive, run};
use crate::support::kafka::{created, unused};
use crate::support::{NO_ENDPOINT, start_at};

fn visible(url: &str) -> Value {
    let stats = run(&["stats", url, "--json"]).succeeded().json();
    assert!(stats[0]["in_flight"].is_null(), "{stats:?}");
    stats[0]["visible"].clone()
}

#[test]
fn a_topic_keeps_a_hundred_messages_in_order_until_somebody_receives() {
    let url = created(4);
    let sent = run(&["--url", &url, "--client-name", "Client 1"]).succeeded();
    let calls = "100 calls: 100 Produce".to_owned();
    assert!(sent.lines.contains(&calls), "{sent:?}");
    assert_eq!(visible(&url), 100);
    let ended = receive(&url, "100", &["--peek"]);
    assert_eq!(ended.bodies(), numbered(0..100));
    let received = ended.events("received");
    assert_eq!(received[0]["client"], "Client 1");
    assert!(received[0]["latency_ms"].is_u64(), "{received:?}");
    assert!(
        received[99].to_string().contains(r#""Offset":"99""#),
        "{received:?}"
    );
    let summary = ended.summary();
    for (member, expected) in [("out_of_order", 0), ("duplicates", 0), ("missing", 0)] {
        assert_eq!(summary[member], expected, "{member}");
    }
    assert!(summary["p50_ms"].is_u64() && summary["dollars_on_aws"].is_null());
    assert!(summary["calls"]["by_action"]["OffsetCommit"].as_u64() >= Some(10));
    assert_eq!(visible(&url), 0);
    assert_empty(&url);
}

#[test]
fn subscribers_share_the_partitions_and_each_publisher_keeps_its_order() {
    let url = created(2);
    let arguments = ["--url", &url, "--receive", "--max", "50", "--json"];
    let mut receivers = [(); 2].map(|()| start_at(NO_ENDPOINT, &arguments, &[]));
    for receiver in &mut receivers {
        receiver.await_note("Connected to");
    }
    // these names are keys of different partitions
    for client in ["Client 1", "Client 2"] {
        let arguments = ["--url", &url, "--client-name", client, "--batch"];
        let sent = run(&[&arguments[..], &["--count", "50", "--prepend", "again "]].concat());
        assert!(
            sent.succeeded()
                .lines
                .contains(&"5 calls: 5 Produce".to_owned())
        );
    }
    let ends = receivers.map(|receiver| receiver.finish().succeeded());
    let mut all = BTreeSet::new();
    for ended in &ends {
        assert_eq!(ended.bodies().len(), 50);
        assert_eq!(ended.summary()["out_of_order"], 0, "{ended:#?}");
        for line in ended.events("received") {
            all.insert(format!("{} {}", line["client"], line["body"]));
        }
    }
    assert_eq!(all.len(), 100);
    assert!(all.contains(r#""Client 2" "again Message 49""#), "{all:?}");
}

#[test]
fn what_was_not_deleted_comes_again_when_its_subscriber_leaves() {
    let url = created(1);
    run(&["--url", &url, "--count", "3"]).succeeded();
    let first = receive(&url, "3", &["--no-delete"]);
    assert_eq!(first.bodies(), numbered(0..3));
    assert_eq!(first.summary()["given_back"], 3);
    assert_eq!(visible(&url), 3);
    assert_eq!(receive(&url, "3", &[]).bodies(), numbered(0..3));
    assert_empty(&url);
}

#[test]
fn what_a_killed_subscriber_held_goes_to_another_one() {
    let url = created(1);
    run(&["--url", &url, "--count", "3"]).succeeded();
    let arguments = ["--url", &url, "--receive", "--no-delete", "--json"];
    let mut killed = start_at(NO_ENDPOINT, &arguments, &[]);
    killed.await_line("Message 2");
    killed.signal(Signal::SIGKILL);
    assert_eq!(killed.finish().code, None);
    assert_eq!(receive(&url, "3", &[]).bodies(), numbered(0..3));
}

#[test]
fn another_group_gets_the_same_messages() {
    let url = created(1);
    run(&["--url", &url, "--count", "3"]).succeeded();
    assert_eq!(receive(&url, "3", &[]).bodies(), numbered(0..3));
    let other = format!("{url}-2");
    assert_eq!((visible(&url), visible(&other)), (0.into(), 3.into()));
    assert_eq!(receive(&other, "3", &[]).bodies(), numbered(0..3));
}

#[test]
fn operators_count_the_messages_of_a_topic_and_skip_them() {
    let url = created(2);
    run(&["--url", &url, "--count", "4"]).succeeded();
    assert_eq!(visible(&url), 4);
    let asked = run(&["purge", &url]);
    assert_eq!(asked.code, Some(2), "{asked:#?}");
    assert!(asked.stderr.contains("skip about 4 messages"), "{asked:#?}");
    run(&["purge", &url, "--yes"]).succeeded();
    assert_eq!(visible(&url), 0);
    run(&["--url", &url, "--count", "1"]).succeeded();
    assert_eq!(receive(&url, "1", &[]).bodies(), ["Message 0"]);
    // it exists
    run(&["--url", &url, "--create"]).succeeded();
}

#[test]
fn a_topic_that_does_not_exist_is_named_in_the_error_and_not_created() {
    let url = unused();
    for arguments in [
        &["--url", &url][..],
        &["--url", &url, "--receive"],
        &["purge", &url, "--yes"],
        &["stats", &url],
    ] {
        let ended = run(arguments);
        assert_eq!(ended.code, Some(2), "{ended:#?}");
        assert!(ended.stderr.contains("there is no topic"), "{ended:#?}");
        assert!(ended.stderr.contains("--create"), "{ended:#?}");
    }
}

/// The server of the tests does neither, and answers nothing.
#[test]
fn a_server_that_creates_and_deletes_no_topics_is_reported() {
    for (url, option, call) in [
        (unused(), "--create", "CreateTopics"),
        (created(1), "--delete-queue", "DeleteTopics"),
    ] {
        let ended = run(&["--url", &url, option]);
        assert_eq!(ended.code, Some(1), "{ended:#?}");
        assert!(ended.stderr.contains(call), "{ended:#?}");
    }
}

#[test]
fn an_unreachable_server_is_reported_without_the_password() {
    let url = "kafka://me:secret@127.0.0.1:1/demo";
    for arguments in [
        &["--url", url][..],
        &["--url", url, "--receive"],
        &["--url", url, "--create"],
    ] {
        let ended = run(arguments);
        assert_eq!(ended.code, Some(1), "{ended:#?}");
        assert!(ended.stderr.contains("me:***@127.0.0.1:1"), "{ended:#?}");
        assert!(ended.stderr.contains("Connection refused"), "{ended:#?}");
        assert!(!ended.stderr.contains("secret"), "{ended:#?}");
    }
    let refused = run(&["--url", url, "--receive", "--visibility", "5s"]);
    assert_eq!(refused.code, Some(2), "{refused:#?}");
}
