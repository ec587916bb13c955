//! What the original cannot do: batches, groups, lines of stdin, and entries that SQS does not accept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::failing_sqs::FailingSqs;
use crate::support::{Queue, queue, queue_reading};

#[test]
#[ignore = "needs python3 with venv"]
fn a_batch_has_ten_messages_per_call() {
    let demo = Queue::fifo();
    let ended = queue(&["--name", &demo.name, "--batch", "--count", "25", "--json"]).succeeded();
    let summary = ended.summary();
    assert_eq!(
        (&summary["sent"], &summary["failed"]),
        (&json!(25), &json!(0))
    );
    assert_eq!(summary["calls"]["by_action"]["SendMessageBatch"], 3);
    assert_eq!(demo.visible(), 25);
    let numbers: Vec<u64> = ended
        .events("sent")
        .iter()
        .map(|line| line["number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (0..25).collect::<Vec<_>>());
}

#[test]
#[ignore = "needs python3 with venv"]
fn groups_are_used_in_turn() {
    let demo = Queue::fifo();
    queue(&["--name", &demo.name, "--groups", "3", "--count", "6"]).succeeded();
    let mut groups = BTreeMap::<String, Vec<String>>::new();
    for message in demo.receive() {
        let group = message["Attributes"]["MessageGroupId"].as_str().unwrap();
        let body = message["Body"].as_str().unwrap();
        groups
            .entry(group.to_owned())
            .or_default()
            .push(body.to_owned());
    }
    assert_eq!(groups.len(), 3);
    assert_eq!(groups["group-0"], ["Message 0", "Message 3"]);
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_group_is_also_sent_to_a_standard_queue() {
    let demo = Queue::standard();
    queue(&["--name", &demo.name, "--group", "tenant-1", "--count", "1"]).succeeded();
    assert_eq!(
        demo.receive()[0]["Attributes"]["MessageGroupId"],
        "tenant-1"
    );
}

#[test]
#[ignore = "needs python3 with venv"]
fn messages_with_one_deduplication_id_become_one_message() {
    // without content-based deduplication
    let demo = Queue::create(".fifo", &[]);
    let arguments = ["--name", &demo.name, "--count", "5", "--json", "--dedup-id"];
    let ended = queue(&[&arguments[..], &["same"]].concat()).succeeded();
    assert_eq!(ended.summary()["deduplicated"], 4);
    assert_eq!(demo.visible(), 1);
    queue(&[&arguments[..], &["id-{number}"]].concat()).succeeded();
    assert_eq!(demo.visible(), 6);
}

#[test]
#[ignore = "needs python3 with venv"]
fn lines_of_stdin_are_messages() {
    let demo = Queue::fifo();
    let stdin = "first\n\nsecond\nthird";
    queue_reading(&["--name", &demo.name, "--body", "-", "--batch"], stdin).succeeded();
    let messages = demo.receive();
    let bodies: Vec<&str> = messages
        .iter()
        .map(|message| message["Body"].as_str().unwrap())
        .collect();
    assert_eq!(bodies, ["first", "second", "third"]);
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_line_of_stdin_that_is_not_utf_8_is_named_in_the_error() {
    let demo = Queue::standard();
    let mut running = crate::support::start(&["--name", &demo.name, "--body", "-"], &[]);
    running.write(b"good\n\xff\n");
    let ended = running.finish();
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("line 2"), "{ended:?}");
    assert_eq!(demo.visible(), 1);
}

#[test]
#[ignore = "needs python3 with venv"]
fn ctrl_c_ends_sending_with_a_summary() {
    let demo = Queue::standard();
    let arguments = ["--name", &demo.name, "--body", "-", "--json"];
    let mut publisher = crate::support::start(&arguments, &[]);
    publisher.await_note("Connected to");
    // stdin stays open and empty
    publisher.signal(Signal::SIGINT);
    publisher.await_line("summary");
    let ended = publisher.finish();
    assert_eq!(ended.code, Some(130), "{ended:#?}");
    assert_eq!(ended.summary()["sent"], 0);
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_delay_hides_messages_after_they_are_sent() {
    let demo = Queue::standard();
    queue(&["--name", &demo.name, "--delay", "15m", "--count", "2"]).succeeded();
    assert_eq!(demo.visible(), 0);
    let stats = queue(&["stats", &demo.name, "--json"]).succeeded();
    assert_eq!(stats.json()[0]["delayed"], 2);
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_rate_limits_the_speed() {
    let demo = Queue::standard();
    let arguments = [
        "--name", &demo.name, "--count", "5", "--rate", "10", "--json",
    ];
    let summary = queue(&arguments).succeeded().summary();
    // the fifth is due 0.4 s after the first
    assert!(summary["seconds"].as_f64().unwrap() >= 0.4, "{summary}");
}

/// Accepts all entries except every `nth` one, which the answer does not mention.
fn forgetting(nth: usize) -> FailingSqs {
    let seen = AtomicUsize::new(0);
    FailingSqs::new(move |_, parameters| {
        let ids = parameters["Entries"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let taken: Vec<Value> = ids
            .iter()
            .filter(|_| !(seen.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(nth))
            .map(taken)
            .collect();
        Some((200, json!({ "Successful": taken, "Failed": [] })))
    })
}

fn taken(entry: &Value) -> Value {
    // the SDK checks no digests
    json!({ "Id": entry["Id"], "MessageId": entry["MessageBody"], "MD5OfMessageBody": "0" })
}

#[test]
fn only_entries_that_the_answer_does_not_mention_are_sent_again() {
    let sqs = forgetting(4);
    let running = sqs.start(&["--name", "demo", "--batch", "--count", "10", "--json"]);
    let ended = running.finish().succeeded();
    assert_eq!(ended.summary()["sent"], 10);
    let calls = sqs.calls("SendMessageBatch");
    assert_eq!(bodies(&calls[0]).len(), 10);
    // the fourth and the eighth entry; and then the twelfth, which is the second of these
    assert_eq!(bodies(&calls[1]), ["Message 3", "Message 7"]);
    assert_eq!(bodies(&calls[2]), ["Message 7"]);
}

fn bodies(call: &Value) -> Vec<String> {
    let entries = call["Entries"].as_array().unwrap().iter();
    let body = |entry: &Value| entry["MessageBody"].as_str().unwrap().to_owned();
    entries.map(body).collect()
}

#[test]
fn entries_that_failed_by_the_senders_fault_are_not_sent_again() {
    let sqs = FailingSqs::new(|_, parameters| {
        let entries = parameters["Entries"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let (failed, sent): (Vec<Value>, Vec<Value>) =
            entries.into_iter().partition(|entry| entry["Id"] == "2");
        let failed: Vec<Value> = failed
            .iter()
            .map(|entry| json!({ "Id": entry["Id"], "Code": "InvalidMessageContents", "Message": "odd letters", "SenderFault": true }))
            .collect();
        let sent: Vec<Value> = sent.iter().map(taken).collect();
        Some((200, json!({ "Successful": sent, "Failed": failed })))
    });
    let running = sqs.start(&["--name", "demo", "--batch", "--count", "5", "--json"]);
    let ended = running.finish();
    assert_eq!(ended.code, Some(1));
    let failed = ended.events("failed");
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["body"], "Message 2");
    assert!(ended.stderr.contains("odd letters"), "{ended:?}");
    assert!(ended.stderr.contains("1 of 5 messages"), "{ended:?}");
    assert_eq!(sqs.calls("SendMessageBatch").len(), 1);
}

#[test]
fn entries_that_keep_failing_are_sent_four_times() {
    let sqs = FailingSqs::new(|_, parameters| {
        let entries = parameters["Entries"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let failed: Vec<Value> = entries
            .iter()
            .map(
                |entry| json!({ "Id": entry["Id"], "Code": "InternalError", "SenderFault": false }),
            )
            .collect();
        Some((200, json!({ "Successful": [], "Failed": failed })))
    });
    let running = sqs.start(&["--name", "demo", "--batch", "--count", "3", "--json"]);
    let ended = running.finish();
    assert_eq!(ended.code, Some(1));
    assert_eq!(ended.summary()["failed"], 3);
    assert_eq!(sqs.calls("SendMessageBatch").len(), 4);
}

#[test]
#[ignore = "needs python3 with venv"]
fn the_id_of_each_message_is_printed() {
    let demo = Queue::standard();
    let ended = queue(&["--name", &demo.name, "--count", "3", "--json"]).succeeded();
    let sent = ended.events("sent");
    let ids: BTreeSet<&str> = sent
        .iter()
        .map(|line| line["message_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 3);
}
