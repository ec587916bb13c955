//! The calls of a client that was written for the original, as the Python library `requests` sends them.

use serde_json::{Value, json};
use shared_model::job::JobId;

use crate::support::{ApiResponse, Service, send};

fn error(response: &ApiResponse) -> (u16, Value) {
    (response.status.as_u16(), response.json()["error"].clone())
}

#[tokio::test]
async fn todos_work_unchanged() {
    let service = Service::start().await;
    let health = service.get("/api/v1/health").await;
    assert_eq!(health.json(), json!({"status": "ok"}));
    assert_eq!(service.get("/api/v1/todos").await.json(), json!([]));

    let todo = json!({
        "title": "Watch CSSE6400 Lecture",
        "description": "Watch the CSSE6400 lecture on ECHO360 for week 1",
        "completed": true,
        "deadline_at": "2023-02-27T00:00:00",
    });
    let created = service.post("/api/v1/todos", &todo).await;
    assert_eq!(created.status, 201);
    for (member, value) in todo.as_object().unwrap() {
        assert_eq!(&created.json()[member], value, "{member}");
    }
    for (query, expected) in [
        ("", json!([created.json()])),
        ("?completed=true", json!([created.json()])),
        ("?completed=false", json!([])),
        ("?window=5", json!([created.json()])),
    ] {
        let list = service.get(&format!("/api/v1/todos{query}")).await;
        assert_eq!(list.json(), expected, "{query}");
    }

    let path = format!("/api/v1/todos/{}", created.json()["id"]);
    let update = json!({"title": "Updated", "completed": false});
    let updated = service.put(&path, &update).await;
    assert_eq!(updated.status, 200);
    assert_eq!(updated.json()["title"], "Updated");
    assert_eq!(updated.json()["description"], todo["description"]);
    assert_eq!(updated.json()["deadline_at"], "2023-02-27T00:00:00");

    let deleted = service.delete(&path).await;
    assert_eq!(deleted.json()["id"], created.json()["id"]);
    assert_eq!(service.delete(&path).await.json(), json!({}));
}

#[tokio::test]
async fn errors_are_unchanged() {
    let service = Service::start().await;
    let (todos, unknown) = ("/api/v1/todos", "/api/v1/todos/9999");
    let title = json!({"title": "a"});
    let extra = json!({"title": "a", "another": "b"});
    for (response, expected) in [
        (service.post(todos, &extra).await, (400, "extra fields")),
        (
            service.post(todos, &json!({"completed": true})).await,
            (400, "missing title"),
        ),
        (service.put(unknown, &extra).await, (400, "extra fields")),
        (service.put(unknown, &title).await, (404, "Todo not found")),
        (service.get(unknown).await, (404, "Todo not found")),
    ] {
        assert_eq!(error(&response), (expected.0, json!(expected.1)));
    }
}

#[tokio::test]
async fn calendar_jobs_work_unchanged() {
    let service = Service::start().await;
    // requests.post(url)
    let post = service
        .request("POST", "/api/v1/todos/ical")
        .header("Content-Length", "0");
    let job = send(post).await;
    assert_eq!(job.status, 202);
    let task_url = job.json()["task_url"].as_str().unwrap().to_owned();
    let status = service.get(&task_url).await;
    assert_eq!(status.status, 200);
    assert_eq!(status.json()["task_id"], job.json()["task_id"]);
    assert_eq!(status.json()["task_status"], "PENDING");
    let result_url = status.json()["result_url"].as_str().unwrap().to_owned();
    let unfinished = service.get(&result_url).await;
    assert_eq!(error(&unfinished), (404, json!("Task not finished")));

    let id = job.json()["task_id"].as_str().unwrap().parse().unwrap();
    let calendar = "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n";
    service.complete(JobId(id), calendar.as_bytes()).await;
    let status = service.get(&task_url).await;
    assert_eq!(status.json()["task_status"], "SUCCESS");
    let result = service.get(&result_url).await;
    assert_eq!(result.status, 200);
    assert_eq!(
        result.header("content-type"),
        Some("text/calendar; charset=utf-8")
    );
    assert_eq!(result.text(), calendar);
}
