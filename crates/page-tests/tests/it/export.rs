//! Creating a calendar, from the form to the file.

use local_services::testing::eventually;
use serde_json::json;
use thirtyfour::Key;

use crate::support::{Page, Service, fetch, samples};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_calendar_is_created_followed_live_and_downloaded() {
    let service = samples::three_todos(&[], &["--render-delay=8s"]).await;
    let page = Page::open_at(&service, "#/export").await;
    let folder = page.browser.downloads.clone();
    page.devtools(
        "Browser.setDownloadBehavior",
        json!({ "behavior": "allow", "downloadPath": folder }),
    )
    .await;
    page.until_shown("#jobs-none").await;
    page.click(".choice:has([name=component][value=both])")
        .await;
    page.set("#export-alarm", "-PT1H").await;
    page.type_into("#export-name", "Mine; all of it").await;
    page.create_calendar().await;
    page.until_job("Running").await;
    page.until("document.querySelector('.job .job-progress').offsetParent !== null")
        .await;
    page.until_job("Done").await;
    page.until_text("#job-announcement", "Calendar done.").await;
    page.assert_accessible("a calendar is done").await;
    // the status was never polled, because it came over the stream
    let requests =
        "performance.getEntriesByType('resource').filter((r) => r.name.endsWith('/status')).length";
    assert_eq!(page.value(requests).await, 1, "once, for the new card");

    page.click(".job .download").await;
    let file = folder.join("taskoverflow.ics");
    let downloaded = || std::fs::read_to_string(&file).unwrap_or_default();
    eventually("the file is complete", async || {
        downloaded().ends_with("END:VCALENDAR\r\n")
    })
    .await;
    let calendar = downloaded();
    for line in [
        "BEGIN:VCALENDAR\r\n",
        "NAME:Mine\\; all of it\r\n",
        "SUMMARY:Tax\\, at last\r\n",
        "SUMMARY:No deadline\r\n",
        "TRIGGER:-PT1H\r\n",
    ] {
        assert!(calendar.contains(line), "{line} is not in {calendar}");
    }

    page.reload().await;
    page.until_job("Done").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn only_the_chosen_todos_are_exported() {
    let service = samples::three_todos(&[], &[]).await;
    let page = Page::open_at(&service, "#/export").await;
    page.click(".choice:has([name=completed][value=false])")
        .await;
    page.create_calendar().await;
    page.until_job("Done").await;
    let jobs = service.call("GET", "todos/ical", None).await;
    let path = format!("todos/ical/{}/result", jobs[0]["task_id"].as_str().unwrap());
    let calendar = reqwest::get(format!("{}/api/v1/{path}", service.url))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        calendar.contains("SUMMARY:Rent") && !calendar.contains("Tax"),
        "{calendar}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_calendar_says_which_todos_it_leaves_out_and_offers_to_include_them() {
    let service = samples::three_todos(&[], &[]).await;
    let page = Page::open_at(&service, "#/export").await;
    page.create_calendar().await;
    page.until_job("Done").await;
    page.until_has(
        ".job .job-details",
        "1 todo has no deadline and is not in this calendar.",
    )
    .await;
    page.assert_accessible("a calendar leaves a todo out").await;
    page.click(".job .include").await;
    page.until("document.activeElement.value === 'both' && document.activeElement.checked")
        .await;
    page.create_calendar().await;
    page.until_count(".job .download:not([hidden])", 2).await;
    let newest = "document.querySelector('.job .job-details').textContent";
    page.until(&format!("!{newest}.includes('no deadline')"))
        .await;
    page.until("document.querySelector('.job .include').hidden")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_rejected_request_leaves_the_form_filled_in() {
    let service = samples::three_todos(&[], &[]).await;
    let page = Page::open_at(&service, "#/export").await;
    let long = "x".repeat(81);
    page.type_into("#export-name", &long).await;
    page.press(Key::Enter).await;
    page.until_has("#export-problem", "80 characters").await;
    page.until_value("#export-name", &long).await;
    page.until("document.querySelector('#export-name').ariaInvalid === 'true'")
        .await;
    page.assert_accessible("a rejected export").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_job_is_created_and_listed_once_despite_late_and_failed_responses() {
    let mut service = samples::three_todos(&[], &[]).await;
    service.stop_worker();
    let page = Page::prepare(&service).await;
    // the first list is late, and the first request for a status fails
    page.run_at_start("const real = window.fetch; window.statuses = 0; window.fetch = async (url, options) => { \
         if (String(url).endsWith('/status') && (window.statuses += 1) === 1) return new Response('', { status: 500 }); \
         const response = await real(url, options); \
         if (String(url).includes('/ical?') && !window.releaseList) await new Promise((resolve) => (window.releaseList = resolve)); return response; };")
        .await;
    page.go("#/export").await;
    page.until("Boolean(window.releaseList)").await;
    page.create_calendar().await;
    page.until_text("#export-problem", "The server responded with error 500.")
        .await;
    page.create_calendar().await;
    page.until_job("Queued").await;
    page.run("window.releaseList()").await;
    page.until("!document.querySelector('#more-jobs').disabled")
        .await;
    page.until_count(".job", 1).await;
    let jobs = service.call("GET", "todos/ical", None).await;
    assert_eq!(jobs.as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_deleted_todo_is_not_in_a_calendar_created_afterwards() {
    let service = Service::start().await;
    for title in ["Kept", "Deleted"] {
        service
            .add(json!({ "title": title, "deadline_at": "2026-03-09T20:00:00" }))
            .await;
    }
    let page = Page::open(&service).await;
    page.delete("Deleted").await;
    page.until_titles(&["Kept"]).await;
    page.click("[data-view=export]").await;
    page.create_calendar().await;
    page.until_job("Done").await;
    page.until_has(".job .job-details", "1 todo processed.")
        .await;
    assert_eq!(service.titles().await, ["Kept"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn no_calendar_is_created_while_a_deleted_todo_is_still_on_the_server() {
    let service = Service::start().await;
    service.add_titles(&["Stays"]).await;
    let page = Page::open(&service).await;
    page.run(&fetch::fail("options?.method === 'DELETE'", 500))
        .await;
    page.click(".destroy").await;
    page.click("[data-view=export]").await;
    page.create_calendar().await;
    page.until_has(
        "#export-problem",
        "todos that you deleted are still on the server",
    )
    .await;
    page.until_has(".notice", "Couldn’t delete “Stays”.").await;
    page.create_calendar().await;
    page.until_job("Done").await;
    assert_eq!(service.titles().await, ["Stays"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_repeated_request_creates_one_job_until_the_todos_change() {
    let mut service = Service::start().await;
    service.stop_worker();
    let page = Page::open(&service).await;
    // the server creates the job, but its response is lost
    page.run("const real = window.fetch; window.lost = 0; window.fetch = async (url, options) => { \
         const response = await real(url, options); \
         if (options?.method === 'POST' && String(url).endsWith('/ical') && window.lost < 2) { window.lost += 1; throw new TypeError('lost'); } \
         return response; };")
        .await;
    page.click("[data-view=export]").await;
    for lost in 1..=2 {
        page.create_calendar().await;
        page.until(&format!("window.lost === {lost}")).await;
        page.until_has("#export-problem", "can’t be reached").await;
    }
    let jobs = async || {
        let jobs = service.call("GET", "todos/ical", None).await;
        jobs.as_array().unwrap().len()
    };
    assert_eq!(jobs().await, 1, "the request was repeated, not a new one");
    page.click("[data-view=todos]").await;
    page.add_todo("New").await;
    page.until_titles(&["New"]).await;
    page.click("[data-view=export]").await;
    page.create_calendar().await;
    page.until_count(".job", 2).await;
    assert_eq!(jobs().await, 2);
}
