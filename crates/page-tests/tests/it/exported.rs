//! What goes into a calendar: the todos as the page shows them, and no older ones.

use serde_json::json;
use thirtyfour::Key;

use crate::support::{Page, Service};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn what_is_deleted_is_in_no_calendar_that_is_made_after() {
    let service = Service::start().await;
    for title in ["Kept", "Deleted"] {
        service
            .add(json!({ "title": title, "deadline_at": "2026-03-09T20:00:00" }))
            .await;
    }
    let page = Page::open(&service).await;
    page.part_of("Deleted", ".destroy")
        .await
        .click()
        .await
        .unwrap();
    page.until_titles(&["Kept"]).await;
    page.click("[data-view=export]").await;
    page.click("#export-form [type=submit]").await;
    page.until_has(".job .badge", "Done").await;
    page.until_has(".job .job-details", "1 todo read.").await;
    assert_eq!(service.titles().await, ["Kept"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn no_calendar_is_made_while_what_was_deleted_is_still_there() {
    let service = Service::start().await;
    service.add_titles(&["Stays"]).await;
    let page = Page::open(&service).await;
    page.run(
        "const real = window.fetch; window.fetch = (url, options) => options?.method === 'DELETE' \
         ? Promise.resolve(new Response('', { status: 500 })) : real(url, options);",
    )
    .await;
    page.click(".destroy").await;
    page.click("[data-view=export]").await;
    page.click("#export-form [type=submit]").await;
    page.until_has("#export-problem", "what you deleted is still there")
        .await;
    page.until_has(".notice", "Could not delete “Stays”.").await;
    page.click("#export-form [type=submit]").await;
    page.until_has(".job .badge", "Done").await;
    assert_eq!(service.titles().await, ["Stays"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_calendar_that_is_asked_for_again_after_a_change_is_another_one() {
    let mut service = Service::start().await;
    service.stop_worker();
    let page = Page::open(&service).await;
    // the job is made, and its answer is lost
    page.run("const real = window.fetch; window.lost = 0; window.fetch = async (url, options) => { \
         const answer = await real(url, options); \
         if (options?.method === 'POST' && String(url).endsWith('/ical') && window.lost < 2) { window.lost += 1; throw new TypeError('lost'); } \
         return answer; };")
        .await;
    page.click("[data-view=export]").await;
    for lost in 1..=2 {
        page.click("#export-form [type=submit]").await;
        page.until(&format!("window.lost === {lost}")).await;
        page.until_has("#export-problem", "can’t be reached").await;
    }
    let jobs = async || {
        let jobs = service.call("GET", "todos/ical", None).await;
        jobs.as_array().unwrap().len()
    };
    assert_eq!(jobs().await, 1, "the same request");
    page.click("[data-view=todos]").await;
    page.type_into("#new-title", "New").await;
    page.press(Key::Enter).await;
    page.until_titles(&["New"]).await;
    page.click("[data-view=export]").await;
    page.click("#export-form [type=submit]").await;
    page.until("document.querySelectorAll('.job').length === 2")
        .await;
    assert_eq!(jobs().await, 2);
}
