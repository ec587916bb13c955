//! Deleting todos, with undo.

use serde_json::json;
use thirtyfour::Key;

use crate::support::{Page, Service, fetch};

/// Keeps notices with an action open for a minute: on a slow machine, pressing a few keys takes longer than their usual
/// time.
const SLOW_NOTICES: &str = "const { setTimeout } = window; window.setTimeout = (act, ms) => setTimeout(act, ms === 20_000 ? 60_000 : ms);";
/// Counts the requests that delete a todo.
const COUNT_DELETES: &str = "const real = window.fetch; window.deletes = 0; \
    window.fetch = (url, options) => { window.deletes += options?.method === 'DELETE'; return real(url, options); };";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn an_undone_deletion_never_reaches_the_server() {
    let service = Service::start().await;
    service.add_titles(&["Keep", "Gone", "Other"]).await;
    let page = Page::open(&service).await;
    page.run(COUNT_DELETES).await;
    page.delete("Gone").await;
    page.until_titles(&["Other", "Keep"]).await;
    page.until_has(".notice", "Deleted “Gone”.").await;
    page.click(".notice-action").await;
    page.until_titles(&["Other", "Gone", "Keep"]).await;
    page.until_has(".notice", "Restored “Gone”.").await;
    // leaving the page would send a delayed deletion
    page.run("dispatchEvent(new PageTransitionEvent('pagehide'))")
        .await;
    assert_eq!(page.value("window.deletes").await, 0);
    assert_eq!(service.titles().await, ["Other", "Gone", "Keep"]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn every_recent_deletion_can_be_undone() {
    let service = Service::start().await;
    let titles = ["E", "D", "C", "B", "A"];
    service.add_titles(&titles).await;
    let page = Page::open(&service).await;
    page.until_titles(&["A", "B", "C", "D", "E"]).await;
    page.run(COUNT_DELETES).await;
    page.run(SLOW_NOTICES).await;
    page.run("for (let i = 0; i < 5; i += 1) document.querySelector('#todo-list .destroy').click(); document.activeElement.blur();")
        .await;
    page.until_count(".notice", 5).await;
    for _ in titles {
        page.press("u").await;
    }
    page.until_titles(&["A", "B", "C", "D", "E"]).await;
    assert_eq!(page.value("window.deletes").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_held_down_key_deletes_only_one_todo() {
    let service = Service::start().await;
    service.add_titles(&["D", "C", "B", "A"]).await;
    let page = Page::open(&service).await;
    page.run(SLOW_NOTICES).await;
    for (selector, key, code) in [(".toggle", "Delete", 46), (".destroy", "Enter", 13)] {
        page.focus_part("A", selector).await;
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
async fn the_focus_returns_from_a_closed_notice() {
    let service = Service::start().await;
    service.add_titles(&["Other", "Gone"]).await;
    let page = Page::open(&service).await;
    page.focus_part("Gone", ".toggle").await;
    page.press(Key::Delete).await;
    page.until_focused("[aria-label='Delete “Other”']").await;
    page.focus(".notice-action").await;
    page.press(Key::Enter).await;
    page.until_titles(&["Gone", "Other"]).await;
    page.until_focused("[aria-label='Delete “Other”']").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_deletion_is_sent_when_its_notice_closes() {
    let service = Service::start().await;
    service.add_titles(&["Keep", "Gone"]).await;
    let page = Page::open(&service).await;
    page.delete("Gone").await;
    page.until_has(".notice", "Deleted").await;
    // nothing keeps the notice open
    service.until_titles(&["Keep"]).await;
    page.until_no_notice().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_deletion_is_sent_when_the_visitor_leaves_the_page() {
    let service = Service::start().await;
    service.add_titles(&["Keep", "Gone"]).await;
    let page = Page::open(&service).await;
    page.delete("Gone").await;
    page.until_titles(&["Keep"]).await;
    page.driver().goto("about:blank").await.unwrap();
    service.until_titles(&["Keep"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_keyboard_reaches_every_todo_and_the_focus_is_never_lost() {
    let service = Service::start().await;
    service.add_titles(&["Three", "Two", "One"]).await;
    let page = Page::open(&service).await;
    page.run(SLOW_NOTICES).await;
    page.focus_part("One", ".toggle").await;
    page.press(Key::Down).await;
    page.press(Key::Space).await;
    page.until("document.querySelector('.todo.completed .todo-title').textContent === 'Two'")
        .await;
    // past the edit button to the delete button
    page.press(Key::Tab + Key::Tab).await;
    page.until_focused("[aria-label='Delete “Two”']").await;
    page.press(Key::Enter).await;
    page.until_titles(&["One", "Three"]).await;
    page.until_focused("[aria-label='Delete “Three”']").await;
    page.press(Key::Delete).await;
    page.until_focused("[aria-label='Delete “One”']").await;
    page.press("u").await;
    page.until_titles(&["One", "Three"]).await;
    page.press("u").await;
    page.until_titles(&["One", "Two", "Three"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_failed_deletion_brings_the_todo_back() {
    let mut service = Service::start().await;
    service.add_titles(&["Keep"]).await;
    let page = Page::open(&service).await;
    service.stop_api();
    page.delete("Keep").await;
    page.click(".notice .dismiss").await;
    page.until_titles(&["Keep"]).await;
    page.until_has(".notice.is-problem", "Couldn’t delete “Keep”.")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_deletion_sent_on_leaving_cannot_be_undone_on_return() {
    let service = Service::start().await;
    service.add_titles(&["Keep", "Gone"]).await;
    let page = Page::open(&service).await;
    page.run(COUNT_DELETES).await;
    page.delete("Gone").await;
    page.until_has(".notice", "Deleted").await;
    page.run("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
        .await;
    page.until_no_notice().await;
    service.until_titles(&["Keep"]).await;
    page.until_titles(&["Keep"]).await;
    assert_eq!(page.value("window.deletes").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn deletions_in_flight_survive_leaving_the_page() {
    let service = Service::start().await;
    for number in 0..12 {
        service
            .add(json!({ "title": format!("Done {number}"), "completed": true }))
            .await;
    }
    service.add_titles(&["Open"]).await;
    let page = Page::open(&service).await;
    // a request without `keepalive` ends with the page
    page.run(&format!(
        "window.lost = 0; {}",
        fetch::replace(
            "options?.method === 'DELETE' && !options.keepalive",
            "(window.lost += 1), new Promise(() => {})"
        )
    ))
    .await;
    page.click("#clear-completed").await;
    page.click(".notice .dismiss").await;
    page.until("window.lost === 4").await;
    page.driver().goto("about:blank").await.unwrap();
    service.until_titles(&["Open"]).await;
}
