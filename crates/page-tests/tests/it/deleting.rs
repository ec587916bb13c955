//! Deleting: always in reach, and with time to think again.

use thirtyfour::Key;

use crate::support::{Page, Service, eventually};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_delete_is_undone_and_never_reaches_the_server() {
    let service = Service::start().await;
    service.add_titles(&["Keep", "Gone", "Other"]).await;
    let page = Page::open(&service).await;
    page.part_of("Gone", ".destroy")
        .await
        .click()
        .await
        .unwrap();
    page.until_titles(&["Other", "Keep"]).await;
    page.until_has(".notice", "Deleted “Gone”.").await;
    page.click(".notice-action").await;
    page.until_titles(&["Other", "Gone", "Keep"]).await;
    page.until("document.querySelector('.notice') === null")
        .await;
    assert_eq!(service.titles().await, ["Other", "Gone", "Keep"]);
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
