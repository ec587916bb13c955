//! Calendars that programs subscribe to.

use local_services::testing::eventually;
use serde_json::json;
use shared_model::job::JobId;
use uuid::Uuid;

use crate::support::{Answer, Service, execute, send};

const FEEDS: &str = "/api/v1/calendar/feeds";
const ICAL: &str = "/api/v1/todos/ical";

async fn new_feed(service: &Service) -> Answer {
    let answer = service
        .post(FEEDS, &json!({"name": "Mine", "component": "both"}))
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer
}

fn url_of(feed: &Answer) -> String {
    feed.json()["url"].as_str().unwrap().to_owned()
}

async fn newest_job(service: &Service) -> Option<JobId> {
    let jobs = service.get(ICAL).await.json();
    let id = jobs[0]["task_id"].as_str()?;
    Some(JobId(id.parse().unwrap()))
}

/// Asks for the calendar, and does the worker's part as soon as the job is there.
async fn first_calendar(service: &Service, url: &str, calendar: &[u8]) -> Answer {
    let working = async {
        eventually("a job", async || newest_job(service).await.is_some()).await;
        service
            .complete(newest_job(service).await.unwrap(), calendar)
            .await;
    };
    tokio::join!(service.get(url), working).0
}

#[tokio::test]
async fn a_feeds_address_is_told_once_and_is_not_stored() {
    let service = Service::start().await;
    let feed = new_feed(&service).await;
    let url = url_of(&feed);
    assert!(
        url.starts_with(&format!("{}/calendar/", service.url))
            && url.strip_suffix(".ics").is_some(),
        "{url}"
    );
    assert_eq!(
        feed.json()["webcal_url"],
        url.replace("http://", "webcal://")
    );
    assert_eq!(feed.json()["name"], "Mine");
    let secret = url.trim_end_matches(".ics").rsplit('/').next().unwrap()[32..].to_owned();
    assert!(secret.len() >= 32, "128 bits or more");

    let listed = service.get(FEEDS).await;
    assert_eq!(listed.json()[0]["id"], feed.json()["id"]);
    assert!(listed.json()[0].get("url").is_none() && !listed.text().contains(&secret));
    let id = feed.json()["id"].as_str().unwrap().to_owned();
    assert!(
        feed.header("location")
            .unwrap()
            .ends_with(&format!("{FEEDS}/{id}"))
    );
}

#[tokio::test]
async fn the_first_request_waits_for_the_first_calendar() {
    let service = Service::start().await;
    let url = url_of(&new_feed(&service).await);
    let answer = first_calendar(&service, &url, b"the first").await;
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "the first"));
    assert_eq!(
        answer.header("content-type"),
        Some("text/calendar; charset=utf-8")
    );
    assert_eq!(answer.header("cache-control"), Some("private, max-age=300"));
    assert_eq!(
        answer.header("content-disposition"),
        Some("inline; filename=\"taskoverflow.ics\"")
    );

    let etag = answer.header("etag").unwrap();
    let again = send(service.request("GET", &url).header("If-None-Match", etag)).await;
    assert_eq!(again.status, 304);
    execute(
        &service.pool,
        "UPDATE calendar_jobs SET finished_at = finished_at - interval '2 s'",
    )
    .await;
    let later = service.get(&url).await;
    let modified = later.header("last-modified").unwrap();
    let again = send(
        service
            .request("GET", &url)
            .header("If-Modified-Since", modified),
    )
    .await;
    assert_eq!(again.status, 304);
    let other = send(
        service
            .request("GET", &url)
            .header("If-None-Match", "\"x\"")
            .header("If-Modified-Since", modified),
    );
    assert_eq!(other.await.status, 200, "If-None-Match counts more");
    let head = send(service.request("HEAD", &url)).await;
    assert_eq!(
        (head.status.as_u16(), head.header("etag")),
        (200, Some(etag))
    );
    assert_eq!(
        service.count("calendar_jobs").await,
        1,
        "nothing has changed"
    );
}

#[tokio::test]
async fn when_todos_have_changed_the_last_calendar_is_served_until_the_next_is_there() {
    let service = Service::start().await;
    let url = url_of(&new_feed(&service).await);
    first_calendar(&service, &url, b"the first").await;
    let first = newest_job(&service).await;
    service
        .post("/api/v1/todos", &json!({"title": "new"}))
        .await;
    for _ in 0..3 {
        assert_eq!(service.get(&url).await.text(), "the first");
    }
    assert_eq!(
        service.count("calendar_jobs").await,
        2,
        "one job, however many ask"
    );
    let second = newest_job(&service).await;
    assert_ne!(second, first);
    service.complete(second.unwrap(), b"the second").await;
    assert_eq!(service.get(&url).await.text(), "the second");
}

#[tokio::test]
async fn a_job_that_fails_leaves_the_last_calendar_and_is_not_tried_again_at_once() {
    let service = Service::start().await;
    let url = url_of(&new_feed(&service).await);
    first_calendar(&service, &url, b"the first").await;
    service
        .post("/api/v1/todos", &json!({"title": "new"}))
        .await;
    service.get(&url).await;
    service
        .fail(newest_job(&service).await.unwrap(), true)
        .await;
    for _ in 0..3 {
        assert_eq!(service.get(&url).await.text(), "the first");
    }
    assert_eq!(service.count("calendar_jobs").await, 2);
    execute(
        &service.pool,
        "UPDATE calendar_jobs SET finished_at = finished_at - interval '2 minutes'",
    )
    .await;
    service.get(&url).await;
    assert_eq!(service.count("calendar_jobs").await, 3);
}

#[tokio::test]
async fn a_feed_whose_first_calendar_fails_says_when_to_ask_again() {
    let service = Service::start().await;
    let url = url_of(&new_feed(&service).await);
    let failing = async {
        eventually("a job", async || newest_job(&service).await.is_some()).await;
        service
            .fail(newest_job(&service).await.unwrap(), true)
            .await;
    };
    let (answer, ()) = tokio::join!(service.get(&url), failing);
    answer.assert_problem(503, "the feed's calendar is being made; try again");
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn a_wrong_or_revoked_token_is_404() {
    let service = Service::start().await;
    let feed = new_feed(&service).await;
    let url = url_of(&feed);
    let stem = url.trim_end_matches(".ics");
    let flipped = if stem.ends_with('0') { "1" } else { "0" };
    let wrong = format!("{}{flipped}.ics", &stem[..stem.len() - 1]);
    for path in [
        wrong.as_str(),
        "/calendar/x.ics",
        "/calendar/.ics",
        &format!("/calendar/{}.ics", "0".repeat(72)),
    ] {
        assert_eq!(service.get(path).await.status, 404, "{path}");
    }
    assert_eq!(service.count("calendar_jobs").await, 0);

    let id = feed.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(service.delete(&format!("{FEEDS}/{id}")).await.status, 204);
    service
        .get(&url)
        .await
        .assert_problem(404, "there is no such feed");
    for gone in [id, Uuid::now_v7().to_string(), "x".to_owned()] {
        service
            .delete(&format!("{FEEDS}/{gone}"))
            .await
            .assert_problem(404, "there is no such feed");
    }
}

#[tokio::test]
async fn a_feed_is_checked_as_a_job_is() {
    let service = Service::start().await;
    service
        .post(FEEDS, &json!({"colour": "red"}))
        .await
        .assert_problem(400, "extra fields");
    let answer = service.post(FEEDS, &json!({"alarm": "soon"})).await;
    assert!(
        answer.status == 400 && answer.text().contains("alarm"),
        "{}",
        answer.text()
    );
    assert_eq!(service.count("calendar_feeds").await, 0);
}
