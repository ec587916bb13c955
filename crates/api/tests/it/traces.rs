//! The trace of a request: in its problem, its log line, its job and the job's message.

use local_services::testing::eventually;
use shared_model::job::JobId;
use shared_model::trace::{Trace, TraceContext};
use uuid::Uuid;

use crate::support::process::Process;
use crate::support::{ApiResponse, Service, database, send};

const ICAL: &str = "/api/v1/todos/ical";
const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";

fn traceparent() -> String {
    format!("00-{TRACE_ID}-b7ad6b7169203331-01")
}

/// Requests a calendar with these headers, and returns the job's id and the response.
async fn new_job(service: &Service, headers: &[(&str, &str)]) -> (JobId, ApiResponse) {
    let mut request = service.request("POST", ICAL);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = send(request).await;
    assert_eq!(response.status, 202, "{}", response.text());
    let id: Uuid = response.json()["task_id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    (JobId(id), response)
}

/// Waits for the message of a job, and returns the trace that it names.
async fn published(service: &Service, id: JobId) -> Option<TraceContext> {
    let messages = || service.publisher.messages_for(id);
    eventually("the message is sent", async || !messages().is_empty()).await;
    messages()[0].traceparent
}

#[tokio::test]
async fn a_job_belongs_to_the_trace_of_the_client() {
    let service = Service::start().await;
    let sent = traceparent();
    for headers in [
        &[("traceparent", sent.as_str())] as &[_],
        &[("traceparent", sent.as_str()), ("Idempotency-Key", "1")],
    ] {
        let (id, response) = new_job(&service, headers).await;
        // it is the request's context, and nobody said that the response belongs to another
        assert_eq!(response.header("traceparent"), None);
        let context: TraceContext = sent.parse().unwrap();
        assert_eq!(published(&service, id).await, Some(context));
        assert_eq!(service.claim(id).await.trace, Trace::Known(context));
    }
}

#[tokio::test]
async fn the_job_of_a_request_without_a_valid_traceparent_has_the_id_of_its_trace() {
    let service = Service::start().await;
    let zeros = format!("00-{TRACE_ID}-0000000000000000-01");
    for headers in [
        &[] as &[_],
        &[("traceparent", "garbage")],
        &[("traceparent", zeros.as_str()), ("Idempotency-Key", "2")],
    ] {
        let (id, response) = new_job(&service, headers).await;
        // the client learns it from any response
        assert_eq!(response.header("x-request-id"), Some(&*id.to_string()));
        assert_eq!(published(&service, id).await, None);
        assert_eq!(service.claim(id).await.trace, Trace::Own(id.0));
    }
}

#[tokio::test]
async fn every_problem_names_its_trace() {
    let service = Service::start_with(&["--auth=tokens"]).await;
    let unknown = format!("{ICAL}/{}/status", Uuid::nil());
    for (method, path, host, status) in [
        ("DELETE", "/livez", None, 405),
        ("GET", unknown.as_str(), None, 401),
        ("GET", "/nowhere", Some("elsewhere.example"), 421),
    ] {
        let mut request = service.request(method, path);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let response = send(request.header("traceparent", traceparent())).await;
        assert_eq!(response.status, status);
        assert_eq!(response.json()["trace_id"], TRACE_ID);
    }
    let own = service.get("/nowhere").await;
    let id: Uuid = own.json()["trace_id"].as_str().unwrap().parse().unwrap();
    assert_eq!(own.header("x-request-id"), Some(&*id.to_string()));
}

#[tokio::test]
async fn the_log_line_of_a_request_has_its_trace_id() {
    let database = database();
    let settings = [
        ("DATABASE_URL", database.as_str()),
        ("RUST_LOG", "info,api=debug"),
    ];
    let mut process = Process::start(&settings, "ready");
    let url = format!("{}/nowhere", process.url);
    let request = reqwest::Client::new().get(url);
    let response = send(request.header("traceparent", traceparent())).await;
    assert_eq!(response.status, 404);
    let line = std::iter::repeat_with(|| process.next_line())
        .find(|line| line["http.path"] == "/nowhere")
        .unwrap();
    assert_eq!(line["trace_id"], TRACE_ID);
}
