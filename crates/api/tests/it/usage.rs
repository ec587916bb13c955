//! Limits on what is stored, and the ways back below them.

use api::authentication::scope::Scope;
use local_services::testing::eventually;
use serde_json::json;

use crate::support::tokens::with_token;
use crate::support::{ApiResponse, Service, execute, send};

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
