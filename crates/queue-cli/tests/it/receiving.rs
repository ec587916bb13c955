//! What a subscriber prints, and which messages it leaves in flight.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::failing_sqs::FailingSqs;
use crate::support::{Queue, queue, start, start_unread};

const BODIES: [&str; 3] = ["Message 0", "Message 1", "Message 2"];

#[test]
#[ignore = "needs python3 with venv"]
fn a_message_that_is_not_deleted_is_delivered_again_when_its_visibility_timeout_ends() {
    for demo in [Queue::standard(), Queue::fifo()] {
        demo.send(&BODIES);
        let arguments = ["--name", &demo.name, "--receive", "--no-delete"];
        let more = ["--visibility", "1s", "--max", "6", "--json"];
        let ended = queue(&[&arguments[..], &more].concat()).succeeded();
        let summary = ended.summary();
        assert_eq!(
            (&summary["received"], &summary["duplicates"]),
            (&json!(6), &json!(3))
        );
        assert_eq!(
            (&summary["out_of_order"], &summary["missing"]),
            (&json!(0), &json!(0))
        );
        let mut counts = BTreeMap::<String, Vec<u64>>::new();
        for line in ended.events("received") {
            let body = line["body"].as_str().unwrap().to_owned();
            let count = line["receive_count"].as_u64().unwrap();
            counts.entry(body).or_default().push(count);
            assert_eq!(line["duplicate"], count == 2);
        }
        assert!(
            counts.values().all(|counts| counts == &[1, 2]),
            "{counts:?}"
        );
        assert_eq!(demo.in_flight(), 0);
        assert_eq!(demo.visible(), 3);
    }
}

#[test]
#[ignore = "needs python3 with venv"]
fn ctrl_c_releases_messages_that_were_not_deleted() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let demo = Queue::standard();
        demo.send(&BODIES);
        let arguments = ["--name", &demo.name, "--receive", "--no-delete"];
        let mut receiver = start(&[&arguments[..], &["--visibility", "12h"]].concat(), &[]);
        receiver.await_line("Message 2");
        receiver.signal(signal);
        let ended = receiver.finish().succeeded();
        assert_eq!((demo.visible(), demo.in_flight()), (3, 0));
        assert!(
            ended
                .stderr
                .contains("3 messages were not deleted and are visible again"),
            "{ended:#?}"
        );
        let table = ended.lines.join("\n");
        assert!(
            table.contains("out of order") && table.contains("on AWS"),
            "{table}"
        );
    }
}

#[test]
#[ignore = "needs python3 with venv"]
fn ctrl_c_leaves_no_message_in_flight() {
    let demo = Queue::standard();
    let bodies: Vec<String> = (0..60).map(|number| format!("Message {number}")).collect();
    demo.send(&bodies.iter().map(String::as_str).collect::<Vec<_>>());
    let mut receiver = start(&["--name", &demo.name, "--receive", "--json"], &[]);
    receiver.await_line("Message 0");
    receiver.signal(Signal::SIGINT);
    let ended = receiver.finish().succeeded();
    assert_eq!(demo.in_flight(), 0);
    assert_eq!(demo.visible() + ended.bodies().len(), 60);
    assert_eq!(ended.summary()["in_flight"], 0);
}

#[test]
fn a_second_ctrl_c_ends_the_run_immediately_and_warns_of_messages_in_flight() {
    let (end, test_ended) = mpsc::channel::<()>();
    let test_ended = Mutex::new(test_ended);
    let sqs = FailingSqs::new(move |action, _| {
        if action == "ReceiveMessage" {
            let _ = test_ended.lock().unwrap().recv();
        }
        Some((200, json!({})))
    });
    let mut receiver = sqs.start(&["--name", "demo", "--receive", "--wait", "20s"]);
    receiver.await_note("Connected to demo");
    receiver.signal(Signal::SIGINT);
    receiver.await_note("Ctrl-C again");
    receiver.signal(Signal::SIGINT);
    let ended = receiver.finish();
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.stderr.contains("stay in flight"), "{ended:#?}");
    drop(end);
}

#[test]
fn messages_that_cannot_be_released_are_reported() {
    let sqs = FailingSqs::new(|action, _| match action {
        "ReceiveMessage" => Some((200, json!({ "Messages": [message("a"), message("b")] }))),
        // an answer that mentions no entry
        _ => Some((200, json!({ "Successful": [], "Failed": [] }))),
    });
    let arguments = ["--name", "demo", "--receive", "--max", "2", "--json"];
    let ended = sqs.start(&arguments).finish().succeeded();
    assert_eq!(ended.summary()["in_flight"], 2);
    assert!(
        ended.stderr.contains("2 messages stay in flight"),
        "{ended:#?}"
    );
    // three attempts to delete them, and then three to release them
    assert_eq!(sqs.calls("DeleteMessageBatch").len(), 3);
    assert_eq!(sqs.calls("ChangeMessageVisibilityBatch").len(), 3);
}

#[test]
fn only_the_entries_that_failed_are_deleted_again() {
    let calls = AtomicUsize::new(0);
    let sqs = FailingSqs::new(move |action, parameters| match action {
        "ReceiveMessage" => Some((
            200,
            json!({ "Messages": [message("a"), message("b"), message("c")] }),
        )),
        "DeleteMessageBatch" if calls.fetch_add(1, Ordering::Relaxed) == 0 => Some((
            200,
            json!({
                "Successful": [{ "Id": "0" }],
                "Failed": [{ "Id": "1", "Code": "InternalError", "SenderFault": false }],
            }),
        )),
        _ => {
            let entries = parameters["Entries"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let done: Vec<Value> = entries
                .iter()
                .map(|entry| json!({ "Id": entry["Id"] }))
                .collect();
            Some((200, json!({ "Successful": done, "Failed": [] })))
        }
    });
    let arguments = ["--name", "demo", "--receive", "--max", "3", "--json"];
    let ended = sqs.start(&arguments).finish().succeeded();
    assert_eq!(ended.summary()["in_flight"], 0);
    let deletes = sqs.calls("DeleteMessageBatch");
    let handles = |call: &Value| -> Vec<String> {
        let entries = call["Entries"].as_array().unwrap().iter();
        entries
            .map(|entry| entry["ReceiptHandle"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        deletes.iter().map(handles).collect::<Vec<_>>(),
        [vec!["a", "b", "c"], vec!["b", "c"]]
    );
}

fn message(id: &str) -> Value {
    json!({ "MessageId": id, "ReceiptHandle": id, "Body": format!("Message {id}"), "MD5OfBody": "0" })
}

#[test]
fn a_receive_without_an_answer_is_repeated_and_reported() {
    let calls = AtomicUsize::new(0);
    let sqs = FailingSqs::new(move |action, _| match action {
        "ReceiveMessage" if calls.fetch_add(1, Ordering::Relaxed) == 0 => None,
        _ => Some((200, json!({}))),
    });
    let arguments = ["--name", "demo", "--receive", "--idle-exit", "0s", "--json"];
    let ended = sqs.start(&arguments).finish().succeeded();
    assert_eq!(ended.summary()["unanswered_receives"], 1);
    assert!(ended.stderr.contains("had no answer"), "{ended:#?}");
}

#[test]
fn a_throttled_receive_is_repeated_and_not_reported_as_unanswered() {
    let calls = AtomicUsize::new(0);
    let sqs = FailingSqs::new(move |action, _| match action {
        "ReceiveMessage" if calls.fetch_add(1, Ordering::Relaxed) == 0 => Some((
            400,
            json!({ "__type": "RequestThrottled", "message": "slowly" }),
        )),
        _ => Some((200, json!({}))),
    });
    let arguments = ["--name", "demo", "--receive", "--idle-exit", "0s", "--json"];
    let ended = sqs.start(&arguments).finish().succeeded();
    assert_eq!(ended.summary()["unanswered_receives"], 0);
    assert!(ended.stderr.contains("RequestThrottled"), "{ended:#?}");
}

#[test]
fn a_queue_that_never_answers_fails_the_run() {
    let sqs = FailingSqs::new(|action, _| match action {
        "ReceiveMessage" => None,
        _ => Some((200, json!({}))),
    });
    let ended = sqs
        .start(&["--name", "demo", "--receive", "--json"])
        .finish();
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert_eq!(ended.summary()["unanswered_receives"], 3);
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_closed_pipe_ends_the_run_quietly_with_no_message_in_flight() {
    let demo = Queue::standard();
    demo.send(&BODIES);
    for more in [&[][..], &["--json"], &["--no-delete"]] {
        let arguments = [&["--name", &demo.name, "--receive"], more].concat();
        let ended = start_unread(&arguments).finish().succeeded();
        assert!(
            !ended.stderr.contains("panicked") && !ended.stderr.contains("queue:"),
            "{ended:#?}"
        );
        assert_eq!((demo.visible(), demo.in_flight()), (3, 0));
    }
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_closed_pipe_ends_the_other_commands_quietly_too() {
    let demo = Queue::standard();
    for arguments in [
        &["--name", &demo.name, "--json"][..],
        &["--name", &demo.name, "--count", "1"],
        &["stats", &demo.name],
        &["purge", &demo.name, "--yes"],
        &["--name", &demo.name, "--delete-queue"],
    ] {
        let ended = start_unread(arguments).finish().succeeded();
        assert!(!ended.stderr.contains("panicked"), "{ended:#?}");
    }
}

#[test]
#[ignore = "needs python3 with venv"]
fn stdout_contains_only_json() {
    let demo = Queue::standard();
    let sent = queue(&["--name", &demo.name, "--count", "3", "--json"]).succeeded();
    assert_eq!(sent.json().len(), 4);
    let arguments = [
        "--name",
        &demo.name,
        "--receive",
        "--idle-exit",
        "0s",
        "--json",
    ];
    let received = queue(&[&arguments[..], &["--peek"]].concat()).succeeded();
    assert_eq!(received.json().len(), 4);
    let line = &received.json()[0];
    assert!(line["attributes"]["client"].is_string(), "{line}");
    assert!(
        line["system_attributes"]["SentTimestamp"].is_string(),
        "{line}"
    );
    assert_eq!(
        queue(&["stats", &demo.name, "--json"])
            .succeeded()
            .json()
            .len(),
        1
    );
}

#[test]
#[ignore = "needs python3 with venv"]
fn peek_shows_the_attributes_below_each_message() {
    let demo = Queue::fifo();
    queue(&[
        "--name",
        &demo.name,
        "--client-name",
        "Client 1",
        "--count",
        "1",
    ])
    .succeeded();
    let arguments = ["--name", &demo.name, "--receive", "--max", "1", "--peek"];
    let text = queue(&arguments).succeeded().lines.join("\n");
    for attribute in [
        "client = Client 1",
        "MessageGroupId = default",
        "SequenceNumber = ",
    ] {
        assert!(text.contains(attribute), "{text}");
    }
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_plot_and_a_table_have_no_colours_outside_a_terminal() {
    let demo = Queue::fifo();
    queue(&[
        "--name",
        &demo.name,
        "--client-name",
        "Client 1",
        "--count",
        "10",
    ])
    .succeeded();
    let ended = queue(&[
        "--name",
        &demo.name,
        "--receive",
        "--idle-exit",
        "0s",
        "--plot",
    ])
    .succeeded();
    let text = ended.lines.join("\n");
    assert!(
        text.contains("sent ↑  10 messages") && text.contains("received →"),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "{text}");
    assert!(
        ended
            .lines
            .iter()
            .any(|line| line.starts_with("Client 1        10")),
        "{text}"
    );
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_body_cannot_control_the_terminal() {
    let demo = Queue::standard();
    demo.send(&["one\ttwo\nthree"]);
    let ended = queue(&["--name", &demo.name, "--receive", "--max", "1"]).succeeded();
    assert!(ended.lines[0].ends_with("one\\ttwo\\nthree"), "{ended:#?}");
}
