//! A visit of an operator in each browser engine, to find what one of them does not support.

use serde_json::json;
use thirtyfour::Key;

use crate::support::{Engine, Page, samples};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_tasks_of_operators_work_in_chromium() {
    test_tasks(Engine::Chromium).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs firefox"]
async fn the_tasks_of_operators_work_in_firefox() {
    test_tasks(Engine::Firefox).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs webkit"]
async fn the_tasks_of_operators_work_in_webkit() {
    test_tasks(Engine::WebKit).await;
}

async fn test_tasks(engine: Engine) {
    let (service, ids) = samples::failed_jobs(1).await;
    let page = Page::open_operations_in(engine, &service).await;
    page.until_number("failed", "1").await;
    page.until_count("#failed-jobs .row", 1).await;
    page.until_count(".plot-drawing .line", 10).await;
    page.assert_accessible("operations").await;
    service.call("POST", "todos/ical", Some(json!({}))).await;
    page.until_number("completed", "1").await;
    pause_and_resume(&page).await;
    refuse_to_drain(&page).await;
    read_the_history(&page, &ids[0]).await;
    retry(&page).await;
    page.driver().refresh().await.unwrap();
    page.until_live().await;
    page.until_number("failed", "0").await;
}

async fn pause_and_resume(page: &Page) {
    page.click("#pause").await;
    page.until_focused("#confirm-no").await;
    page.confirm().await;
    page.until_shown("#paused").await;
    page.until_focused("#resume").await;
    page.click("#resume").await;
    page.until_hidden("#paused").await;
    page.until_focused("#pause").await;
}

async fn refuse_to_drain(page: &Page) {
    page.click(".drain").await;
    page.until_has("#confirm-text", "It takes no more jobs")
        .await;
    page.assert_accessible("asking").await;
    page.press(Key::Escape).await;
    page.until("!document.querySelector('#confirm').open").await;
    page.until_focused(".drain").await;
    page.until_count("#processes [data-state=draining]", 0)
        .await;
}

async fn read_the_history(page: &Page, job: &str) {
    page.click("#failed-jobs .history").await;
    page.until_text("#job-heading", "Job: failed").await;
    page.until_text("#job-id-shown", job).await;
    page.until_has(".step-title", "Attempt 1 on worker").await;
    page.assert_accessible("a job").await;
    page.click("#job .close").await;
    page.until("!document.querySelector('#job').open && location.hash === ''")
        .await;
}

async fn retry(page: &Page) {
    page.click("#failed-jobs .retry").await;
    page.confirm().await;
    page.until_has(".notice", "The job is tried again.").await;
    page.until_text("#failed-none", "No job has failed.").await;
    page.until_number("failed", "0").await;
    page.until_number("waiting", "0").await;
}
