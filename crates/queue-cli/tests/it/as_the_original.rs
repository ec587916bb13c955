//! The behaviour of the practical's program.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Queue, queue, start};

fn numbered(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| format!("Message {number}")).collect()
}

fn receive_all(queue_name: &str) -> crate::support::Ended {
    let arguments = ["--name", queue_name, "--client-name", "hello", "--receive"];
    queue(&[&arguments[..], &["--idle-exit", "1s", "--json"]].concat()).succeeded()
}

fn send_as(queue_name: &str, client: &str, more: &[&str]) {
    let arguments = ["--name", queue_name, "--client-name", client];
    queue(&[&arguments[..], more].concat()).succeeded();
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_hundred_messages_are_sent_with_the_name_of_the_client() {
    let prac = Queue::standard();
    send_as(&prac.name, "Client 1", &[]);
    assert_eq!(prac.visible(), 100);
    let message = prac.receive().remove(0);
    assert!(message["Body"].as_str().unwrap().starts_with("Message "));
    let attributes = message["MessageAttributes"].as_object().unwrap();
    assert_eq!(attributes.len(), 1);
    assert_eq!(attributes["client"]["DataType"], "String");
    assert_eq!(attributes["client"]["StringValue"], "Client 1");
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_subscriber_prints_time_client_and_body_and_deletes_the_messages() {
    let prac = Queue::standard();
    send_as(&prac.name, "Client 1", &["--count", "3"]);
    let arguments = ["--name", &prac.name, "--client-name", "hello", "--receive"];
    let mut receiver = start(&arguments, &[]);
    receiver.await_line("Client 1: Message 2");
    receiver.signal(nix::sys::signal::Signal::SIGINT);
    let ended = receiver.finish().succeeded();
    let time = &ended.lines[0][..12];
    assert!(
        time.as_bytes()[2] == b':' && time.as_bytes()[8] == b'.',
        "{time}"
    );
    assert!(ended.stderr.contains("Connected to"), "{ended:?}");
    assert_eq!((prac.visible(), prac.in_flight()), (0, 0));
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_fifo_queue_keeps_the_order_in_the_default_group() {
    let prac = Queue::fifo();
    send_as(&prac.name, "Client 1", &[]);
    let ended = receive_all(&prac.name);
    assert_eq!(ended.bodies(), numbered(0..100));
    let received = ended.events("received");
    assert!(received.iter().all(|line| line["group"] == "default"));
    let summary = ended.summary();
    for (member, expected) in [("received", 100), ("out_of_order", 0), ("duplicates", 0)] {
        assert_eq!(summary[member], expected, "{member}");
    }
    assert_eq!(summary["missing"], 0);
    assert!(summary["p50_ms"].is_u64() && summary["p99_ms"].is_u64());
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_standard_queue_delivers_all_messages() {
    let prac = Queue::standard();
    send_as(&prac.name, "Client 1", &[]);
    let bodies: BTreeSet<String> = receive_all(&prac.name).bodies().into_iter().collect();
    assert_eq!(bodies, numbered(0..100).into_iter().collect());
    assert_eq!((prac.visible(), prac.in_flight()), (0, 0));
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_fifo_queue_delivers_nothing_of_a_second_run_with_the_same_bodies() {
    let prac = Queue::fifo();
    send_as(&prac.name, "Client 1", &[]);
    assert_eq!(receive_all(&prac.name).bodies().len(), 100);
    // the messages are deleted, but SQS still remembers their deduplication ids
    send_as(&prac.name, "Client 1", &[]);
    assert_eq!(prac.visible(), 0);
    // another client sends the same bodies
    send_as(&prac.name, "Client 2", &[]);
    assert_eq!(receive_all(&prac.name).bodies().len(), 0);
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_fifo_queue_delivers_a_second_run_with_other_bodies() {
    let prac = Queue::fifo();
    send_as(&prac.name, "Client 1", &["--count", "5"]);
    send_as(
        &prac.name,
        "Client 1",
        &["--count", "5", "--prepend", "again "],
    );
    let bodies = receive_all(&prac.name).bodies();
    assert_eq!(bodies[..5], numbered(0..5));
    assert_eq!(bodies[5], "again Message 0");
    assert_eq!(bodies.len(), 10);
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_standard_queue_delivers_a_second_run_with_the_same_bodies() {
    let prac = Queue::standard();
    send_as(&prac.name, "Client 1", &["--count", "5"]);
    send_as(&prac.name, "Client 1", &["--count", "5"]);
    let ended = receive_all(&prac.name);
    let summary = ended.summary();
    assert_eq!(summary["received"], 10);
    // these are new messages with the same bodies
    assert_eq!(summary["duplicates"], 0);
}

#[test]
#[ignore = "needs python3 with venv"]
fn several_subscribers_share_the_messages() {
    let prac = Queue::standard();
    send_as(&prac.name, "Client 1", &[]);
    let arguments = ["--name", &prac.name, "--receive", "--max", "50", "--json"];
    let receivers = [(); 2].map(|()| start(&arguments, &[]));
    let shares = receivers.map(|receiver| receiver.finish().succeeded().bodies());
    assert!(shares.iter().all(|share| share.len() == 50));
    let all: BTreeSet<&String> = shares.iter().flatten().collect();
    assert_eq!(all.len(), 100);
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_message_without_a_client_is_received_too() {
    let prac = Queue::standard();
    prac.send(&["hello"]);
    let received = receive_all(&prac.name).events("received");
    assert_eq!(received[0]["client"], "(no client)");
    assert_eq!(received[0]["number"], Value::Null);
}
