//! Answers that come late, when whoever asked has gone on.

use serde_json::json;
use thirtyfour::Key;

use crate::support::{Look, Page, Service, eventually};

/// Answers to a method and the end of an address are kept until `window.release()`; `window.kept` counts them.
fn keep_answers(method: &str, end: &str) -> String {
    format!(
        "const real = window.fetch; window.kept = 0; const released = new Promise((go) => (window.release = go)); \
         window.fetch = async (url, options) => {{ const answer = await real(url, options); \
         if (options?.method === '{method}' && RegExp('{end}$').test(url)) {{ window.kept += 1; await released; }} return answer; }};"
    )
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_save_that_ends_late_takes_the_focus_from_nobody() {
    let service = Service::start().await;
    service.add_titles(&["Slow"]).await;
    let page = Page::open(&service).await;
    page.run(&keep_answers("PATCH", "todos/[0-9]+")).await;
    page.part_of("Slow", ".edit-button")
        .await
        .click()
        .await
        .unwrap();
    page.press("ly" + Key::Enter).await;
    page.until("window.kept === 1").await;
    page.click("#new-title").await;
    page.press("mix").await;
    page.run("window.release()").await;
    page.until("document.querySelector('.editor') === null")
        .await;
    page.press("er").await;
    page.until("document.querySelector('#new-title').value === 'mixer'")
        .await;
    page.until_titles(&["Slowly"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_day_takes_a_new_todo_once() {
    let service = Service::start().await;
    let page = Page::open_at(&service, "#/month/2026-03-10").await;
    page.run(&keep_answers("POST", "todos")).await;
    page.type_into("#day-title", "Once").await;
    page.press(Key::Enter).await;
    page.until("window.kept === 1").await;
    page.press(Key::Enter).await;
    page.click("#day-form .button").await;
    page.run("window.release()").await;
    page.until_titles_in("#day-list", &["Once"]).await;
    // where the next one is written
    page.click("#day-title").await;
    page.press("Twice" + Key::Enter).await;
    page.until_titles_in("#day-list", &["Twice", "Once"]).await;
    assert_eq!(page.value("window.kept").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_link_of_a_subscription_survives_a_list_that_is_late() {
    let service = Service::start().await;
    let page = Page::prepare(&service, Look::default()).await;
    page.run_at_start(&keep_answers("GET", "calendar/feeds"))
        .await;
    page.go("#/export").await;
    page.until("window.kept === 1").await;
    // it shows with the list
    page.run("document.querySelector('#subscribe').hidden = false")
        .await;
    page.click("#subscribe").await;
    page.until("document.querySelector('.feed-url')?.value.endsWith('.ics')")
        .await;
    page.run("window.release()").await;
    page.until("window.kept === 1").await;
    page.run("window.fetch = () => Promise.resolve(new Response('', { status: 500 })); location.hash = '#/'")
        .await;
    page.until("document.querySelector('#export-view').hidden")
        .await;
    page.run("location.hash = '#/export'").await;
    page.until_has(".notice", "Could not list the calendars.")
        .await;
    page.until(
        "!document.querySelector('.feed-links').hidden && !document.querySelector('#feeds').hidden",
    )
    .await;
}

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
async fn marking_all_is_shown_and_kept_once_and_not_for_each() {
    let service = Service::start().await;
    let titles: Vec<String> = (0..30).map(|number| format!("Todo {number}")).collect();
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    service.add_titles(&titles).await;
    let page = Page::open(&service).await;
    page.run(
        "const real = Storage.prototype.setItem; window.writes = 0; \
         Storage.prototype.setItem = function (name, value) { window.writes += name.endsWith('.todos'); real.call(this, name, value); };",
    )
    .await;
    page.click("#toggle-all").await;
    eventually("all are completed", async || {
        let todos = service.todos().await;
        todos.iter().all(|todo| todo["completed"] == true)
    })
    .await;
    page.until("window.writes === 2").await;
    page.until_text("#todo-count", "0 items left").await;
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

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn what_a_cancel_is_answered_late_does_not_undo_its_end() {
    let service = Service::start_with(&[], &["--render-delay=60s"]).await;
    let page = Page::open_at(&service, "#/export").await;
    page.run(&keep_answers("DELETE", "ical/[^/]+")).await;
    page.click("#export-form [type=submit]").await;
    page.until_has(".job .badge", "Running").await;
    page.click(".job .cancel").await;
    page.until_has(".job .badge", "Cancelled").await;
    assert_eq!(page.value("window.kept").await, 1);
    page.run("window.release()").await;
    // a state of the server's that is older: Running, and on its way to its end
    page.run("return new Promise((go) => setTimeout(go, 200))")
        .await;
    page.until_has(".job .badge", "Cancelled").await;
    page.until("!document.querySelector('.job-details').textContent.includes('It will stop')")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_page_that_comes_in_part_says_so() {
    let service = Service::start().await;
    let page = Page::prepare(&service, Look::default()).await;
    page.devtools("Network.enable", json!({})).await;
    page.devtools("Network.setBlockedURLs", json!({ "urls": ["*/route.js"] }))
        .await;
    page.driver().goto(&service.url).await.unwrap();
    let visible = "getComputedStyle(document.querySelector('#not-started')).visibility";
    assert_eq!(page.value(visible).await, "hidden", "it may only be slow");
    page.until_has("#not-started", "Load it again").await;
    page.devtools("Network.setBlockedURLs", json!({ "urls": [] }))
        .await;
    page.go("").await;
    page.until("document.querySelector('#not-started') === null")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_todo_that_is_sent_again_is_not_edited_or_discarded_meanwhile() {
    let service = Service::start().await;
    let page = Page::open(&service).await;
    page.run("window.real = window.fetch; window.fetch = () => Promise.resolve(new Response('', { status: 500 }))")
        .await;
    page.type_into("#new-title", "Once").await;
    page.press(Key::Enter).await;
    page.element(".unsaved .retry").await;
    page.run("window.fetch = window.real").await;
    page.run(&keep_answers("POST", "todos")).await;
    page.click(".unsaved .retry").await;
    page.until("window.kept === 1").await;
    let enabled = "document.querySelectorAll('.unsaved button:enabled').length";
    assert_eq!(page.value(enabled).await, 0);
    page.run("window.release()").await;
    page.until_titles(&["Once"]).await;
    page.until("document.querySelector('#unsaved').hidden")
        .await;
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
