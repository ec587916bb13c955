//! The page for operators: numbers, pausing and draining.

use local_services::testing::eventually;
use serde_json::json;
use thirtyfour::Key;

use crate::support::{Page, Service};

async fn create_job(service: &Service) -> String {
    let job = service.call("POST", "todos/ical", Some(json!({}))).await;
    job["task_id"].as_str().unwrap().to_owned()
}

async fn until_status(service: &Service, id: &str, status: &str) {
    let path = format!("todos/ical/{id}/status");
    eventually(&format!("{id} is {status}"), async || {
        service.call("GET", &path, None).await["task_status"] == status
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn an_empty_service_shows_zeros_and_its_processes() {
    let service = Service::start().await;
    let page = Page::open_operations(&service).await;
    for tile in ["waiting", "running", "retrying", "failed", "completed"] {
        page.until_number(tile, "0").await;
    }
    page.until_has("#about", "postgres:").await;
    page.until_text("#failed-none", "No job has failed.").await;
    page.until_text("#deliveries-none", "Every event has been delivered.")
        .await;
    page.until_has("#processes .process-name", "Worker").await;
    page.until_has("#processes .process-name", "API").await;
    page.until_count(".plot-drawing .line", 10).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_numbers_follow_the_jobs() {
    let mut service = Service::start().await;
    service.stop_worker();
    let page = Page::open_operations(&service).await;
    for _ in 0..3 {
        create_job(&service).await;
    }
    page.until_number("waiting", "3").await;
    page.until_has("[data-note=waiting]", "oldest").await;
    service.start_worker();
    page.until_number("waiting", "0").await;
    page.until_number("completed", "3").await;
    page.until_text("[data-stage-number=succeeded]", "3").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn while_processing_is_paused_a_banner_says_so_and_jobs_wait() {
    let service = Service::start().await;
    let page = Page::open_operations(&service).await;
    page.click("#pause").await;
    page.until("document.querySelector('#confirm').open").await;
    // the focus is on the answer that changes nothing
    page.until_focused("#confirm-no").await;
    page.until_has("#confirm-text", "During the pause too")
        .await;
    page.until_has("#confirm-text", "JOB_EXPIRY").await;
    page.press(Key::Enter).await;
    page.until("!document.querySelector('#confirm').open").await;
    page.until_focused("#pause").await;
    page.until_hidden("#paused").await;

    page.click("#pause").await;
    page.confirm().await;
    page.until_shown("#paused").await;
    page.until_has("#paused", "Processing is paused since")
        .await;
    page.until_has("#paused", "JOB_EXPIRY").await;
    page.until_focused("#resume").await;
    page.until_has(".notice", "Processing is paused.").await;
    eventually("the service is paused", async || {
        service.call("GET", "operations", None).await["processing"]["paused"] == true
    })
    .await;
    let other = Page::open_operations(&service).await;
    other.until_shown("#paused").await;
    other.click("#resume").await;
    other.until_hidden("#paused").await;
    // without a reload
    page.until_hidden("#paused").await;
    let job = create_job(&service).await;
    until_status(&service, &job, "SUCCESS").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn pausing_twice_says_what_the_server_says() {
    let service = Service::start().await;
    let page = Page::open_operations(&service).await;
    page.click("#pause").await;
    page.until("document.querySelector('#confirm').open").await;
    service.call("POST", "operations/pause", None).await;
    page.click("#confirm-yes").await;
    page.until_has(".notice.is-problem", "Couldn’t pause.")
        .await;
    page.until_shown("#paused").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_worker_can_be_drained() {
    let service = Service::start().await;
    let page = Page::open_operations(&service).await;
    page.until_has("#processes [data-state=running] .process-name", "Worker")
        .await;
    page.until_count(".drain:not([hidden])", 1).await;
    page.click(".drain").await;
    page.until_has("#confirm-text", "It takes no more jobs")
        .await;
    page.until_has("#confirm-text", "No other worker is running")
        .await;
    page.confirm().await;
    page.until_has(".notice", "drains.").await;
    page.until_count("#processes .drain:not([hidden])", 0).await;
    page.until_shown("#ended-processes").await;
    page.click("#ended-processes").await;
    page.until_has("#processes [data-state=stopped] .process-name", "Worker")
        .await;
    page.until_has("[data-note=running]", "no worker").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_help_of_the_page_leads_to_the_page_for_operators_and_that_back_and_to_the_api() {
    let service = Service::start().await;
    let page = Page::open(&service).await;
    page.click("#open-help").await;
    page.click("#help [href=operations]").await;
    page.until_live().await;
    page.click(".brand").await;
    page.until_shown("#todos-view").await;
    page.go_to_operations("").await;
    page.click(".page-footer a").await;
    page.until_has(".info", "TaskOverflow").await;
    page.click("nav [href=operations]").await;
    page.until_live().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn an_event_that_cannot_be_delivered_is_shown_with_the_reason() {
    // nothing listens on this port
    let webhook = [
        "--webhook-urls=http://localhost:9/hook",
        "--webhook-secret=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    ];
    let service = Service::start_with(&webhook, &[]).await;
    let page = Page::open_operations(&service).await;
    let job = create_job(&service).await;
    until_status(&service, &job, "SUCCESS").await;
    page.until_has("#deliveries .row-destination", "http://localhost:9/…")
        .await;
    page.until_text("#deliveries .badge", "Waiting").await;
    page.until_has("#deliveries-summary", "1 waits for another attempt")
        .await;
    page.until("document.querySelector('#deliveries .row-cause').textContent !== ''")
        .await;
    // the service tries again without being asked
    page.until_hidden("#deliveries .retry").await;
    page.until("document.querySelector('#retry-deliveries').disabled")
        .await;
    page.click("#deliveries .history").await;
    page.until_text("#job-id-shown", &job).await;
}
