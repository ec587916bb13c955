//! The commands for operators.

use std::sync::atomic::{AtomicUsize, Ordering};

use local_services::sqs::LocalSqs;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::failing_sqs::FailingSqs;
use crate::support::{Queue, queue, start, unused_name};

#[test]
#[ignore = "needs python3 with venv"]
fn queues_are_created_and_deleted() {
    for suffix in ["", ".fifo"] {
        let name = unused_name(suffix);
        let arguments = ["--create", "--name", &name, "--max-receives", "3", "--json"];
        let created = queue(&arguments).succeeded().events("created");
        assert_eq!(created.len(), 2);
        // creating a queue that exists is not an error
        queue(&arguments).succeeded();
        let url = created[1]["url"].as_str().unwrap();
        let attributes = LocalSqs::shared().queue_attributes(url).unwrap();
        assert!(attributes["RedrivePolicy"].contains("-dead-letters"));
        if suffix == ".fifo" {
            assert_eq!(attributes["ContentBasedDeduplication"], "true");
        }
        let ended = queue(&["--delete-queue", "--name", &name]).succeeded();
        assert!(
            ended.stderr.contains("its dead-letter queue still exists"),
            "{ended:#?}"
        );
        assert!(LocalSqs::shared().queue_attributes(url).is_err());
        let dead_letters = created[0]["queue"].as_str().unwrap();
        queue(&["--delete-queue", "--name", dead_letters]).succeeded();
    }
}

#[test]
#[ignore = "needs python3 with venv"]
fn stats_show_the_numbers_of_messages_the_age_and_the_dead_letter_queue() {
    let (demo, dead_letters) = Queue::with_dead_letters("", 5);
    demo.send(&["a", "b", "c"]);
    dead_letters.send(&["d"]);
    let call = json!({ "QueueUrl": demo.url });
    LocalSqs::shared().call("ReceiveMessage", &call).unwrap();
    let stats = queue(&["stats", &demo.name, "--age", "--json"])
        .succeeded()
        .json()
        .remove(0);
    assert_eq!(
        (&stats["visible"], &stats["in_flight"]),
        (&json!(2), &json!(1))
    );
    assert!(stats["oldest_seconds"].is_u64(), "{stats}");
    assert_eq!(stats["dead_letters"]["queue"], *dead_letters.name);
    assert_eq!(stats["dead_letters"]["max_receive_count"], 5);
    assert_eq!(stats["dead_letters"]["visible"], 1);
    // finding the age removed no message
    assert_eq!(demo.visible(), 2);
    let text = queue(&["stats", &demo.name]).succeeded().lines.join("\n");
    assert!(
        text.contains("in flight     1") && text.contains("--age"),
        "{text}"
    );
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_purge_deletes_everything() {
    let demo = Queue::standard();
    demo.send(&["a", "b"]);
    let ended = queue(&["purge", &demo.name, "--yes", "--json"]).succeeded();
    assert_eq!(ended.json()[0]["messages"], 2);
    assert_eq!(demo.visible(), 0);
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_tail_shows_each_message_once_and_deletes_none() {
    let demo = Queue::standard();
    demo.send(&["a", "b"]);
    let arguments = ["tail", &demo.name, "--visibility", "1s", "--json"];
    let mut tail = start(&arguments, &[]);
    tail.await_line("\"b\"");
    demo.send(&["c"]);
    // meanwhile, the others are delivered again after a second, but not shown again
    tail.await_line("\"c\"");
    tail.signal(Signal::SIGINT);
    let ended = tail.finish().succeeded();
    assert_eq!(ended.bodies(), ["a", "b", "c"]);
    assert_eq!((demo.visible(), demo.in_flight()), (3, 0));
    assert!(ended.stderr.contains("counts as received"), "{ended:#?}");
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_tail_is_idle_while_only_messages_it_has_shown_are_delivered_again() {
    let demo = Queue::standard();
    demo.send(&["a"]);
    let arguments = ["tail", &demo.name, "--visibility", "1s", "--json"];
    let ended = queue(&[&arguments[..], &["--idle-exit", "2s"]].concat()).succeeded();
    assert_eq!(ended.bodies(), ["a"]);
    assert_ne!(ended.summary()["duplicates"], 0);
}

/// Receives all messages until the queue moves them to the dead-letter queue.
fn receive_too_often(demo: &Queue, max_receive_count: u32) {
    for _ in 0..=max_receive_count {
        demo.receive_and_release();
    }
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_redrive_accepts_the_name_of_either_queue() {
    for suffix in ["", ".fifo"] {
        for by_dead_letters in [false, true] {
            let (demo, dead_letters) = Queue::with_dead_letters(suffix, 2);
            demo.send(&["a", "b", "c"]);
            receive_too_often(&demo, 2);
            assert_eq!((demo.visible(), dead_letters.visible()), (0, 3));
            let name = if by_dead_letters {
                &dead_letters.name
            } else {
                &demo.name
            };
            let ended = queue(&["redrive", name, "--json"]).succeeded();
            assert_eq!(ended.json()[0]["moved"], 3);
            assert!(
                ended
                    .stderr
                    .contains("does not support StartMessageMoveTask"),
                "{ended:#?}"
            );
            assert_eq!((dead_letters.visible(), dead_letters.in_flight()), (0, 0));
            let messages = demo.receive();
            let bodies: Vec<&str> = messages
                .iter()
                .map(|message| message["Body"].as_str().unwrap())
                .collect();
            assert_eq!(
                bodies,
                ["a", "b", "c"],
                "they are not deduplicated although they were sent less than five minutes ago"
            );
            if suffix == ".fifo" {
                assert_eq!(messages[0]["Attributes"]["MessageGroupId"], "default");
            }
        }
    }
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_redrive_to_a_named_queue_keeps_the_message_attributes() {
    let (demo, dead_letters) = Queue::with_dead_letters("", 1);
    queue(&[
        "--name",
        &demo.name,
        "--client-name",
        "Client 1",
        "--count",
        "12",
    ])
    .succeeded();
    while demo.visible() > 0 {
        demo.receive_and_release();
    }
    assert_eq!(dead_letters.visible(), 12);
    let other = Queue::standard();
    queue(&["redrive", &demo.name, "--to", &other.name]).succeeded();
    assert_eq!((other.visible(), dead_letters.visible()), (12, 0));
    let client = &other.receive()[0]["MessageAttributes"]["client"];
    assert_eq!(client["StringValue"], "Client 1");
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_redrive_to_another_type_of_queue_is_refused() {
    let ((demo, _), fifo) = (Queue::with_dead_letters("", 1), Queue::fifo());
    let ended = queue(&["redrive", &demo.name, "--to", &fifo.name]);
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    assert!(ended.stderr.contains("not of the same type"), "{ended:#?}");
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_redrive_from_a_queue_that_is_not_a_dead_letter_queue_is_refused() {
    let sqs = FailingSqs::new(|_, _| Some((200, json!({ "queueUrls": [] }))));
    let ended = sqs.start(&["redrive", "demo"]).finish();
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    assert!(
        ended.stderr.contains("has no dead-letter queue"),
        "{ended:#?}"
    );
    // if the endpoint cannot list source queues, the messages themselves show that they come from no other queue
    let plain = Queue::standard();
    plain.send(&["alive"]);
    let ended = queue(&["redrive", &plain.name]);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.stderr.contains("--to"), "{ended:#?}");
    assert_eq!((plain.visible(), plain.in_flight()), (1, 0));
}

const ARN: &str = "arn:aws:sqs:us-east-1:000000000000:demo-dead-letters";

/// Creates an endpoint that moves dead letters itself. `task` returns the state of the task for each check.
fn moving(task: impl Fn(usize) -> Value + Send + Sync + 'static) -> FailingSqs {
    let asked = AtomicUsize::new(0);
    FailingSqs::new(move |action, _| {
        let answer = match action {
            "GetQueueAttributes" => {
                let policy = json!({ "deadLetterTargetArn": ARN, "maxReceiveCount": 3 });
                json!({ "Attributes": { "QueueArn": "arn:demo", "RedrivePolicy": policy.to_string() } })
            }
            "StartMessageMoveTask" => json!({ "TaskHandle": "the-task" }),
            "ListMessageMoveTasks" => {
                json!({ "Results": [task(asked.fetch_add(1, Ordering::Relaxed))] })
            }
            "CancelMessageMoveTask" => json!({ "ApproximateNumberOfMessagesMoved": 7 }),
            _ => json!({}),
        };
        Some((200, answer))
    })
}

#[test]
fn a_redrive_is_carried_out_by_sqs_if_it_supports_that() {
    let sqs = moving(|asked| {
        let status = if asked == 0 { "RUNNING" } else { "COMPLETED" };
        json!({ "Status": status, "ApproximateNumberOfMessagesMoved": 7 * asked })
    });
    let arguments = ["redrive", "demo", "--rate", "50", "--json"];
    let ended = sqs.start(&arguments).finish().succeeded();
    assert_eq!(ended.json()[0]["moved"], 7);
    assert_eq!(ended.json()[0]["by"], "StartMessageMoveTask");
    let call = &sqs.calls("StartMessageMoveTask")[0];
    assert_eq!(call["SourceArn"], ARN);
    assert_eq!(call["DestinationArn"], "arn:demo");
    assert_eq!(call["MaxNumberOfMessagesPerSecond"], 50);
    assert_eq!(sqs.calls("ReceiveMessage"), [Value::Null; 0]);
}

#[test]
fn a_redrive_that_fails_in_sqs_shows_the_reason() {
    let sqs = moving(|_| json!({ "Status": "FAILED", "FailureReason": "AccessDenied" }));
    let ended = sqs.start(&["redrive", "demo"]).finish();
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("AccessDenied"), "{ended:#?}");
}
