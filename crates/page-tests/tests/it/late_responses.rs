//! Responses that arrive after the visitor has moved on.

use thirtyfour::Key;

use crate::support::{Page, Service, fetch};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_late_save_does_not_take_the_focus() {
    let service = Service::start().await;
    service.add_titles(&["Slow"]).await;
    let page = Page::open(&service).await;
    page.run(&fetch::hold_back("PATCH", "todos/[0-9]+")).await;
    page.edit("Slow").await;
    page.press("ly" + Key::Enter).await;
    page.until("window.heldBack === 1").await;
    page.click("#new-title").await;
    page.press("mix").await;
    page.run("window.release()").await;
    page.until_editor_closed().await;
    page.press("er").await;
    page.until_value("#new-title", "mixer").await;
    page.until_titles(&["Slowly"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_todo_for_a_day_is_added_only_once() {
    let service = Service::start().await;
    let page = Page::open_at(&service, "#/month/2026-03-10").await;
    page.run(&fetch::hold_back("POST", "todos")).await;
    page.type_into("#day-title", "Once").await;
    page.press(Key::Enter).await;
    page.until("window.heldBack === 1").await;
    page.press(Key::Enter).await;
    page.click("#day-form .button").await;
    page.run("window.release()").await;
    page.until_titles_in("#day-list", &["Once"]).await;
    // the form is ready for the next todo
    page.click("#day-title").await;
    page.press("Twice" + Key::Enter).await;
    page.until_titles_in("#day-list", &["Twice", "Once"]).await;
    assert_eq!(page.value("window.heldBack").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_subscription_link_survives_a_late_list() {
    let service = Service::start().await;
    let page = Page::prepare(&service).await;
    page.run_at_start(&fetch::hold_back("GET", "calendar/feeds"))
        .await;
    page.go("#/export").await;
    page.until("window.heldBack === 1").await;
    // normally, the button is shown when the list has loaded
    page.run("document.querySelector('#subscribe').hidden = false")
        .await;
    page.click("#subscribe").await;
    page.until("document.querySelector('.feed-url')?.value.endsWith('.ics')")
        .await;
    page.run("window.release()").await;
    page.until("window.heldBack === 1").await;
    page.run("window.fetch = () => Promise.resolve(new Response('', { status: 500 })); location.hash = '#/'")
        .await;
    page.until_hidden("#export-view").await;
    page.run("location.hash = '#/export'").await;
    page.until_has(".notice", "Couldn’t load your calendars.")
        .await;
    page.until_shown(".feed-links").await;
    page.until_shown("#feeds").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_late_response_does_not_revive_a_cancelled_job() {
    let service = Service::start_with(&[], &["--render-delay=60s"]).await;
    let page = Page::open_at(&service, "#/export").await;
    page.run(&fetch::hold_back("DELETE", "ical/[^/]+")).await;
    page.create_calendar().await;
    page.until_job("Running").await;
    page.click(".job .cancel").await;
    page.until_job("Cancelled").await;
    assert_eq!(page.value("window.heldBack").await, 1);
    page.run("window.release()").await;
    // the response is older than the status shown: it still says that the job is running
    page.run("return new Promise((resolve) => setTimeout(resolve, 200))")
        .await;
    page.until_job("Cancelled").await;
    page.until("!document.querySelector('.job-details').textContent.includes('will stop')")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn an_unsaved_todo_cannot_be_edited_or_discarded_while_it_is_sent() {
    let service = Service::start().await;
    let page = Page::open(&service).await;
    page.run("window.real = window.fetch; window.fetch = () => Promise.resolve(new Response('', { status: 500 }))")
        .await;
    page.add_todo("Once").await;
    page.element(".unsaved .retry").await;
    page.run("window.fetch = window.real").await;
    page.run(&fetch::hold_back("POST", "todos")).await;
    page.click(".unsaved .retry").await;
    page.until("window.heldBack === 1").await;
    let enabled = "document.querySelectorAll('.unsaved button:enabled').length";
    assert_eq!(page.value(enabled).await, 0);
    page.run("window.release()").await;
    page.until_titles(&["Once"]).await;
    page.until_hidden("#unsaved").await;
}
