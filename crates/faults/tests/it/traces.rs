//! The spans of jobs, as a collector receives them.

use std::net::TcpListener;
use std::time::Duration;

use faults::client::{Client, accepted_job};
use faults::process::Process;
use faults::queue::QueueKind;
use local_services::testing::eventually;
use nix::sys::signal::Signal;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use reqwest::Method;
use serde_json::json;
use shared_model::job::{JobId, JobStatus};

use self::collector::{Collector, Exported};
use crate::support::{TestSystem, assert_succeeded, finish, system};

mod collector;

const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN_ID: &str = "b7ad6b7169203331";
/// Runs until its worker is stopped or killed.
const ENDLESS: (&str, &str) = ("RENDER_DELAY", "9m");

/// Requests a calendar in the trace of a client.
async fn submit(client: &Client, flags: &str) -> JobId {
    let request = client.request(Method::POST, "/todos/ical");
    let context = format!("00-{TRACE_ID}-{SPAN_ID}-{flags}");
    let request = request.header("traceparent", context).json(&json!({}));
    accepted_job(&client.send(request).await.unwrap()).unwrap()
}

/// A system whose processes export to a collector.
struct Traced {
    system: TestSystem,
    collector: Collector,
    api: Process,
    client: Client,
}

impl Traced {
    async fn start(queue: QueueKind) -> Self {
        let collector = Collector::start();
        let system = system(queue).await;
        let endpoint = collector.endpoint();
        let (api, client) = system.start_api(&[export_to(&endpoint)]).await.unwrap();
        Self {
            system,
            collector,
            api,
            client,
        }
    }

    async fn worker(&self, settings: &[(&str, &str)]) -> Process {
        let endpoint = self.collector.endpoint();
        let settings = [settings, &[export_to(&endpoint)]].concat();
        self.system.start_worker(&settings).await.unwrap()
    }

    /// Stops the processes, which then have exported all spans, and returns those of a job.
    async fn spans_of(self, id: JobId, worker: Process) -> Spans {
        finish(&self.system, [self.api, worker]).await;
        let all = self.collector.spans();
        let is_of_job = |one: &&Exported| one.attribute("job.id") == Some(id.to_string());
        let of_job: Vec<Exported> = all.iter().filter(is_of_job).cloned().collect();
        Spans { all, of_job }
    }
}

fn export_to(endpoint: &str) -> (&str, &str) {
    ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
}

/// What a collector has received.
struct Spans {
    all: Vec<Exported>,
    of_job: Vec<Exported>,
}

impl Spans {
    /// Returns the spans of a job for an operation, in the order in which they began.
    fn operations(&self, operation: &str) -> Vec<&Exported> {
        let name = Some(operation.to_owned());
        let is_wanted = |one: &&Exported| one.attribute("messaging.operation.name") == name;
        let mut found: Vec<_> = self.of_job.iter().filter(is_wanted).collect();
        found.sort_by_key(|one| one.span.start_time_unix_nano);
        found
    }

    fn accept(&self) -> &Exported {
        let [accept] = self.operations("accept")[..] else {
            panic!("{:#?}", self.of_job)
        };
        accept
    }

    /// Checks that the delivery has a child for each of these steps, within its time.
    #[track_caller]
    fn assert_steps(&self, delivery: &Exported, steps: &[&str]) {
        let children = self.all.iter().filter(|one| one.is_child_of(delivery));
        let mut names = Vec::new();
        for child in children {
            assert!(child.span.start_time_unix_nano >= delivery.span.start_time_unix_nano);
            assert!(child.span.end_time_unix_nano <= delivery.span.end_time_unix_nano);
            names.push(child.name());
        }
        names.sort_unstable();
        assert_eq!(names, steps, "{:#?}", self.all);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_spans_of_a_job_are_children_of_the_clients_span() {
    let traced = Traced::start(QueueKind::Postgres).await;
    let worker = traced.worker(&[]).await;
    let id = submit(&traced.client, "01").await;
    traced.system.database.wait_until_ended(id).await.unwrap();
    let spans = traced.spans_of(id, worker).await;

    let accept = spans.accept();
    let is_parent = |one: &&Exported| accept.is_child_of(one);
    let request = spans.all.iter().find(is_parent).unwrap();
    assert_eq!(request.name(), "POST /api/v1/todos/ical");
    assert_eq!(request.service, "taskoverflow-api");
    assert_eq!(hex::encode(&request.span.trace_id), TRACE_ID);
    assert_eq!(hex::encode(&request.span.parent_span_id), SPAN_ID);
    assert_eq!(request.span.kind(), SpanKind::Server);
    assert_eq!(
        request.attribute("http.response.status_code").unwrap(),
        "202"
    );
    assert_eq!(accept.name(), "accept calendar_jobs");
    assert_eq!(accept.span.kind(), SpanKind::Producer);

    let [deliver] = spans.operations("deliver")[..] else {
        panic!("{:#?}", spans.of_job)
    };
    assert!(deliver.is_child_of(accept));
    assert_eq!(deliver.service, "taskoverflow-worker");
    assert_eq!(deliver.span.kind(), SpanKind::Consumer);
    assert_eq!(deliver.attribute("job.outcome").unwrap(), "succeeded");
    spans.assert_steps(deliver, &["claim", "complete", "render"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn on_sqs_the_message_carries_the_trace() {
    let traced = Traced::start(QueueKind::Sqs).await;
    let worker = traced.worker(&[]).await;
    let id = submit(&traced.client, "01").await;
    traced.system.database.wait_until_ended(id).await.unwrap();
    let spans = traced.spans_of(id, worker).await;
    let accept = spans.accept();
    let ([publish], [deliver]) = (
        &spans.operations("publish")[..],
        &spans.operations("deliver")[..],
    ) else {
        panic!("{:#?}", spans.of_job)
    };
    assert!(publish.is_child_of(accept) && deliver.is_child_of(accept));
    assert_eq!(publish.span.kind(), SpanKind::Client);
    assert!(deliver.attribute("messaging.message.id").is_some());
    spans.assert_steps(deliver, &["claim", "complete", "render"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_spans_of_a_retry_are_linked_with_the_acceptance() {
    retried(QueueKind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn on_sqs_the_spans_of_a_retry_are_linked_with_the_acceptance() {
    retried(QueueKind::Sqs).await;
}

/// The first worker stops in the middle of an attempt, and the second one does the job.
async fn retried(queue: QueueKind) {
    let traced = Traced::start(queue).await;
    let leaving = traced.worker(&[ENDLESS, ("DRAIN_TIMEOUT", "0s")]).await;
    let id = traced.client.submit().await.unwrap();
    let database = &traced.system.database;
    // a worker that is stopped between the claim and the beginning of the attempt gives the attempt back
    eventually("the attempt has begun", async || {
        let begun = leaving.counter("worker_queue_wait_seconds_count").await;
        begun.unwrap() == 1
    })
    .await;
    leaving.signal(Signal::SIGTERM).unwrap();
    assert!(
        leaving
            .wait(Duration::from_secs(30))
            .await
            .unwrap()
            .success()
    );
    let worker = traced.worker(&[]).await;
    assert_succeeded(&database.wait_until_ended(id).await.unwrap(), 2);
    let spans = traced.spans_of(id, worker).await;

    let deliveries = spans.operations("deliver");
    let (first, second) = (deliveries[0], deliveries[deliveries.len() - 1]);
    assert!(first.is_child_of(spans.accept()));
    assert_eq!(first.attribute("job.outcome").unwrap(), "retry");
    assert_eq!(first.attribute("error.type").unwrap(), "retry");
    assert!(second.is_linked_with(spans.accept()), "{second:#?}");
    assert_eq!(second.attribute("job.outcome").unwrap(), "succeeded");
    spans.assert_steps(second, &["claim", "complete", "render"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_spans_of_a_redelivered_job_are_linked_with_the_acceptance() {
    redelivered(QueueKind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs python3 with venv"]
async fn on_sqs_the_spans_of_a_redelivered_job_are_linked_with_the_acceptance() {
    redelivered(QueueKind::Sqs).await;
}

/// The first worker dies, and exports nothing.
async fn redelivered(queue: QueueKind) {
    let traced = Traced::start(queue).await;
    let dying = traced.worker(&[ENDLESS]).await;
    let id = traced.client.submit().await.unwrap();
    let database = &traced.system.database;
    database
        .wait_for_status(id, JobStatus::Started)
        .await
        .unwrap();
    dying.kill().await.unwrap();
    let worker = traced.worker(&[]).await;
    assert_succeeded(&database.wait_until_ended(id).await.unwrap(), 2);
    let spans = traced.spans_of(id, worker).await;
    let deliveries = spans.operations("deliver");
    assert!(!deliveries.is_empty());
    for delivery in &deliveries {
        assert!(delivery.is_linked_with(spans.accept()), "{delivery:#?}");
    }
    let last = deliveries[deliveries.len() - 1];
    spans.assert_steps(last, &["claim", "complete", "render"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_render_in_a_process_of_its_own_has_a_span() {
    let traced = Traced::start(QueueKind::Postgres).await;
    let id = traced.client.submit().await.unwrap();
    let database = &traced.system.database;
    for attempt in [1, 2] {
        let dying = traced.worker(&[ENDLESS]).await;
        eventually("the worker runs the job", async || {
            database.job(id).await.unwrap().attempt == attempt
        })
        .await;
        dying.kill().await.unwrap();
    }
    let worker = traced.worker(&[]).await;
    assert_succeeded(&database.wait_until_ended(id).await.unwrap(), 3);
    let spans = traced.spans_of(id, worker).await;
    let deliveries = spans.operations("deliver");
    let last = deliveries[deliveries.len() - 1];
    spans.assert_steps(last, &["claim", "complete", "render"]);
    let is_render = |one: &&Exported| one.name() == "render" && one.is_child_of(last);
    let render = spans.all.iter().find(is_render).unwrap();
    assert_eq!(render.attribute("job.attempt").unwrap(), "3");
    assert_eq!(render.attribute("job.isolated").unwrap(), "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endpoint_for_traces_is_used_as_it_is() {
    const PATH: &str = "/tenants/7?key=x";
    let (general, own) = (Collector::start(), Collector::start_at(PATH));
    let (endpoint, url) = (general.endpoint(), format!("{}{PATH}", own.endpoint()));
    let system = system(QueueKind::Postgres).await;
    let settings = [
        export_to(&endpoint),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &url),
    ];
    let (api, client) = system.start_api(&settings).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    let id = client.submit().await.unwrap();
    system.database.wait_until_ended(id).await.unwrap();
    finish(&system, [api, worker]).await;
    let is_of_job = |one: &Exported| one.attribute("job.id") == Some(id.to_string());
    assert!(own.spans().iter().any(is_of_job));
    assert!(general.spans().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_takes_longer_than_the_timeout_is_given_up() {
    // the system accepts connections to it, and nobody answers
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let settings = [
        export_to(&endpoint),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "100"),
        // the last spans are the first that are exported
        ("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
    ];
    let system = system(QueueKind::Postgres).await;
    let (api, client) = system.start_api(&settings).await.unwrap();
    let worker = system.start_worker(&[]).await.unwrap();
    let id = client.submit().await.unwrap();
    system.database.wait_until_ended(id).await.unwrap();
    finish(&system, [worker]).await;
    api.signal(Signal::SIGTERM).unwrap();
    assert!(api.wait(Duration::from_secs(30)).await.unwrap().success());
    // with the default timeout, the process would have ended before
    eventually("the log says that the spans are dropped", async || {
        !api.logged("could not export traces").is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsampled_trace_is_not_exported_and_still_names_the_job() {
    let traced = Traced::start(QueueKind::Postgres).await;
    let worker = traced.worker(&[("RUST_LOG", "info,worker=debug")]).await;
    let unsampled = submit(&traced.client, "00").await;
    let sampled = traced.client.submit().await.unwrap();
    for id in [unsampled, sampled] {
        traced.system.database.wait_until_ended(id).await.unwrap();
    }
    let line = worker.wait_for_log(&unsampled.to_string()).await.unwrap();
    assert_eq!(line["trace_id"], TRACE_ID);
    let spans = traced.spans_of(unsampled, worker).await;
    assert!(spans.of_job.is_empty());
    let of_trace = |one: &Exported| hex::encode(&one.span.trace_id) == TRACE_ID;
    assert!(!spans.all.iter().any(of_trace));
    let of_other = |one: &Exported| one.attribute("job.id") == Some(sampled.to_string());
    assert!(spans.all.iter().any(of_other));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_jobs_run_and_the_log_warns_once() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", port.local_addr().unwrap());
    drop(port);
    let system = system(QueueKind::Postgres).await;
    let settings = [export_to(&endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "100")];
    let (api, client) = system.start_api(&settings).await.unwrap();
    let worker = system.start_worker(&settings).await.unwrap();
    for id in client.submit_many(5).await.unwrap() {
        assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    for process in [&api, &worker] {
        process
            .wait_for_log("could not export traces")
            .await
            .unwrap();
    }
    let more = client.submit_many(5).await.unwrap();
    for id in more {
        assert_succeeded(&system.database.wait_until_ended(id).await.unwrap(), 1);
    }
    for process in [&api, &worker] {
        assert_eq!(process.logged("could not export traces").len(), 1);
    }
    finish(&system, [api, worker]).await;
}
