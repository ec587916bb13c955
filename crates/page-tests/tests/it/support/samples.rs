//! Services with a few todos.

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
