//! The local SQS.

use local_services::sqs::LocalSqs;
use serde_json::json;

/// Returns a queue name that no other test uses, not even an earlier run on an endpoint that is still running.
fn unique(stem: &str) -> String {
    format!("{stem}-{}", std::process::id())
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_message_that_is_sent_is_received() {
    let sqs = LocalSqs::shared();
    let url = sqs.create_queue(&unique("sent"), &[]).unwrap();
    sqs.call(
        "SendMessage",
        &json!({ "QueueUrl": url, "MessageBody": "ä \"quoted\" one" }),
    )
    .unwrap();
    let answer = sqs
        .call(
            "ReceiveMessage",
            &json!({ "QueueUrl": url, "WaitTimeSeconds": 5 }),
        )
        .unwrap();
    assert_eq!(answer["Messages"][0]["Body"], "ä \"quoted\" one");
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_queue_is_created_with_its_attributes() {
    let sqs = LocalSqs::shared();
    let url = sqs
        .create_queue(&unique("attributes"), &[("VisibilityTimeout", "7")])
        .unwrap();
    let attributes = sqs.queue_attributes(&url).unwrap();
    assert_eq!(attributes["VisibilityTimeout"], "7");
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_dead_letter_queue_has_the_type_of_its_queue() {
    let sqs = LocalSqs::shared();
    let name = unique("dead");
    for (name, dead_letters, is_fifo) in [
        (name.clone(), format!("{name}-dead-letters"), None),
        (
            format!("{name}.fifo"),
            format!("{name}-dead-letters.fifo"),
            Some("true"),
        ),
    ] {
        let url = sqs.create_queue_with_dead_letters(&name, 10).unwrap();
        let attributes = sqs.queue_attributes(&url).unwrap();
        let policy = &attributes["RedrivePolicy"];
        assert!(policy.contains(&format!(":{dead_letters}\"")), "{policy}");
        assert!(policy.contains("10"), "{policy}");
        assert_eq!(attributes.get("FifoQueue").map(String::as_str), is_fifo);
    }
}

#[test]
#[ignore = "needs python3 with venv"]
fn a_refused_call_returns_the_reason() {
    let error = LocalSqs::shared()
        .queue_attributes("http://127.0.0.1/000000000000/no-such-queue")
        .unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("SQS refuses GetQueueAttributes"), "{text}");
    assert!(text.contains("does not exist"), "{text}");
}
