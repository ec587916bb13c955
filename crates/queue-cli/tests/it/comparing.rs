//! `queue compare`: numbers that must hold, whatever the machine does.

use local_services::brokers::{BrokerKind, LocalBroker};
use serde_json::Value;

use crate::support::{NO_ENDPOINT, queue, start_at, unused_name};

/// Few messages, and a short visibility timeout.
const SMALL: [&str; 7] = [
    "--count",
    "40",
    "--rate",
    "100",
    "--visibility",
    "2s",
    "--json",
];

fn compared(lines: &[Value]) -> Vec<(&str, &Value)> {
    lines
        .iter()
        .map(|line| (line["queue"].as_str().unwrap(), &line["result"]["Ok"]))
        .collect()
}

/// Checks what every queue must do that stores its messages.
#[track_caller]
fn assert_nothing_lost(queue: &str, measures: &Value, copies: u64) {
    let number = |member: &str| measures[member].as_u64().unwrap();
    assert_eq!(
        (number("sent"), number("expected")),
        (80, 80 * copies),
        "{queue}"
    );
    assert_eq!(number("lost"), 0, "{queue}: {measures}");
    assert_eq!(number("kept"), 10, "{queue}: {measures}");
    // everything that the killed subscriber held came again; it holds nothing if the other one was faster
    let held = number("held");
    assert!(held <= 10, "{queue}: {measures}");
    assert!(number("delivered_again") >= held, "{queue}: {measures}");
    let is_redelivered = measures["first_redelivery_ms"].is_f64();
    assert_eq!(is_redelivered, held > 0, "{queue}: {measures}");
    assert!(measures["p99_ms"].as_f64() >= measures["p50_ms"].as_f64());
    // at least one to send it
    assert!(measures["calls_per_message"].as_f64().unwrap() >= 1.0);
}

#[test]
#[ignore = "needs python3 with venv"]
fn sqs_loses_nothing_and_only_a_fifo_queue_keeps_the_order() {
    let arguments = ["compare", "--queues", "sqs,sqs.fifo,sns"];
    let lines = queue(&[&arguments[..], &SMALL].concat()).succeeded().json();
    let rows = compared(&lines);
    let [(_, standard), (fifo_name, fifo), (_, sns)] = rows[..] else {
        panic!("{rows:?}");
    };
    assert_eq!(fifo_name, "sqs.fifo");
    assert_nothing_lost("sqs", standard, 1);
    assert_nothing_lost("sqs.fifo", fifo, 1);
    assert_nothing_lost("sns", sns, 2);
    assert_eq!(
        (&fifo["out_of_order"], &fifo["completed_twice"]),
        (&0.into(), &0.into())
    );
}

#[test]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
fn a_stream_loses_nothing_and_a_channel_keeps_nothing() {
    let arguments = ["compare", "--queues", "redis,redis-pubsub"];
    let ended = start_at(NO_ENDPOINT, &[&arguments[..], &SMALL].concat(), &[]).finish();
    let lines = ended.succeeded().json();
    let rows = compared(&lines);
    let [(_, stream), (_, channel)] = rows[..] else {
        panic!("{rows:?}");
    };
    assert_nothing_lost("redis", stream, 1);
    assert_eq!(
        (&channel["kept"], &channel["delivered_again"]),
        (&0.into(), &0.into())
    );
    // what the killed subscriber held, and what came before another one took its place
    let (lost, held) = (channel["lost"].as_u64(), channel["held"].as_u64());
    assert!(lost >= held, "{channel}");
    assert!(channel["first_redelivery_ms"].is_null(), "{channel}");
}

/// Compares a queue of a broker that delivers again when a connection ends. What `--visibility` adds to the time that
/// messages are waited for helps a slow machine.
fn measured(kind: BrokerKind) -> Value {
    let url = LocalBroker::shared(kind).url(&unused_name(""), None);
    let arguments = ["compare", "--url", &url, "--count", "40", "--json"];
    let patient = ["--rate", "100", "--visibility", "1m"];
    let ended = start_at(NO_ENDPOINT, &[&arguments[..], &patient].concat(), &[]).finish();
    ended.succeeded().json()[0]["result"]["Ok"].clone()
}

#[test]
#[cfg_attr(not(has_rabbitmq), ignore = "needs rabbitmq-server")]
fn rabbitmq_loses_nothing() {
    assert_nothing_lost("rabbitmq", &measured(BrokerKind::RabbitMq), 1);
}

#[test]
#[cfg_attr(not(has_activemq), ignore = "needs activemq")]
fn activemq_loses_nothing() {
    assert_nothing_lost("activemq", &measured(BrokerKind::ActiveMq), 1);
}

#[test]
#[cfg(feature = "kafka")]
fn kafka_loses_nothing_and_keeps_the_order_of_each_publisher() {
    let arguments = ["compare", "--queues", "kafka", "--count", "40", "--json"];
    let patient = ["--rate", "100", "--visibility", "1m"];
    let ended = start_at(NO_ENDPOINT, &[&arguments[..], &patient].concat(), &[]).finish();
    let row = ended.succeeded().json().remove(0);
    let measures = &row["result"]["Ok"];
    assert_nothing_lost("kafka", measures, 1);
    assert_eq!(measures["out_of_order"], 0, "{row}");
    let note = row["note"].as_str().unwrap();
    assert!(note.contains("test broker"), "{note}");
}

#[test]
#[cfg(not(feature = "kafka"))]
fn a_program_without_kafka_says_how_to_build_it() {
    for arguments in [
        &["compare", "--queues", "kafka"][..],
        &["--url", "kafka://127.0.0.1:1/demo"],
    ] {
        let ended = start_at(NO_ENDPOINT, arguments, &[]).finish();
        assert_eq!(ended.code, Some(2), "{ended:#?}");
        let how = "built without Kafka: build it with --features kafka";
        assert!(ended.stderr.contains(how), "{ended:#?}");
    }
}

#[test]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
fn the_page_has_a_picture_of_each_queue() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("compared.html");
    let arguments = ["compare", "--queues", "redis", "--count", "20"];
    let more = ["--visibility", "1s", "--html", path.to_str().unwrap()];
    let ended = start_at(NO_ENDPOINT, &[&arguments[..], &more].concat(), &[]).finish();
    let ended = ended.succeeded();
    assert!(ended.lines[0].starts_with("queue"), "{ended:?}");
    assert!(ended.lines[1].starts_with("redis stream"), "{ended:?}");
    let page = std::fs::read_to_string(path).unwrap();
    assert_eq!(page.matches("<svg").count(), 1);
    // 40 messages, and perhaps some that were delivered again
    assert!(page.matches("<circle").count() >= 40);
    assert!(page.contains("prefers-color-scheme: dark") && !page.contains("<script"));
}

#[test]
fn a_comparison_without_a_queue_is_refused() {
    let ended = start_at(NO_ENDPOINT, &["compare", "--queues", "none"], &[]).finish();
    assert_eq!(ended.code, Some(2), "{ended:#?}");
    let unreachable = ["compare", "--url", "redis://127.0.0.1:1/demo"];
    let ended = start_at(NO_ENDPOINT, &unreachable, &[]).finish();
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.stderr.contains("127.0.0.1:1"), "{ended:#?}");
}
