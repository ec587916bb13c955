//! The practical's demonstration with queues of other services than SQS.

use std::collections::BTreeSet;

use local_services::brokers::{BrokerKind, LocalBroker};
use nix::sys::signal::Signal;

use crate::support::{Ended, queue, start, start_at, unused_name};

/// A port of 127.0.0.1 that no server uses.
const NO_SERVER: &str = "redis://127.0.0.1:1/demo";

/// Returns the URL of a new stream.
fn stream() -> String {
    let url = LocalBroker::shared(BrokerKind::Redis).url(&unused_name(""), None);
    run(&["--url", &url, "--create"]).succeeded();
    url
}

/// Runs the program without SQS.
fn run(arguments: &[&str]) -> Ended {
    start_at(crate::support::NO_ENDPOINT, arguments, &[]).finish()
}

/// Receives until `--max` messages have come or, without `--max`, until nothing has come for a second.
fn receive(url: &str, more: &[&str]) -> Ended {
    let idle = if more.contains(&"--max") { "10s" } else { "1s" };
    let arguments = ["--url", url, "--receive", "--json", "--idle-exit", idle];
    run(&[&arguments[..], more].concat()).succeeded()
}

fn numbered(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| format!("Message {number}")).collect()
}

#[test]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
fn a_stream_keeps_a_hundred_messages_in_order_until_somebody_receives() {
    let url = stream();
    let sent = run(&["--url", &url, "--client-name", "Client 1"]).succeeded();
    let calls = "101 calls: 1 EXISTS, 100 XADD".to_owned();
    assert!(sent.lines.contains(&calls), "{sent:?}");
    let ended = receive(&url, &[]);
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
    // everything was deleted
    assert!(receive(&url, &[]).bodies().is_empty());
}

#[test]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
fn subscribers_of_a_stream_share_the_messages_of_several_publishers() {
    let url = stream();
    for client in ["Client 1", "Client 2"] {
        let arguments = ["--url", &url, "--client-name", client, "--batch"];
        run(&[&arguments[..], &["--count", "50", "--prepend", "again "]].concat()).succeeded();
    }
    let arguments = ["--url", &url, "--receive", "--max", "50", "--json"];
    let receivers = [(); 2].map(|()| start_at(crate::support::NO_ENDPOINT, &arguments, &[]));
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

#[test]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
fn a_stream_delivers_again_what_was_not_deleted() {
    let url = stream();
    run(&["--url", &url, "--count", "3"]).succeeded();
    let arguments = ["--no-delete", "--visibility", "1s", "--max", "6"];
    let ended = receive(&url, &arguments);
    let counts: Vec<_> = ended
        .events("received")
        .iter()
        .map(|line| line["receive_count"].as_u64().unwrap())
        .collect();
    assert_eq!(counts, [1, 1, 1, 2, 2, 2]);
    assert_eq!(ended.summary()["duplicates"], 3);
    assert_eq!(ended.summary()["given_back"], 3);
    // they were released, so another subscriber need not wait for its visibility timeout
    let again = receive(&url, &["--visibility", "10m", "--max", "3"]);
    assert_eq!(again.bodies().len(), 3);
}

#[test]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
fn what_a_killed_subscriber_held_goes_to_another_one_after_the_visibility_timeout() {
    let url = stream();
    run(&["--url", &url, "--count", "3"]).succeeded();
    let arguments = ["--url", &url, "--receive", "--no-delete", "--json"];
    let mut killed = start_at(crate::support::NO_ENDPOINT, &arguments, &[]);
    killed.await_line("Message 2");
    killed.signal(Signal::SIGKILL);
    assert_eq!(killed.finish().code, None);
    let arguments = ["--visibility", "2s", "--max", "3"];
    let ended = receive(&url, &arguments);
    assert_eq!(ended.bodies(), numbered(0..3));
    assert_eq!(ended.events("received")[0]["receive_count"], 2);
}

#[test]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
fn operators_count_and_purge_a_stream() {
    let url = stream();
    run(&["--url", &url, "--count", "4"]).succeeded();
    let stats = run(&["stats", &url, "--json"]).succeeded().json();
    assert_eq!(
        (&stats[0]["visible"], &stats[0]["in_flight"]),
        (&4.into(), &0.into())
    );
    assert_eq!(run(&["purge", &url]).code, Some(2));
    run(&["purge", &url, "--yes"]).succeeded();
    assert!(receive(&url, &[]).bodies().is_empty());
    // the group still works
    run(&["--url", &url, "--count", "1"]).succeeded();
    assert_eq!(receive(&url, &[]).bodies(), ["Message 0"]);
    run(&["--url", &url, "--delete-queue"]).succeeded();
    assert_eq!(run(&["stats", &url]).code, Some(2));
}

#[test]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
fn a_stream_that_does_not_exist_is_named_in_the_error() {
    let url = LocalBroker::shared(BrokerKind::Redis).url(&unused_name(""), None);
    for arguments in [
        &["--url", &url][..],
        &["--url", &url, "--receive"],
        &["stats", &url],
    ] {
        let ended = run(arguments);
        assert_eq!(ended.code, Some(2), "{ended:#?}");
        assert!(ended.stderr.contains("--create"), "{ended:#?}");
    }
}

#[test]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
fn a_channel_gives_each_subscriber_everything_and_keeps_nothing() {
    let url = stream().replace("redis://", "redis+pubsub://");
    // nobody listens
    run(&["--url", &url, "--count", "5", "--prepend", "lost "]).succeeded();
    let arguments = ["--url", &url, "--receive", "--max", "20", "--json"];
    let mut receivers = [(); 2].map(|()| start_at(crate::support::NO_ENDPOINT, &arguments, &[]));
    for receiver in &mut receivers {
        receiver.await_note("Connected to");
    }
    run(&["--url", &url, "--count", "20", "--client-name", "Client 1"]).succeeded();
    for receiver in receivers {
        assert_eq!(receiver.finish().succeeded().bodies(), numbered(0..20));
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
