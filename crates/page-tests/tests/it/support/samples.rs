//! Services with a few todos.

use local_services::testing::eventually;
use serde_json::json;

use super::Service;

/// Starts a service with three todos; one is completed, and one has no deadline.
pub(crate) async fn three_todos(
    api_flags: &[&'static str],
    worker_flags: &[&'static str],
) -> Service {
    let service = Service::start_with(api_flags, worker_flags).await;
    service
        .add(json!({ "title": "Rent", "deadline_at": "2031-03-01T08:00:00" }))
        .await;
    service.add(json!({ "title": "Tax, at last", "deadline_at": "2031-03-02T08:00:00", "completed": true })).await;
    service.add(json!({ "title": "No deadline" })).await;
    service
}

/// Starts a service with an overdue todo, a completed one, and one whose texts have the maximum length.
pub(crate) async fn varied_todos() -> Service {
    let service = Service::start().await;
    service
        .add(json!({ "title": "Overdue one", "deadline_at": "2024-03-01T08:00:00" }))
        .await;
    service
        .add(json!({ "title": "Done one", "description": "With a note", "completed": true }))
        .await;
    service
        .add(json!({ "title": "W".repeat(80), "description": "x".repeat(120) }))
        .await;
    service
}

/// Flags of a worker that does not finish any job. Others soon know that it has died.
const STUCK: [&str; 3] = [
    "--render-delay=60s",
    "--visibility-timeout=2s",
    "--max-attempts=1",
];

/// Starts a service with this many failed jobs, and returns their ids, the newest first. A worker died with each of them in
/// its last attempt.
pub(crate) async fn failed_jobs(count: usize) -> (Service, Vec<String>) {
    let mut service = Service::start_with(&[], &STUCK).await;
    for _ in 0..count {
        service.call("POST", "todos/ical", Some(json!({}))).await;
    }
    until_all(&service, "STARTED", count).await;
    service.restart_worker(&["--max-attempts=1"]);
    let ids = until_all(&service, "FAILURE", count).await;
    (service, ids)
}

/// Waits until this many jobs have the status, and returns their ids.
async fn until_all(service: &Service, status: &str, count: usize) -> Vec<String> {
    let path = format!("todos/ical?status={status}");
    let mut ids = Vec::new();
    eventually(&format!("{count} jobs are {status}"), async || {
        let jobs = service.call("GET", &path, None).await;
        let jobs = jobs.as_array().unwrap().iter();
        ids = jobs
            .map(|job| job["task_id"].as_str().unwrap().to_owned())
            .collect();
        ids.len() == count
    })
    .await;
    ids
}
