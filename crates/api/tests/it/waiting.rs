//! `Idempotency-Key`, `Prefer: wait`, and the stream of a job's changes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use local_services::testing::eventually;
use reqwest::Response;
use serde_json::{Value, json};
use shared_model::job::JobId;

use crate::support::{ApiResponse, Service, send};

const ICAL: &str = "/api/v1/todos/ical";

async fn ask(service: &Service, key: &str, body: &Value) -> ApiResponse {
    send(
        service
            .request("POST", ICAL)
            .header("Idempotency-Key", key)
            .json(body),
    )
    .await
}

#[tokio::test]
async fn an_equal_request_with_the_same_key_returns_the_same_job() {
    let service = Service::start().await;
    let first = ask(&service, "a", &json!({"window": 5})).await;
    assert_eq!(
        (first.status.as_u16(), first.header("idempotency-replayed")),
        (202, None)
    );
    service.complete(id_of(&first), b"calendar").await;
    let second = ask(&service, "\"a\"", &json!({"window": 5, "completed": null})).await;
    assert_eq!(
        (
            second.status.as_u16(),
            second.header("idempotency-replayed")
        ),
        (202, Some("true"))
    );
    assert_eq!(second.json()["task_id"], first.json()["task_id"]);
    assert_eq!(second.json()["task_status"], "SUCCESS");

    ask(&service, "a", &json!({"window": 6}))
        .await
        .assert_problem(422, "this Idempotency-Key was used for a different request");
    assert_ne!(
        ask(&service, "b", &json!({"window": 5})).await.json()["task_id"],
        first.json()["task_id"]
    );
    assert_eq!(service.count("calendar_jobs").await, 2);
}

#[tokio::test]
async fn a_malformed_key_is_refused_and_nothing_is_stored() {
    let service = Service::start().await;
    for key in ["", "two words", &"k".repeat(256)] {
        assert_eq!(ask(&service, key, &json!({})).await.status, 400, "{key:?}");
    }
    assert_eq!(service.count("calendar_jobs").await, 0);
}

#[tokio::test]
async fn fifty_concurrent_requests_with_one_key_create_one_job() {
    let service = Service::start().await;
    let request = json!({});
    let asking = (0..50).map(|_| ask(&service, "k", &request));
    let responses = futures_util::future::join_all(asking).await;
    let ids: BTreeSet<JobId> = responses.iter().map(id_of).collect();
    assert_eq!(ids.len(), 1);
    assert!(responses.iter().all(|response| response.status == 202));
    let first = responses
        .iter()
        .filter(|response| response.header("idempotency-replayed").is_none());
    assert_eq!(first.count(), 1);
    assert_eq!(service.count("calendar_jobs").await, 1);
}

#[tokio::test]
async fn a_key_can_be_used_again_once_its_job_has_expired() {
    let service = Service::start().await;
    let first = id_of(&ask(&service, "k", &json!({})).await);
    service.complete(first, b"calendar").await;
    service.expire(first).await;
    let second = ask(&service, "k", &json!({"window": 1})).await;
    assert_eq!(
        (
            second.status.as_u16(),
            second.header("idempotency-replayed")
        ),
        (202, None)
    );
    assert_ne!(id_of(&second), first);
}

#[tokio::test]
async fn a_waiting_request_gets_its_response_as_soon_as_the_job_ends() {
    let service = Service::start().await;
    let asked = Instant::now();
    let waiting = send(
        service
            .request("POST", ICAL)
            .header("Prefer", "wait=20")
            .json(&json!({})),
    );
    let working = async {
        let listed = async || service.get(ICAL).await.json();
        eventually("the job is accepted", async || {
            listed()
                .await
                .as_array()
                .is_some_and(|jobs| !jobs.is_empty())
        })
        .await;
        let id = listed().await[0]["task_id"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        service.complete(JobId(id), b"calendar").await;
    };
    let (response, ()) = tokio::join!(waiting, working);
    assert_eq!(response.status, 200, "{}", response.text());
    assert_eq!(response.header("preference-applied"), Some("wait=20"));
    assert_eq!(response.json()["task_status"], "SUCCESS");
    assert!(response.json()["finished_at"].is_string() && response.header("retry-after").is_none());
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "it took {:?}",
        asked.elapsed()
    );
}

#[tokio::test]
async fn a_request_whose_wait_ends_before_the_job_gets_a_202() {
    let service = Service::start().await;
    let response = send(
        service
            .request("POST", ICAL)
            .header("Prefer", "respond-async, wait=1")
            .json(&json!({})),
    )
    .await;
    assert_eq!(
        (
            response.status.as_u16(),
            response.header("preference-applied")
        ),
        (202, None)
    );
    assert!(response.header("location").is_some());
}

/// Reads one event. Returns `None` at the end of the stream.
async fn next_event(stream: &mut Response, unread: &mut String) -> Option<(i64, Value)> {
    loop {
        if let Some((event, rest)) = unread.split_once("\n\n") {
            let (event, rest) = (event.to_owned(), rest.to_owned());
            *unread = rest;
            let field = |name: &str| {
                event
                    .lines()
                    .find_map(|line| line.strip_prefix(name).map(str::to_owned))
            };
            if let (Some(id), Some(data)) = (field("id: "), field("data: ")) {
                return Some((id.parse().unwrap(), serde_json::from_str(&data).unwrap()));
            }
            continue;
        }
        let chunk = stream.chunk().await.unwrap()?;
        unread.push_str(std::str::from_utf8(&chunk).unwrap());
    }
}

async fn open_stream(service: &Service, id: JobId) -> Response {
    open_stream_after(service, id, None).await
}

/// Opens a stream as a client that has seen version `seen`.
async fn open_stream_after(service: &Service, id: JobId, seen: Option<i64>) -> Response {
    let mut request = service.request("GET", &format!("{ICAL}/{id}/events"));
    if let Some(seen) = seen {
        request = request.header("Last-Event-ID", seen.to_string());
    }
    let stream = request.send().await.unwrap();
    assert_eq!(stream.status(), 200);
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    stream
}

#[tokio::test]
async fn a_stream_begins_with_the_current_state_and_ends_with_the_job() {
    let service = Service::start().await;
    let id = service.new_job().await;
    let (mut stream, mut unread) = (open_stream(&service, id).await, String::new());
    let (version, state) = next_event(&mut stream, &mut unread).await.unwrap();
    assert_eq!(
        (version, state["task_status"].as_str()),
        (1, Some("PENDING"))
    );

    let claim = service.claim(id).await;
    let (version, state) = next_event(&mut stream, &mut unread).await.unwrap();
    assert_eq!(
        (version, state["task_status"].as_str()),
        (2, Some("STARTED"))
    );
    service.progress(&claim, 10, 20).await;
    let (version, state) = next_event(&mut stream, &mut unread).await.unwrap();
    assert_eq!(
        (version, &state["progress"]),
        (3, &json!({"done": 10, "total": 20}))
    );

    service.delete(&format!("{ICAL}/{id}")).await;
    next_event(&mut stream, &mut unread).await.unwrap();
    service
        .pool
        .run(move |connection| shared_model::job_store::claims::revoke(connection, claim.key))
        .await
        .unwrap();
    let (version, state) = next_event(&mut stream, &mut unread).await.unwrap();
    assert_eq!(
        (version, state["task_status"].as_str()),
        (5, Some("REVOKED"))
    );
    assert_eq!(next_event(&mut stream, &mut unread).await, None);

    let path = format!("{ICAL}/{id}/events");
    let again = send(service.request("GET", &path).header("Last-Event-ID", "5")).await;
    assert_eq!(again.status, 204);
    let late = send(service.request("GET", &path).header("Last-Event-ID", "3")).await;
    assert!(
        late.text().contains("\"REVOKED\"") && late.text().starts_with("id: 5\n"),
        "{}",
        late.text()
    );
}

#[tokio::test]
async fn a_client_that_reconnects_gets_only_newer_states() {
    let service = Service::start().await;
    let id = service.new_job().await;
    // because of this client, the process already knows the state of version 1
    let (mut other, mut unread) = (open_stream(&service, id).await, String::new());
    assert_eq!(next_event(&mut other, &mut unread).await.unwrap().0, 1);

    let mut stream = open_stream_after(&service, id, Some(1)).await;
    let opening = stream.chunk().await.unwrap().unwrap();
    assert_eq!(
        opening, ":\n\n",
        "the client sees immediately that it is connected"
    );
    service.claim(id).await;
    let mut unread = String::new();
    let (version, state) = next_event(&mut stream, &mut unread).await.unwrap();
    assert_eq!(
        (version, state["task_status"].as_str()),
        (2, Some("STARTED"))
    );

    // versions that the client can't have seen are ignored
    for seen in [0, 1, 99] {
        let mut stream = open_stream_after(&service, id, Some(seen)).await;
        let (version, _) = next_event(&mut stream, &mut String::new()).await.unwrap();
        assert_eq!(version, 2);
    }
}

#[tokio::test]
async fn the_stream_of_an_unknown_job_is_404_and_of_an_expired_one_410() {
    let service = Service::start().await;
    let unknown = service
        .get(&format!("{ICAL}/{}/events", JobId::new()))
        .await;
    unknown.assert_problem(404, "Task not found");
    let id = service.new_job().await;
    service.complete(id, b"calendar").await;
    service.expire(id).await;
    service
        .get(&format!("{ICAL}/{id}/events"))
        .await
        .assert_problem(410, "Task expired");
}

#[tokio::test]
async fn a_thousand_streams_see_the_end_of_a_job_without_database_connections() {
    let service = Service::start_with(&["--database-pool=9"]).await;
    let id = service.new_job().await;
    let mut streams = Vec::new();
    // opening a stream needs one query; small groups keep the wait for a connection short
    for _ in 0..20 {
        let opening = (0..50).map(|_| open_stream(&service, id));
        streams.extend(futures_util::future::join_all(opening).await);
    }
    assert_eq!(service.get("/api/v1/todos").await.status, 200);
    service.complete(id, b"calendar").await;
    let reading = streams.into_iter().map(async |mut stream| {
        let (mut unread, mut last) = (String::new(), Value::Null);
        while let Some((_, state)) = next_event(&mut stream, &mut unread).await {
            last = state;
        }
        last["task_status"] == "SUCCESS"
    });
    let ends = futures_util::future::join_all(reading).await;
    assert!(ends.into_iter().all(|has_succeeded| has_succeeded));
}

#[tokio::test]
async fn waiting_requests_do_not_delay_the_shutdown() {
    let service = Service::start().await;
    let id = service.new_job().await;
    let (mut stream, mut unread) = (open_stream(&service, id).await, String::new());
    next_event(&mut stream, &mut unread).await.unwrap();
    let stopping = Instant::now();
    service.stop();
    assert_eq!(next_event(&mut stream, &mut unread).await, None);
    eventually("the process has ended", async || service.has_ended()).await;
    assert!(
        stopping.elapsed() < Duration::from_secs(10),
        "it took {:?}",
        stopping.elapsed()
    );
}

fn id_of(response: &ApiResponse) -> JobId {
    JobId(
        response.json()["task_id"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap(),
    )
}
