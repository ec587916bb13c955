//! What is special about Redis: visibility timeouts, and channels.

use local_services::brokers::BrokerKind;

use crate::support::brokers::{created, numbered, receive, run, unused};
use crate::support::{NO_ENDPOINT, start_at};

#[test]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
fn a_stream_delivers_again_what_was_not_deleted() {
    let url = created(BrokerKind::Redis);
    run(&["--url", &url, "--count", "3"]).succeeded();
    let ended = receive(&url, "6", &["--no-delete", "--visibility", "1s"]);
    let counts: Vec<_> = ended
        .events("received")
        .iter()
        .map(|line| line["receive_count"].as_u64().unwrap())
        .collect();
    assert_eq!(counts, [1, 1, 1, 2, 2, 2]);
    assert_eq!(ended.summary()["duplicates"], 3);
    assert_eq!(ended.summary()["given_back"], 3);
    // they were released, so another subscriber need not wait for its visibility timeout
    let again = receive(&url, "3", &["--visibility", "10m"]);
    assert_eq!(again.bodies().len(), 3);
}

#[test]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
fn a_stream_that_does_not_exist_is_named_in_the_error() {
    let url = unused(BrokerKind::Redis);
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
    let url = created(BrokerKind::Redis).replace("redis://", "redis+pubsub://");
    // nobody listens
    run(&["--url", &url, "--count", "5", "--prepend", "lost "]).succeeded();
    let arguments = ["--url", &url, "--receive", "--max", "20", "--json"];
    let mut receivers = [(); 2].map(|()| start_at(NO_ENDPOINT, &arguments, &[]));
    for receiver in &mut receivers {
        receiver.await_note("Connected to");
    }
    run(&["--url", &url, "--count", "20", "--client-name", "Client 1"]).succeeded();
    for receiver in receivers {
        assert_eq!(receiver.finish().succeeded().bodies(), numbered(0..20));
    }
}
