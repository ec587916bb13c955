//! Queues of local brokers, and the program with them.

use local_services::brokers::{BrokerKind, LocalBroker};

use super::{Ended, NO_ENDPOINT, start_at, unused_name};

/// Runs the program without SQS.
pub(crate) fn run(arguments: &[&str]) -> Ended {
    start_at(NO_ENDPOINT, arguments, &[]).finish()
}

/// Returns the URL of a queue that does not exist.
pub(crate) fn unused(kind: BrokerKind) -> String {
    LocalBroker::shared(kind).url(&unused_name(""), None)
}

/// Returns the URL of a new queue.
pub(crate) fn created(kind: BrokerKind) -> String {
    let url = unused(kind);
    run(&["--url", &url, "--create"]).succeeded();
    url
}

/// Receives until `max` messages have come.
pub(crate) fn receive(url: &str, max: &str, more: &[&str]) -> Ended {
    let arguments = ["--url", url, "--receive", "--json", "--max", max];
    let idle = ["--idle-exit", "60s"];
    run(&[&arguments[..], &idle, more].concat()).succeeded()
}

/// Checks that nothing comes for a second.
#[track_caller]
pub(crate) fn assert_empty(url: &str) {
    let arguments = ["--url", url, "--receive", "--json", "--idle-exit", "1s"];
    let ended = run(&arguments).succeeded();
    assert_eq!(ended.bodies(), [""; 0]);
}

pub(crate) fn numbered(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| format!("Message {number}")).collect()
}
