//! The list of jobs.

use serde_json::json;
use thirtyfour::Key;

use crate::support::{Page, Service};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn jobs_are_followed_however_many_there_are() {
    let flags = ["--worker-concurrency=1", "--render-delay=4s"];
    let mut service = Service::start_with(&[], &flags).await;
    service.stop_worker();
    let page = Page::open_at(&service, "#/export").await;
    for count in 1..=3 {
        page.click("#export-form [type=submit]").await;
        page.until(&format!(
            "document.querySelectorAll('.job[data-status=PENDING]').length === {count}"
        ))
        .await;
    }
    service.start_worker();
    // the oldest is first in the queue and last in the list
    let states = "[...document.querySelectorAll('.job')].map((job) => job.dataset.status)";
    page.until(&format!("{states}[2] === 'STARTED'")).await;
    page.until(&format!(
        "{states}[2] === 'SUCCESS' && {states}[0] !== 'SUCCESS'"
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_focus_goes_to_the_first_that_is_shown_more() {
    let mut service = Service::start().await;
    service.stop_worker();
    for _ in 0..12 {
        service.call("POST", "todos/ical", Some(json!({}))).await;
    }
    let page = Page::open_at(&service, "#/export").await;
    page.element("#more-jobs").await.focus().await.unwrap();
    page.press(Key::Enter).await;
    page.until_focused(".job:nth-child(11)").await;
    page.until("document.querySelector('#more-jobs').hidden")
        .await;
}
