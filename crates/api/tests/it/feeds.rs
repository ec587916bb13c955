//! Calendars that programs subscribe to.

use local_services::testing::eventually;
use serde_json::json;
use uuid::Uuid;

use crate::support::feeds::{
    FEEDS, add_todo, first_calendar, let_a_minute_pass, new_feed, new_feed_url, newest_job, url_of,
    with_wrong_secret,
};
use crate::support::{Service, execute, send};

#[tokio::test]
async fn the_address_of_a_feed_is_returned_once_and_not_stored() {
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
    let url = new_feed_url(&service).await;
    let response = first_calendar(&service, &url, b"the first").await;
    assert_eq!(
        (response.status.as_u16(), response.text()),
        (200, "the first")
    );
    assert_eq!(
        response.header("content-type"),
        Some("text/calendar; charset=utf-8")
    );
    assert_eq!(
        response.header("cache-control"),
        Some("private, max-age=300")
    );
    assert_eq!(
        response.header("content-disposition"),
        Some("inline; filename=\"taskoverflow.ics\"")
    );

    let etag = response.header("etag").unwrap();
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
        "without a change, no job is created"
    );
}

#[tokio::test]
async fn after_a_change_the_last_calendar_is_served_until_the_next_one_is_ready() {
    let service = Service::start().await;
    let url = new_feed_url(&service).await;
    first_calendar(&service, &url, b"the first").await;
    let first = newest_job(&service).await;
    add_todo(&service).await;
    let_a_minute_pass(&service).await;
    for _ in 0..3 {
        assert_eq!(service.get(&url).await.text(), "the first");
    }
    assert_eq!(
        service.count("calendar_jobs").await,
        2,
        "several requests create one job"
    );
    let second = newest_job(&service).await;
    assert_ne!(second, first);
    service.complete(second.unwrap(), b"the second").await;
    assert_eq!(service.get(&url).await.text(), "the second");
}

#[tokio::test]
async fn after_a_failed_job_the_last_calendar_is_served_and_the_next_job_waits() {
    let service = Service::start().await;
    let url = new_feed_url(&service).await;
    first_calendar(&service, &url, b"the first").await;
    add_todo(&service).await;
    let_a_minute_pass(&service).await;
    service.get(&url).await;
    service
        .fail(newest_job(&service).await.unwrap(), true)
        .await;
    for _ in 0..3 {
        assert_eq!(service.get(&url).await.text(), "the first");
    }
    assert_eq!(service.count("calendar_jobs").await, 2);
    let_a_minute_pass(&service).await;
    service.get(&url).await;
    assert_eq!(service.count("calendar_jobs").await, 3);
}

#[tokio::test]
async fn a_feed_whose_first_calendar_fails_says_when_to_try_again() {
    let service = Service::start().await;
    let url = new_feed_url(&service).await;
    let failing = async {
        eventually("the job is stored", async || {
            newest_job(&service).await.is_some()
        })
        .await;
        service
            .fail(newest_job(&service).await.unwrap(), true)
            .await;
    };
    let (response, ()) = tokio::join!(service.get(&url), failing);
    response.assert_problem(
        503,
        "the first calendar of this feed is not ready; try again later",
    );
    assert!(response.header("retry-after").is_some());
}

#[tokio::test]
async fn a_wrong_token_and_the_token_of_a_deleted_feed_are_404() {
    let service = Service::start().await;
    let feed = new_feed(&service).await;
    let url = url_of(&feed);
    for path in [
        with_wrong_secret(&url).as_str(),
        "/calendar/x.ics",
        "/calendar/.ics",
        &format!("/calendar/{}.ics", "0".repeat(72)),
    ] {
        assert_eq!(service.get(path).await.status, 404, "{path}");
    }
    assert_eq!(service.count("calendar_jobs").await, 0);

    let id = feed.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(service.delete(&format!("{FEEDS}/{id}")).await.status, 204);
    service.get(&url).await.assert_problem(404, "no such feed");
    for gone in [id, Uuid::now_v7().to_string(), "x".to_owned()] {
        service
            .delete(&format!("{FEEDS}/{gone}"))
            .await
            .assert_problem(404, "no such feed");
    }
}

#[tokio::test]
async fn the_options_of_a_feed_are_checked_like_those_of_a_job() {
    let service = Service::start().await;
    service
        .post(FEEDS, &json!({"colour": "red"}))
        .await
        .assert_problem(400, "extra fields");
    let response = service.post(FEEDS, &json!({"alarm": "soon"})).await;
    assert!(
        response.status == 400 && response.text().contains("alarm"),
        "{}",
        response.text()
    );
    assert_eq!(service.count("calendar_feeds").await, 0);
}
