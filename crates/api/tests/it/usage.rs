//! Limits on what is stored, and the ways back below them.

use api::authentication::scope::Scope;
use api::store::amounts;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};
use local_services::testing::eventually;
use serde_json::{Value, json};
use shared_model::job::JobId;

use crate::support::feeds::{
    add_todo, complete_newest_job, first_calendar, let_a_minute_pass, new_feed_url,
};
use crate::support::tokens::with_token;
use crate::support::{ApiResponse, Service, config, database, execute, send};

const ICAL: &str = "/api/v1/todos/ical";

async fn new_job(service: &Service, token: &str) -> ApiResponse {
    let request = service.request("POST", ICAL).json(&json!({}));
    send(with_token(request, token)).await
}

#[tokio::test]
async fn a_token_with_too_many_outstanding_jobs_is_refused_and_others_are_not() {
    let service = Service::start_with(&["--auth=tokens", "--max-jobs-per-token=2"]).await;
    let one = service.token(Scope::Full).await;
    let other = service.new_token("other", Scope::Full, None).await;
    // what is accepted during a measurement may count twice until the next one
    eventually("two jobs are accepted", async || {
        new_job(&service, &one).await;
        service.count("calendar_jobs").await == 2
    })
    .await;
    let refused = new_job(&service, &one).await;
    refused.assert_problem(
        503,
        "no more than 2 jobs of this token may wait or run, and none was created; try again later",
    );
    assert!(refused.header("retry-after").is_some());
    assert_eq!(service.count("calendar_jobs").await, 2);
    assert_eq!(new_job(&service, &other).await.status, 202);
    // a session belongs to its token
    let cookie = service.session(&one).await;
    let request = service.request("POST", ICAL).json(&json!({}));
    assert_eq!(send(request.header("Cookie", cookie)).await.status, 503);

    let end = "UPDATE calendar_jobs SET status = 'REVOKED', finished_at = now() WHERE token_name = 'full'";
    execute(&service.pool, end).await;
    eventually("the jobs of the token have ended", async || {
        new_job(&service, &one).await.status == 202
    })
    .await;
}

#[tokio::test]
async fn jobs_of_a_token_that_another_process_has_accepted_count() {
    let service = Service::start_with(&["--auth=tokens", "--max-jobs-per-token=10000"]).await;
    let token = service.token(Scope::Full).await;
    let accept = "INSERT INTO calendar_jobs (id, request, expiry, expires_at, token_name)
         SELECT gen_random_uuid(), '{}', interval '1 hour', now() + interval '1 hour', 'full'
         FROM generate_series(1, 10000)";
    execute(&service.pool, accept).await;
    eventually("the token is refused", async || {
        new_job(&service, &token).await.status == 503
    })
    .await;
    let accepted_here = service.count("calendar_jobs").await - 10_000;
    assert!(accepted_here < 10_000, "{accepted_here}");
}

async fn new_job_once(service: &Service, key: &str, body: &Value) -> ApiResponse {
    let request = service.request("POST", ICAL).json(body);
    send(
        request
            .header("Idempotency-Key", key)
            .header("Prefer", "wait=0"),
    )
    .await
}

#[tokio::test]
async fn a_repeated_request_gets_its_job_while_no_other_can_be_created() {
    let service = Service::start_with(&["--max-outstanding-jobs=1"]).await;
    let first = new_job_once(&service, "first", &json!({})).await;
    assert_eq!(first.status, 202, "{}", first.text());
    let refused = "no more than 1 jobs may wait or run, and none was created; try again later";
    for _ in 0..2 {
        let other = new_job_once(&service, "other", &json!({})).await;
        other.assert_problem(503, refused);
        let repeated = new_job_once(&service, "first", &json!({})).await;
        assert_eq!(repeated.status, 202, "{}", repeated.text());
        assert_eq!(repeated.header("idempotency-replayed"), Some("true"));
        assert_eq!(repeated.json()["task_id"], first.json()["task_id"]);
    }
    new_job_once(&service, "first", &json!({"window": 1}))
        .await
        .assert_problem(422, "this Idempotency-Key was used for a different request");
    assert_eq!(service.count("calendar_jobs").await, 1);
}

#[tokio::test]
async fn a_repeated_request_gets_its_job_at_once_while_it_may_not_wait() {
    let service = Service::start_with(&["--max-waiting-requests=1"]).await;
    let repeated = || {
        let request = service.request("POST", ICAL).json(&json!({}));
        let request = request.header("Idempotency-Key", "first");
        request.header("Prefer", "wait=20")
    };
    let waiting = tokio::spawn(repeated().send());
    eventually("the first request has created its job", async || {
        service.count("calendar_jobs").await == 1
    })
    .await;
    let second = send(repeated()).await;
    assert_eq!(second.status, 202, "{}", second.text());
    assert_eq!(second.header("idempotency-replayed"), Some("true"));
    assert_eq!(second.header("preference-applied"), None);
    complete_newest_job(&service, b"calendar").await;
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn a_feed_keeps_its_calendar_while_no_job_can_be_created() {
    let service = Service::start_with(&["--max-outstanding-jobs=1"]).await;
    let url = new_feed_url(&service).await;
    first_calendar(&service, &url, b"the first").await;
    add_todo(&service).await;
    eventually("another job is outstanding", async || {
        service.post(ICAL, &json!({})).await.status == 202
    })
    .await;
    let_a_minute_pass(&service).await;
    assert_eq!(service.get(&url).await.text(), "the first");
    assert_eq!(service.count("calendar_jobs").await, 2);

    complete_newest_job(&service, b"of no feed").await;
    eventually("the feed is refreshed", async || {
        assert_eq!(service.get(&url).await.text(), "the first");
        service.count("calendar_jobs").await == 3
    })
    .await;
}

#[tokio::test]
async fn programs_that_wait_for_a_first_calendar_leave_room_for_requests() {
    let service = Service::start_with(&["--max-waiting-requests=2", "--max-requests=2"]).await;
    let urls = [new_feed_url(&service).await, new_feed_url(&service).await];
    let third = new_feed_url(&service).await;
    let mut waiting = Vec::new();
    for (url, others) in urls.iter().zip(0..) {
        waiting.push(tokio::spawn(service.request("GET", url).send()));
        eventually("the program has created a job", async || {
            service.count("calendar_jobs").await == others + 1
        })
        .await;
    }
    assert_eq!(service.get("/api/v1/todos").await.status, 200);
    let refused = service.get(&third).await;
    refused.assert_problem(
        503,
        "the first calendar of this feed is not ready; try again later",
    );
    assert!(refused.header("retry-after").is_some());
    assert_eq!(service.count("calendar_jobs").await, 2);

    let jobs = service.get(ICAL).await.json();
    for job in jobs.as_array().unwrap() {
        let id = job["task_id"].as_str().unwrap().parse().unwrap();
        service.complete(JobId(id), b"calendar").await;
    }
    for program in waiting {
        assert_eq!(program.await.unwrap().unwrap().status(), 200);
    }
}

/// Stores a calendar of ten megabytes.
const STORE_MUCH: &str =
    "INSERT INTO calendar_results (job_id, content, sha256, gzip_sha256, byte_length, event_count,
                                skipped_count, todos_fingerprint, expires_at)
     SELECT gen_random_uuid(), decode(repeat('00', 10000000), 'hex'), hash, hash, 1, 1, 0, '', now()
     FROM (SELECT sha256('') AS hash) AS hashes";

#[tokio::test]
async fn a_full_storage_accepts_requests_again_after_it_was_vacuumed() {
    let service = Service::start_with(&["--max-stored-mib=8", "--sweep-interval=1h"]).await;
    let todo = json!({"title": "a"});
    assert_eq!(service.post("/api/v1/todos", &todo).await.status, 201);
    execute(&service.pool, STORE_MUCH).await;
    eventually("the storage is full", async || {
        service.post("/api/v1/todos", &todo).await.status == 503
    })
    .await;
    execute(&service.pool, "DELETE FROM calendar_results").await;
    eventually("there is room again", async || {
        // it keeps rows that an older transaction, such as a measurement, may still see
        execute(&service.pool, "VACUUM FULL calendar_results").await;
        service.post("/api/v1/todos", &todo).await.status == 201
    })
    .await;
}

#[test]
fn many_todos_that_are_deleted_no_longer_count() {
    let url = database();
    let mut connection = PgConnection::establish(&url).unwrap();
    let max = config(&url, &[]).limits.max_amounts();
    let mut todos_after = |sql: &str| {
        connection.batch_execute(sql).unwrap();
        connection
            .batch_execute("SELECT pg_stat_force_next_flush()")
            .unwrap();
        amounts::measure(&mut connection, max, false).unwrap().todos
    };
    let insert = "INSERT INTO todos (title) SELECT 'a' FROM generate_series(1, 30000)";
    assert_eq!(todos_after(insert), 30_000);
    assert_eq!(todos_after("ANALYZE todos"), 30_000);
    // fewer than PostgreSQL analyzes the table for
    assert_eq!(todos_after("DELETE FROM todos WHERE id <= 1000"), 29_000);
    assert_eq!(todos_after("DELETE FROM todos WHERE id <= 25000"), 5_000);
}
