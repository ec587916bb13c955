//! What operators see of jobs, and how they retry failed ones, with a real database.

use api::authentication::scope::Scope;
use serde_json::{Value, json};
use shared_model::job::JobId;

use crate::support::jobs::accept_many;
use crate::support::tokens::with_token;
use crate::support::{ApiResponse, Service, execute, send, split_at};

const JOBS: &str = "/api/v1/operations/jobs";

/// Stores jobs that have failed after their first attempt.
async fn failed_jobs(service: &Service, count: usize) -> Vec<JobId> {
    let ids = accept_many(&service.pool, count).await;
    for id in &ids {
        service.fail(*id, true).await;
    }
    ids
}

async fn list(service: &Service, query: &str) -> Vec<String> {
    let response = service.get(&format!("{JOBS}?{query}")).await;
    assert_eq!(response.status, 200, "{}", response.text());
    ids(&response)
}

fn ids(response: &ApiResponse) -> Vec<String> {
    let jobs = response.json();
    let id = |job: &Value| job["task_id"].as_str().unwrap().to_owned();
    jobs.as_array().unwrap().iter().map(id).collect()
}

async fn retry(service: &Service, path: &str) -> ApiResponse {
    send(service.request("POST", &format!("{JOBS}/{path}"))).await
}

#[tokio::test]
async fn failed_jobs_are_listed_page_by_page_newest_first() {
    let service = Service::start().await;
    let mut expected: Vec<String> = failed_jobs(&service, 5)
        .await
        .iter()
        .map(ToString::to_string)
        .collect();
    expected.reverse();
    service.new_job().await;
    let mut next = Some(format!(
        "{}{JOBS}?limit=2&finished_after=2020-01-01T00:00:00Z",
        service.url
    ));
    let mut pages = Vec::new();
    while let Some(url) = next {
        let page = service.get(&url).await;
        assert_eq!(page.status, 200, "{}", page.text());
        pages.push(ids(&page));
        let link = page.header("link").map(str::to_owned);
        next = link.map(|link| link[1..link.find('>').unwrap()].to_owned());
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!(pages.concat(), expected);
}

#[tokio::test]
async fn filters_choose_failed_jobs_by_error_worker_and_time() {
    let service = Service::start().await;
    let jobs = failed_jobs(&service, 3).await;
    let [first, second, third] = [0, 1, 2].map(|number| jobs[number].to_string());
    let [only_first, only_second] = [&first, &second].map(|id| vec![id.clone()]);
    execute(
        &service.pool,
        format!(
            "INSERT INTO processes (id, role, host, pid, version) OVERRIDING SYSTEM VALUE
             VALUES (1001, 'worker', 'alpha', 1, '0');
             UPDATE calendar_jobs SET worker_id = 1001 WHERE id = '{first}';
             UPDATE calendar_jobs SET error = '{{\"code\": \"attempts_exhausted\", \"detail\": \"d\", \"cause\": \"panic\"}}'
             WHERE id = '{second}';
             UPDATE calendar_jobs SET finished_at = '2020-01-01' WHERE id = '{third}'"
        ),
    )
    .await;
    assert_eq!(list(&service, "worker=1001").await, only_first);
    assert_eq!(list(&service, "worker=1").await, [""; 0]);
    assert_eq!(list(&service, "error_code=panic").await, only_second);
    assert_eq!(
        list(&service, "error_code=attempts_exhausted").await,
        only_second
    );
    let all = list(&service, "status=FAILURE&error_code=timeout").await;
    assert_eq!(all, [third, first.clone()]);
    let recent = list(&service, "finished_after=2020-01-02T00:00:00Z").await;
    assert_eq!(recent, [second, first.clone()]);
    for (query, words) in [
        ("status=SUCCESS", "status must be FAILURE"),
        ("worker=x", "worker must be the id of a process"),
        ("cursor=x", "the cursor is malformed"),
    ] {
        let response = service.get(&format!("{JOBS}?{query}")).await;
        assert_eq!(response.status, 400, "{query}");
        assert!(response.text().contains(words), "{}", response.text());
    }
    let found = service.get(&format!("{JOBS}?worker=1001")).await.json();
    let job = &found[0];
    assert_eq!(job["worker"], json!({"id": 1001, "host": "alpha"}));
    assert_eq!(job["error"]["code"], "timeout");
    assert_eq!(job["trace_id"], first.replace('-', ""));
}

#[tokio::test]
async fn the_history_of_a_job_shows_its_attempts_retries_and_end() {
    let service = Service::start_with(&["--queue-url=postgres:"]).await;
    let id = accept_many(&service.pool, 1).await[0];
    service.fail(id, false).await;
    service.fail(id, true).await;
    assert_eq!(retry(&service, &format!("{id}/retry")).await.status, 202);
    execute(&service.pool, "UPDATE calendar_jobs SET generation = 1").await;
    service.complete(id, b"calendar").await;
    let job = service.get(&format!("{JOBS}/{id}")).await;
    assert_eq!(job.status, 200, "{}", job.text());
    let job = job.json();
    assert_eq!(
        (&job["task_status"], &job["attempt"]),
        (&json!("SUCCESS"), &json!(1))
    );
    let steps: Vec<_> = job["history"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| {
            assert!(step["at"].is_string(), "{step}");
            let end = step["end"].as_str().or(step["status"].as_str());
            (step["kind"].as_str().unwrap(), end.unwrap_or_default())
        })
        .collect();
    assert_eq!(
        steps,
        [
            ("accepted", ""),
            ("attempt", "retry"),
            ("attempt", "failure"),
            ("ended", "FAILURE"),
            ("redriven", ""),
            ("attempt", "success"),
            ("ended", "SUCCESS"),
        ]
    );
    assert_eq!(job["history_truncated"], false);
    assert_eq!(job["history"][1]["error"]["code"], "timeout");
    let without_token = json!({"with": "api", "token_name": null});
    assert_eq!(job["history"][4]["by"], without_token);
    for unknown in ["0197f3a2-0000-7000-8000-000000000000", "x"] {
        let response = service.get(&format!("{JOBS}/{unknown}")).await;
        response.assert_problem(404, "Task not found");
    }
}

#[tokio::test]
async fn the_history_names_the_token_of_the_operator_who_retried() {
    let service = Service::start_with_tokens().await;
    let token = service
        .new_token("night-shift", Scope::Operator, None)
        .await;
    let ids = failed_jobs(&service, 2).await;
    let call = async |method: &str, path: &str| {
        let request = service.request(method, &format!("{JOBS}/{path}"));
        // only the retry of all jobs reads the body
        send(with_token(request, &token).json(&json!({"all": true}))).await
    };
    let one = call("POST", &format!("{}/retry", ids[0])).await;
    assert_eq!(one.status, 202, "{}", one.text());
    assert_eq!(call("POST", "retry").await.json()["retried"], 1);
    for id in ids {
        let job = call("GET", &id.to_string()).await.json();
        let redriven = job["history"].as_array().unwrap().last().unwrap();
        let by = json!({"with": "api", "token_name": "night-shift"});
        assert_eq!(
            (&redriven["kind"], &redriven["by"]),
            (&json!("redriven"), &by)
        );
    }
}

#[tokio::test]
async fn only_a_failed_job_that_has_not_expired_can_be_retried() {
    let service = Service::start().await;
    let failed = failed_jobs(&service, 2).await;
    let waiting = service.new_job().await;
    let refused = retry(&service, &format!("{waiting}/retry")).await;
    let detail = "only failed jobs can be retried, and this one is PENDING; \
                  GET /api/v1/operations/jobs lists those that failed";
    refused.assert_problem(409, detail);
    assert_eq!(refused.json()["task_status"], "PENDING");
    service.expire(failed[0]).await;
    let expired = retry(&service, &format!("{}/retry", failed[0])).await;
    expired.assert_problem(410, "Task expired");
    let unknown = retry(&service, "0197f3a2-0000-7000-8000-000000000000/retry").await;
    unknown.assert_problem(404, "Task not found");

    let retried = retry(&service, &format!("{}/retry", failed[1])).await;
    assert_eq!(retried.status, 202, "{}", retried.text());
    let (retried, _) = split_at(retried.json());
    assert_eq!(
        retried,
        json!({"task_id": failed[1], "task_status": "PENDING"})
    );
    let again = retry(&service, &format!("{}/retry", failed[1])).await;
    again.assert_problem(409, detail);
}

#[tokio::test]
async fn a_retried_job_is_published_again_and_its_watchers_learn_of_it() {
    let service = Service::start().await;
    let id = service.new_job().await;
    service.publisher.called().await;
    service.fail(id, true).await;
    let failed = service
        .get(&format!("/api/v1/todos/ical/{id}/status"))
        .await;
    assert_eq!(failed.json()["task_status"], "FAILURE");
    retry(&service, &format!("{id}/retry")).await;
    service.publisher.called().await;
    assert_eq!(service.publisher.arrived(), [id, id]);
}

#[tokio::test]
async fn all_jobs_that_match_are_retried_however_many_there_are() {
    let service = Service::start_with(&["--queue-url=postgres:"]).await;
    execute(
        &service.pool,
        "INSERT INTO calendar_jobs (id, status, request, expiry, expires_at, finished_at, error)
         SELECT ('00000000-0000-7000-8000-' || lpad(number::text, 12, '0'))::uuid, 'FAILURE', '{}', '1 h',
                now() + interval '1 h', now(),
                jsonb_build_object('code', CASE WHEN number <= 1700 THEN 'timeout' ELSE 'panic' END, 'detail', 'd')
         FROM generate_series(1, 1702) AS number",
    )
    .await;
    let retry_all = async |filter: Value| {
        let response = service.post(&format!("{JOBS}/retry"), &filter).await;
        assert_eq!(response.status, 200, "{}", response.text());
        response.json()
    };
    let mut retried = 0;
    let mut cursor = Value::Null;
    loop {
        let answer = retry_all(json!({"error_code": "timeout", "cursor": cursor})).await;
        retried += answer["retried"].as_i64().unwrap();
        cursor = answer["cursor"].clone();
        assert_eq!(cursor.is_null(), answer["remaining"] == false, "{answer}");
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(retried, 1700);
    assert_eq!(list(&service, "").await.len(), 2);
    let none = retry_all(json!({"finished_after": "2999-01-01T00:00:00Z"})).await;
    assert_eq!(
        split_at(none).0,
        json!({"retried": 0, "remaining": false, "cursor": null})
    );
    // without a body
    let unclear = retry(&service, "retry").await;
    let expected = "send error_code, worker or finished_after, or {\"all\": true} to choose all";
    unclear.assert_problem(400, expected);
    assert_eq!(
        split_at(retry_all(json!({"all": true})).await).0,
        json!({"retried": 2, "remaining": false, "cursor": null})
    );
    let behind_all = "f".repeat(64);
    let nothing_left = retry_all(json!({"all": true, "cursor": behind_all})).await;
    assert_eq!(nothing_left["retried"], 0);
    let refused = service
        .post(&format!("{JOBS}/retry"), &json!({"colour": "red"}))
        .await;
    refused.assert_problem(400, "extra fields");
}
