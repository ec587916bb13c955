//! The list of jobs: cancelling, failing, expiring.

use local_services::testing::eventually;
use serde_json::json;
use thirtyfour::Key;

use crate::support::{Page, Service, fetch, samples};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_queued_job_can_be_cancelled() {
    let mut service = samples::three_todos(&[], &[]).await;
    service.stop_worker();
    let page = Page::open_at(&service, "#/export").await;
    page.create_calendar().await;
    page.until_job("Queued").await;
    page.until_text("#job-announcement", "Calendar queued.")
        .await;
    page.assert_accessible("a job is queued").await;
    page.click(".job .cancel").await;
    page.until_job("Cancelled").await;
    page.until_text("#job-announcement", "Calendar cancelled.")
        .await;
    page.until_focused(".job").await;
    page.until_hidden(".job .cancel").await;
    page.until_hidden(".job .download").await;
    let jobs = service.call("GET", "todos/ical", None).await;
    assert_eq!(jobs[0]["task_status"], "REVOKED");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_cancelled_job_that_still_runs_says_that_it_will_stop() {
    let mut service = samples::three_todos(&[], &["--render-delay=30s"]).await;
    let page = Page::open_at(&service, "#/export").await;
    page.create_calendar().await;
    page.until_job("Running").await;
    // then no worker notices the cancellation
    service.stop_worker();
    page.click(".job .cancel").await;
    page.until_has(".job .job-details", "The worker will stop shortly.")
        .await;
    let details = "document.querySelector('.job-details').textContent";
    let before = page.value(details).await;
    eventually("the elapsed time changes", async || {
        page.value(details).await != before
    })
    .await;
    page.until_has(".job .job-details", "The worker will stop shortly.")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_failed_job_shows_the_reason() {
    let mut service = samples::three_todos(&["--job-expiry=8s", "--sweep-interval=1s"], &[]).await;
    service.stop_worker();
    let page = Page::open_at(&service, "#/export").await;
    page.create_calendar().await;
    // polled from the start, because the server soon deletes the job
    let mut detail = String::new();
    eventually("the server returns the reason", async || {
        let jobs = service.call("GET", "todos/ical", None).await;
        let reason = jobs[0]["error"]["detail"].as_str();
        detail = reason.unwrap_or_default().to_owned();
        reason.is_some()
    })
    .await;
    page.until_job("Failed").await;
    page.until_has(".job .job-details", &detail[1..]).await;
    page.assert_accessible("a job has failed").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_job_that_the_server_no_longer_keeps_is_shown_as_expired() {
    let service = samples::three_todos(&["--job-expiry=8s", "--sweep-interval=1s"], &[]).await;
    let page = Page::open_at(&service, "#/export").await;
    page.create_calendar().await;
    page.until_job("Done").await;
    eventually("the server has deleted the job", async || {
        service
            .call("GET", "todos/ical", None)
            .await
            .as_array()
            .unwrap()
            .is_empty()
    })
    .await;
    // without an action of the visitor
    page.until_job("Expired").await;
    page.assert_accessible("a job has expired").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn downloading_a_removed_calendar_shows_its_job_as_expired() {
    let service = samples::three_todos(&[], &[]).await;
    let page = Page::open_at(&service, "#/export").await;
    page.create_calendar().await;
    page.until_job("Done").await;
    page.run(&fetch::fail("options?.method === 'HEAD'", 410))
        .await;
    page.click(".job .download").await;
    page.until_job("Expired").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn show_older_moves_the_focus_to_the_first_added_job() {
    let mut service = Service::start().await;
    service.stop_worker();
    for _ in 0..12 {
        service.call("POST", "todos/ical", Some(json!({}))).await;
    }
    let page = Page::open_at(&service, "#/export").await;
    page.element("#more-jobs").await.focus().await.unwrap();
    page.press(Key::Enter).await;
    page.until_focused(".job:nth-child(11)").await;
    page.until_hidden("#more-jobs").await;
}
