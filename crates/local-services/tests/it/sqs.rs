//! The local SQS.

use local_services::sqs::LocalSqs;
use serde_json::json;

/// A queue of a name that no other test uses, also when the endpoint lives longer than the tests.
fn unique(stem: &str) -> String {
    format!("{stem}-{}", std::process::id())
}

#[test]
fn a_message_goes_in_and_comes_out() {
    let sqs = LocalSqs::shared();
    let url = sqs.create_queue(&unique("in-and-out"), &[]).unwrap();
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
    sqs.delete_queue(&url).unwrap();
    assert!(sqs.queue_attributes(&url).is_err());
}

#[test]
fn attributes_are_set() {
    let sqs = LocalSqs::shared();
    let url = sqs
        .create_queue(&unique("attributes"), &[("VisibilityTimeout", "7")])
        .unwrap();
    let attributes = sqs.queue_attributes(&url).unwrap();
    assert_eq!(attributes["VisibilityTimeout"], "7");
    sqs.delete_queue(&url).unwrap();
}

#[test]
fn a_queue_has_dead_letters_of_its_own_type() {
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
fn a_refusal_is_told_with_its_reason() {
    let error = LocalSqs::shared()
        .queue_attributes("http://127.0.0.1/000000000000/nobody-made-it")
        .unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("SQS refuses GetQueueAttributes"), "{text}");
    assert!(text.contains("does not exist"), "{text}");
}
