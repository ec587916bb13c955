//! One job a key, a request that waits, and a stream of a job's changes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use local_services::testing::eventually;
use reqwest::Response;
use serde_json::{Value, json};
use shared_model::job::JobId;

use crate::support::{Answer, Service, send};

const ICAL: &str = "/api/v1/todos/ical";

async fn ask(service: &Service, key: &str, body: &Value) -> Answer {
    send(
        service
            .request("POST", ICAL)
            .header("Idempotency-Key", key)
            .json(body),
    )
    .await
}

#[tokio::test]
async fn an_equal_request_of_the_same_key_gets_the_same_job() {
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
        .assert_problem(422, "this Idempotency-Key stands for another request");
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
async fn fifty_clients_at_once_with_one_key_make_one_job() {
    let service = Service::start().await;
    let request = json!({});
    let asking = (0..50).map(|_| ask(&service, "k", &request));
    let answers = futures_util::future::join_all(asking).await;
    let ids: BTreeSet<JobId> = answers.iter().map(id_of).collect();
    assert_eq!(ids.len(), 1);
    assert!(answers.iter().all(|answer| answer.status == 202));
    let first = answers
        .iter()
        .filter(|answer| answer.header("idempotency-replayed").is_none());
    assert_eq!(first.count(), 1);
    assert_eq!(service.count("calendar_jobs").await, 1);
}

#[tokio::test]
async fn a_key_is_free_again_when_its_job_has_expired() {
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
async fn a_request_that_waits_is_answered_with_the_end_as_soon_as_it_is_there() {
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
        eventually("accepted", async || {
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
    let (answer, ()) = tokio::join!(waiting, working);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("preference-applied"), Some("wait=20"));
    assert_eq!(answer.json()["task_status"], "SUCCESS");
    assert!(answer.json()["finished_at"].is_string() && answer.header("retry-after").is_none());
    assert!(
        asked.elapsed() < Duration::from_secs(10),
        "it took {:?}",
        asked.elapsed()
    );
}

#[tokio::test]
async fn a_wait_that_is_over_before_the_job_is_answered_with_202() {
    let service = Service::start().await;
    let answer = send(
        service
            .request("POST", ICAL)
            .header("Prefer", "respond-async, wait=1")
            .json(&json!({})),
    )
    .await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("preference-applied")),
        (202, None)
    );
    assert!(answer.header("location").is_some());
}

/// Reads one event. `None`: the stream has ended.
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

/// As a client that has seen version `seen`.
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
async fn a_stream_begins_with_the_state_now_and_ends_after_the_end() {
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
async fn a_client_that_connects_again_gets_only_what_is_new_to_it() {
    let service = Service::start().await;
    let id = service.new_job().await;
    // another client keeps the state that is known to the process at version 1
    let (mut other, mut unread) = (open_stream(&service, id).await, String::new());
    assert_eq!(next_event(&mut other, &mut unread).await.unwrap().0, 1);

    let mut stream = open_stream_after(&service, id, Some(1)).await;
    let opening = stream.chunk().await.unwrap().unwrap();
    assert_eq!(
        opening, ":\n\n",
        "a client sees at once that it is connected"
    );
    service.claim(id).await;
    let mut unread = String::new();
    let (version, state) = next_event(&mut stream, &mut unread).await.unwrap();
    assert_eq!(
        (version, state["task_status"].as_str()),
        (2, Some("STARTED"))
    );

    // what no job of this database ever was is not believed
    for seen in [0, 1, 99] {
        let mut stream = open_stream_after(&service, id, Some(seen)).await;
        let (version, _) = next_event(&mut stream, &mut String::new()).await.unwrap();
        assert_eq!(version, 2);
    }
}

#[tokio::test]
async fn a_stream_of_no_job_is_404_and_of_an_expired_one_410() {
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
async fn a_thousand_streams_are_told_and_take_no_connection_to_the_database() {
    let service = Service::start_with(&["--database-pool=2"]).await;
    let id = service.new_job().await;
    let mut streams = Vec::new();
    // each looks for the job once, and does not wait long for a connection
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
    assert!(ends.into_iter().all(|is_told| is_told));
}

#[tokio::test]
async fn what_waits_does_not_keep_a_server_from_stopping() {
    let service = Service::start().await;
    let id = service.new_job().await;
    let (mut stream, mut unread) = (open_stream(&service, id).await, String::new());
    next_event(&mut stream, &mut unread).await.unwrap();
    let stopping = Instant::now();
    service.stop();
    assert_eq!(next_event(&mut stream, &mut unread).await, None);
    eventually("ended", async || service.has_ended()).await;
    assert!(
        stopping.elapsed() < Duration::from_secs(10),
        "it took {:?}",
        stopping.elapsed()
    );
}

fn id_of(answer: &Answer) -> JobId {
    JobId(answer.json()["task_id"].as_str().unwrap().parse().unwrap())
}
