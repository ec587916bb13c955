//! Answers that come late, when whoever asked has gone on.

use thirtyfour::Key;

use crate::support::{Look, Page, Service};

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
