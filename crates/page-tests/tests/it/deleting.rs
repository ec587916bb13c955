//! Deleting: always in reach, and with time to think again.

use local_services::testing::eventually;
use serde_json::json;
use thirtyfour::Key;

use crate::support::{Page, Service};

/// Notices stay for a minute: a slow machine takes longer than its time to press a few keys.
const SLOW_NOTICES: &str = "const { setTimeout } = window; window.setTimeout = (act, ms) => setTimeout(act, ms === 20_000 ? 60_000 : ms);";
/// Counts the requests to delete.
const COUNT_DELETES: &str = "const real = window.fetch; window.deletes = 0; \
    window.fetch = (url, options) => { window.deletes += options?.method === 'DELETE'; return real(url, options); };";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_delete_is_undone_and_never_reaches_the_server() {
    let service = Service::start().await;
    service.add_titles(&["Keep", "Gone", "Other"]).await;
    let page = Page::open(&service).await;
    page.run(COUNT_DELETES).await;
    page.part_of("Gone", ".destroy")
        .await
        .click()
        .await
        .unwrap();
    page.until_titles(&["Other", "Keep"]).await;
    page.until_has(".notice", "Deleted “Gone”.").await;
    page.click(".notice-action").await;
    page.until_titles(&["Other", "Gone", "Keep"]).await;
    page.until_has(".notice", "“Gone” is back.").await;
    // going away sends at once what was only held back
    page.run("dispatchEvent(new PageTransitionEvent('pagehide'))")
        .await;
    assert_eq!(page.value("window.deletes").await, 0);
    assert_eq!(service.titles().await, ["Other", "Gone", "Keep"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn any_number_of_deletes_can_be_undone() {
    let service = Service::start().await;
    let titles = ["E", "D", "C", "B", "A"];
    service.add_titles(&titles).await;
    let page = Page::open(&service).await;
    page.until_titles(&["A", "B", "C", "D", "E"]).await;
    page.run(COUNT_DELETES).await;
    page.run(SLOW_NOTICES).await;
    page.run("for (let i = 0; i < 5; i += 1) document.querySelector('#todo-list .destroy').click(); document.activeElement.blur();")
        .await;
    page.until("document.querySelectorAll('.notice').length === 5")
        .await;
    for _ in titles {
        page.press("u").await;
    }
    page.until_titles(&["A", "B", "C", "D", "E"]).await;
    assert_eq!(page.value("window.deletes").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_key_that_is_held_deletes_one_todo() {
    let service = Service::start().await;
    service.add_titles(&["D", "C", "B", "A"]).await;
    let page = Page::open(&service).await;
    page.run(SLOW_NOTICES).await;
    for (selector, key, code) in [(".toggle", "Delete", 46), (".destroy", "Enter", 13)] {
        page.part_of("A", selector).await.focus().await.unwrap();
        for is_repeat in [false, true, true] {
            let text = if key == "Enter" { "\r" } else { "" };
            let press = json!({ "type": "keyDown", "key": key, "code": key, "text": text,
                "windowsVirtualKeyCode": code, "autoRepeat": is_repeat });
            page.devtools("Input.dispatchKeyEvent", press).await;
        }
        page.devtools(
            "Input.dispatchKeyEvent",
            json!({ "type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": code }),
        )
        .await;
        page.until_titles(&["B", "C", "D"]).await;
        page.press("u").await;
        page.until_titles(&["A", "B", "C", "D"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_focus_returns_from_a_notice() {
    let service = Service::start().await;
    service.add_titles(&["Other", "Gone"]).await;
    let page = Page::open(&service).await;
    page.part_of("Gone", ".toggle").await.focus().await.unwrap();
    page.press(Key::Delete).await;
    page.until_focused("[aria-label='Delete “Other”']").await;
    page.run("document.querySelector('.notice-action').focus()")
        .await;
    page.press(Key::Enter).await;
    page.until_titles(&["Gone", "Other"]).await;
    page.until_focused("[aria-label='Delete “Other”']").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_delete_is_sent_when_its_notice_is_over() {
    let service = Service::start().await;
    service.add_titles(&["Keep", "Gone"]).await;
    let page = Page::open(&service).await;
    page.part_of("Gone", ".destroy")
        .await
        .click()
        .await
        .unwrap();
    page.until_has(".notice", "Deleted").await;
    // longer than the notice stays: nobody looks at it
    eventually("it is deleted", async || service.titles().await == ["Keep"]).await;
    page.until("document.querySelector('.notice') === null")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_delete_is_sent_when_the_page_goes_away() {
    let service = Service::start().await;
    service.add_titles(&["Keep", "Gone"]).await;
    let page = Page::open(&service).await;
    page.part_of("Gone", ".destroy")
        .await
        .click()
        .await
        .unwrap();
    page.until_titles(&["Keep"]).await;
    page.driver().goto("about:blank").await.unwrap();
    eventually("it is deleted", async || service.titles().await == ["Keep"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_keyboard_reaches_every_todo_and_keeps_its_place() {
    let service = Service::start().await;
    service.add_titles(&["Three", "Two", "One"]).await;
    let page = Page::open(&service).await;
    page.run(SLOW_NOTICES).await;
    page.part_of("One", ".toggle").await.focus().await.unwrap();
    page.press(Key::Down).await;
    page.press(Key::Space).await;
    page.until("document.querySelector('.todo.completed .todo-title').textContent === 'Two'")
        .await;
    // by Tab to the visible button
    page.press(Key::Tab + Key::Tab).await;
    page.until("document.activeElement.ariaLabel === 'Delete “Two”'")
        .await;
    page.press(Key::Enter).await;
    page.until_titles(&["One", "Three"]).await;
    page.until("document.activeElement.ariaLabel === 'Delete “Three”'")
        .await;
    page.press(Key::Delete).await;
    page.until("document.activeElement.ariaLabel === 'Delete “One”'")
        .await;
    page.press("u").await;
    page.until_titles(&["One", "Three"]).await;
    page.press("u").await;
    page.until_titles(&["One", "Two", "Three"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_delete_that_fails_brings_the_todo_back() {
    let mut service = Service::start().await;
    service.add_titles(&["Keep"]).await;
    let page = Page::open(&service).await;
    service.stop_api();
    page.part_of("Keep", ".destroy")
        .await
        .click()
        .await
        .unwrap();
    page.click(".notice .dismiss").await;
    page.until_titles(&["Keep"]).await;
    page.until_has(".notice.is-problem", "Could not delete “Keep”.")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn what_was_deleted_on_leaving_cannot_be_undone_on_coming_back() {
    let service = Service::start().await;
    service.add_titles(&["Keep", "Gone"]).await;
    let page = Page::open(&service).await;
    page.run(COUNT_DELETES).await;
    page.part_of("Gone", ".destroy")
        .await
        .click()
        .await
        .unwrap();
    page.until_has(".notice", "Deleted").await;
    page.run("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
        .await;
    page.until("document.querySelector('.notice') === null")
        .await;
    eventually("it is deleted", async || service.titles().await == ["Keep"]).await;
    page.until_titles(&["Keep"]).await;
    assert_eq!(page.value("window.deletes").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn what_is_being_deleted_when_the_page_goes_away_is_deleted() {
    let service = Service::start().await;
    for number in 0..12 {
        service
            .add(json!({ "title": format!("Done {number}"), "completed": true }))
            .await;
    }
    service.add_titles(&["Open"]).await;
    let page = Page::open(&service).await;
    // each request ends with the page, unless it is told to outlive it
    page.run("const real = window.fetch; window.kept = 0; window.fetch = (url, options) => \
         options?.method === 'DELETE' && !options.keepalive ? ((window.kept += 1), new Promise(() => {})) : real(url, options);")
        .await;
    page.click("#clear-completed").await;
    page.click(".notice .dismiss").await;
    page.until("window.kept === 4").await;
    page.driver().goto("about:blank").await.unwrap();
    eventually("all are deleted", async || {
        service.titles().await == ["Open"]
    })
    .await;
}
