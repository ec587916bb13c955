//! Lets a test do what the owner of a feed and a calendar program do.

use local_services::testing::eventually;
use serde_json::json;
use shared_model::job::JobId;

use super::{ApiResponse, Service, execute};

/// The path of the feeds.
pub(crate) const FEEDS: &str = "/api/v1/calendar/feeds";
const ICAL: &str = "/api/v1/todos/ical";

/// Creates a feed.
pub(crate) async fn new_feed(service: &Service) -> ApiResponse {
    let response = service
        .post(FEEDS, &json!({"name": "Mine", "component": "both"}))
        .await;
    assert_eq!(response.status, 201, "{}", response.text());
    response
}

/// Creates a feed, and returns the address of its calendar.
pub(crate) async fn new_feed_url(service: &Service) -> String {
    url_of(&new_feed(service).await)
}

pub(crate) fn url_of(feed: &ApiResponse) -> String {
    feed.json()["url"].as_str().unwrap().to_owned()
}

/// Returns the address with another secret of the same form.
pub(crate) fn with_wrong_secret(url: &str) -> String {
    let stem = url.strip_suffix(".ics").unwrap();
    let flipped = if stem.ends_with('0') { "1" } else { "0" };
    format!("{}{flipped}.ics", &stem[..stem.len() - 1])
}

pub(crate) async fn newest_job(service: &Service) -> Option<JobId> {
    let jobs = service.get(ICAL).await.json();
    let id = jobs[0]["task_id"].as_str()?;
    Some(JobId(id.parse().unwrap()))
}

/// Waits until a job is stored, and completes the newest one as a worker would.
pub(crate) async fn complete_newest_job(service: &Service, calendar: &[u8]) {
    eventually("the job is stored", async || {
        newest_job(service).await.is_some()
    })
    .await;
    let id = newest_job(service).await.unwrap();
    service.complete(id, calendar).await;
}

/// Requests the calendar of a new feed, and completes its job as a worker would.
pub(crate) async fn first_calendar(service: &Service, url: &str, calendar: &[u8]) -> ApiResponse {
    let completed = complete_newest_job(service, calendar);
    tokio::join!(service.get(url), completed).0
}

/// Adds a todo, which every feed of [`new_feed`] contains.
pub(crate) async fn add_todo(service: &Service) {
    let response = service
        .post("/api/v1/todos", &json!({"title": "new"}))
        .await;
    assert_eq!(response.status, 201, "{}", response.text());
}

/// Moves the last refresh of all feeds one minute into the past: the next poll refreshes them.
pub(crate) async fn let_a_minute_pass(service: &Service) {
    let sql = "UPDATE calendar_feeds SET refreshed_at = now() - interval '1 minute'";
    execute(&service.pool, sql).await;
}

/// Leaves two minutes until the next refresh, which is longer than a test takes.
pub(crate) async fn let_no_time_pass(service: &Service) {
    let sql = "UPDATE calendar_feeds SET refreshed_at = now() + interval '1 minute'";
    execute(&service.pool, sql).await;
}
