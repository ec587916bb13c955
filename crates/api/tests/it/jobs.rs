//! Calendar jobs: create, read the status, list, cancel.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use shared_model::job::JobId;
use shared_model::job_store::claims::{self, ClaimRenewal, Renewal};
use uuid::Uuid;

use crate::support::{ApiResponse, Service, send};

const ICAL: &str = "/api/v1/todos/ical";

fn status_path(id: JobId) -> String {
    format!("{ICAL}/{id}/status")
}

async fn request_of(service: &Service, id: JobId) -> Value {
    let find = move |connection: &mut _| shared_model::job_store::requests::find(connection, id);
    let job = service.pool.run(find).await.unwrap().unwrap();
    serde_json::to_value(job.request).unwrap()
}

fn accepted_id(response: &ApiResponse) -> JobId {
    assert_eq!(response.status, 202, "{}", response.text());
    JobId(
        response.json()["task_id"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap(),
    )
}

#[tokio::test]
async fn a_job_is_accepted_with_the_url_of_its_status() {
    let service = Service::start().await;
    let response = service.post(ICAL, &json!({})).await;
    let id = accepted_id(&response);
    let url = format!("{}{}", service.url, status_path(id));
    assert_eq!(
        response.json(),
        json!({"task_id": id, "task_url": url, "task_status": "PENDING"})
    );
    assert_eq!(response.header("location"), Some(url.as_str()));
    assert_eq!(response.header("retry-after"), Some("1"));
    assert_eq!(service.get(&url).await.status, 200);
}

#[tokio::test]
async fn an_absent_or_empty_body_means_the_default_calendar() {
    let service = Service::start().await;
    let post = || service.request("POST", ICAL);
    for request in [
        post(),
        post().body(""),
        post().header("Content-Type", "application/json"),
        post().header("Content-Type", "application/json").body(""),
        post()
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(""),
        post().header("Content-Length", "0"),
        post().json(&json!({})),
    ] {
        let id = accepted_id(&send(request).await);
        assert_eq!(request_of(&service, id).await, json!({}));
    }
}

#[tokio::test]
async fn options_are_read_from_the_body_and_from_the_query() {
    let service = Service::start().await;
    let options = json!({"completed": false, "window": 7, "component": "both", "alarm": "-PT15M", "name": "Work"});
    let id = accepted_id(&service.post(ICAL, &options).await);
    assert_eq!(request_of(&service, id).await, options);
    let query = format!(
        "{ICAL}?completed=false&window=7&component=both&alarm=-PT15M&name=Work&utm_source=x"
    );
    let id = accepted_id(&send(service.request("POST", &query)).await);
    assert_eq!(request_of(&service, id).await, options);

    let contradiction = service
        .post(&format!("{ICAL}?window=7"), &json!({"window": 8}))
        .await;
    contradiction.assert_problem(
        400,
        "window has different values in the query and in the body",
    );
}

#[tokio::test]
async fn a_job_is_published_without_waiting_for_the_next_check_of_the_outbox() {
    let service = Service::start().await;
    let id = service.new_job().await;
    service.publisher.called().await;
    assert_eq!(service.publisher.arrived(), [id]);
}

#[tokio::test]
async fn the_status_follows_a_job_through_its_life() {
    let service = Service::start().await;
    let id = service.new_job().await;
    let path = status_path(id);

    let pending = service.get(&path).await;
    assert_eq!(pending.status, 200);
    let body = pending.json();
    assert_eq!(body["task_id"], json!(id));
    assert_eq!(body["task_status"], "PENDING");
    assert_eq!(
        body["result_url"],
        format!("{}{ICAL}/{id}/result", service.url)
    );
    assert_eq!(body["attempt"], 0);
    assert_eq!(body["progress"], json!({"done": 0, "total": null}));
    for member in ["started_at", "finished_at", "error", "skipped_count"] {
        assert_eq!(body[member], Value::Null, "{member}");
    }
    for member in ["created_at", "expires_at"] {
        let time = body[member].as_str().unwrap();
        assert!(
            time.ends_with('Z') && time.parse::<DateTime<Utc>>().is_ok(),
            "{time}"
        );
    }
    assert_eq!(body.as_object().unwrap().len(), 11);
    assert_eq!(pending.header("cache-control"), Some("no-store"));
    assert_eq!(pending.header("retry-after"), Some("1"));

    let claim = service.claim(id).await;
    service.progress(&claim, 3, 10).await;
    let started = service.get(&path).await;
    assert_eq!(started.json()["task_status"], "STARTED");
    assert_eq!(started.json()["attempt"], 1);
    assert_eq!(started.json()["progress"], json!({"done": 3, "total": 10}));
    assert!(started.json()["started_at"].is_string());
    assert_ne!(started.header("etag"), pending.header("etag"));
}

#[tokio::test]
async fn the_status_of_a_failed_job_says_why_it_failed() {
    let service = Service::start().await;
    let id = service.new_job().await;
    service.fail(id, false).await;
    let retry = service.get(&status_path(id)).await;
    assert_eq!(retry.json()["task_status"], "RETRY");
    assert_eq!(retry.json()["error"]["code"], "timeout");
    assert_eq!(retry.header("retry-after"), Some("1"));

    service.fail(id, true).await;
    let failed = service.get(&status_path(id)).await;
    assert_eq!(failed.status, 200);
    assert_eq!(failed.json()["task_status"], "FAILURE");
    assert_eq!(failed.json()["attempt"], 2);
    assert_eq!(failed.json()["error"]["detail"], "it took too long");
    assert!(failed.json()["finished_at"].is_string());
    assert_eq!(failed.header("retry-after"), None);
}

#[tokio::test]
async fn the_status_of_a_successful_job_says_how_many_todos_its_calendar_leaves_out() {
    let service = Service::start().await;
    let id = service.new_job().await;
    service.complete(id, b"BEGIN:VCALENDAR").await;
    let done = service.get(&status_path(id)).await.json();
    assert_eq!(
        (&done["task_status"], &done["skipped_count"]),
        (&json!("SUCCESS"), &json!(2))
    );
}

#[tokio::test]
async fn an_unchanged_status_is_a_304() {
    let service = Service::start().await;
    let id = service.new_job().await;
    let path = status_path(id);
    let etag = service.get(&path).await.header("etag").unwrap().to_owned();
    assert_eq!(etag, "\"1\"");
    let ask = |tags: String| send(service.request("GET", &path).header("If-None-Match", tags));
    for tags in [
        etag.clone(),
        format!("W/{etag}"),
        format!("\"x\", {etag}"),
        "*".to_owned(),
    ] {
        let response = ask(tags).await;
        assert_eq!(response.status, 304);
        assert_eq!(response.bytes, b"");
        assert_eq!(response.header("etag"), Some(etag.as_str()));
        assert_eq!(response.header("retry-after"), Some("1"));
        assert_eq!(response.header("cache-control"), Some("no-store"));
    }
    service.claim(id).await;
    assert_eq!(ask(etag).await.status, 200);
}

#[tokio::test]
async fn an_unknown_job_is_404() {
    let service = Service::start().await;
    let unknown = Uuid::now_v7().to_string();
    for id in [
        unknown.as_str(),
        "abc",
        "1",
        "00000000-0000-0000-0000-00000000000g",
        "%00",
        "'--",
    ] {
        for (method, path) in [
            ("GET", format!("{ICAL}/{id}/status")),
            ("GET", format!("{ICAL}/{id}/result")),
            ("DELETE", format!("{ICAL}/{id}")),
        ] {
            send(service.request(method, &path))
                .await
                .assert_problem(404, "Task not found");
        }
    }
}

#[tokio::test]
async fn an_expired_job_is_410() {
    let service = Service::start().await;
    let id = service.new_job().await;
    service.complete(id, b"BEGIN:VCALENDAR").await;
    service.expire(id).await;
    for (method, path) in [
        ("GET", status_path(id)),
        ("GET", format!("{ICAL}/{id}/result")),
        ("DELETE", format!("{ICAL}/{id}")),
    ] {
        send(service.request(method, &path))
            .await
            .assert_problem(410, "Task expired");
    }
    assert_eq!(service.get(ICAL).await.text(), "[]");
}

#[tokio::test]
async fn a_waiting_job_can_be_cancelled_and_cancelled_again() {
    let service = Service::start().await;
    let id = service.new_job().await;
    let retried = service.new_job().await;
    service.fail(retried, false).await;
    for id in [id, retried] {
        for _ in 0..2 {
            let response = service.delete(&format!("{ICAL}/{id}")).await;
            assert_eq!(response.status, 200);
            assert_eq!(response.json()["task_status"], "REVOKED");
            assert_eq!(response.header("retry-after"), None);
        }
        assert_eq!(
            service.get(&status_path(id)).await.json()["task_status"],
            "REVOKED"
        );
        let result = service.get(&format!("{ICAL}/{id}/result")).await;
        result.assert_problem(409, "Task revoked");
        assert_eq!(result.json()["task_status"], "REVOKED");
    }
}

#[tokio::test]
async fn cancelling_a_running_job_asks_its_worker_to_stop() {
    let service = Service::start().await;
    let id = service.new_job().await;
    let claim = service.claim(id).await;
    let response = service.delete(&format!("{ICAL}/{id}")).await;
    assert_eq!(response.status, 202);
    assert_eq!(response.json()["task_status"], "STARTED");
    assert_eq!(response.header("retry-after"), Some("1"));
    let renewal = ClaimRenewal {
        key: claim.key,
        done: 0,
        total: None,
    };
    let renew = move |connection: &mut _| {
        claims::renew(connection, &[renewal], std::time::Duration::from_mins(1))
    };
    let renewed = service.pool.run(renew).await.unwrap();
    assert_eq!(renewed, [(claim.key, Renewal::CancelRequested)]);
}

#[tokio::test]
async fn a_succeeded_or_failed_job_can_not_be_cancelled() {
    let service = Service::start().await;
    let (done, failed) = (service.new_job().await, service.new_job().await);
    service.complete(done, b"BEGIN:VCALENDAR").await;
    service.fail(failed, true).await;
    for (id, status) in [(done, "SUCCESS"), (failed, "FAILURE")] {
        let response = service.delete(&format!("{ICAL}/{id}")).await;
        response.assert_problem(409, "Task already finished");
        assert_eq!(response.json()["task_status"], status);
    }
}

#[tokio::test]
async fn jobs_are_listed_newest_first_by_page_and_by_status() {
    let service = Service::start().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(service.new_job().await);
    }
    service.fail(ids[1], true).await;
    service.fail(ids[3], true).await;
    ids.reverse();
    let listed = |response: &ApiResponse| -> Vec<Value> {
        response
            .json()
            .as_array()
            .unwrap()
            .iter()
            .map(|job| job["task_id"].clone())
            .collect()
    };
    let all = service.get(ICAL).await;
    assert_eq!(
        listed(&all),
        ids.iter().map(|id| json!(id)).collect::<Vec<_>>()
    );
    assert_eq!(
        all.json()[0],
        service.get(&status_path(ids[0])).await.json()
    );
    assert_eq!(all.header("link"), None);
    assert_eq!(
        listed(&service.get(&format!("{ICAL}?status=FAILURE")).await),
        [json!(ids[1]), json!(ids[3])]
    );
    assert_eq!(
        service.get(&format!("{ICAL}?status=SUCCESS")).await.text(),
        "[]"
    );

    let first = service.get(&format!("{ICAL}?limit=3")).await;
    assert_eq!(
        listed(&first),
        [json!(ids[0]), json!(ids[1]), json!(ids[2])]
    );
    let link = first.header("link").unwrap();
    let next = link.strip_prefix('<').unwrap().split('>').next().unwrap();
    service.new_job().await;
    let second = service.get(next).await;
    assert_eq!(listed(&second), [json!(ids[3]), json!(ids[4])]);
    assert_eq!(second.header("link"), None);
}

#[tokio::test]
async fn job_expiry_sets_how_long_a_job_is_kept() {
    let service = Service::start_with(&["--job-expiry", "90m"]).await;
    let id = service.new_job().await;
    let job = service.get(&status_path(id)).await.json();
    let time = |member: &str| {
        job[member]
            .as_str()
            .unwrap()
            .parse::<DateTime<Utc>>()
            .unwrap()
    };
    assert_eq!(
        (time("expires_at") - time("created_at")).num_seconds(),
        90 * 60
    );
}
