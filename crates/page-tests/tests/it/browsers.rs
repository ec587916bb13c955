//! The whole way through the page in each engine that browsers are made of. What one of them lacks shows here.

use thirtyfour::Key;

use crate::support::{Engine, Page, Service};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_whole_way_works_in_chromium() {
    walk(Engine::Chromium).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs firefox"]
async fn the_whole_way_works_in_firefox() {
    walk(Engine::Firefox).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs webkit"]
async fn the_whole_way_works_in_webkit() {
    walk(Engine::WebKit).await;
}

async fn walk(engine: Engine) {
    let service = Service::start().await;
    let page = Page::open_in(engine, &service).await;
    write_edit_and_delete(&page).await;
    look_at_the_month(&page).await;
    make_a_calendar(&page).await;
    // before the reload, which in Firefox's driver goes past it
    page.until("navigator.serviceWorker.controller !== null")
        .await;
    page.reload().await;
    page.until("document.querySelector('.job')?.dataset.status === 'SUCCESS'")
        .await;
    page.assert_accessible("the export").await;
}

async fn write_edit_and_delete(page: &Page) {
    page.click("#new-more").await;
    page.set("#new-date", "2031-07-01").await;
    page.until("document.querySelector('#new-time').value === '17:00'")
        .await;
    page.type_into("#new-title", "Due").await;
    page.press(Key::Enter).await;
    page.until_titles(&["Due"]).await;
    page.until_has(".todo time", "2031").await;

    page.click(".edit-button").await;
    page.until_focused(".edit").await;
    page.press(" soon" + Key::Enter).await;
    page.until_titles(&["Due soon"]).await;
    page.until_focused(".edit-button").await;
    page.click(".edit-button").await;
    page.press("er" + Key::Escape).await;
    page.until_titles(&["Due soon"]).await;

    page.click(".toggle").await;
    page.until("document.querySelector('.todo.completed') !== null")
        .await;
    page.until_text("#todo-count", "0 items left").await;
    page.click(".destroy").await;
    page.click(".notice-action").await;
    page.until_titles(&["Due soon"]).await;
    page.assert_accessible("the todos").await;
}

async fn look_at_the_month(page: &Page) {
    page.go("#/month/2031-06-30").await;
    page.click("td[data-day='2031-06-30']").await;
    page.press(Key::Right).await;
    page.until_focused("td[data-day='2031-07-01']").await;
    page.until_titles_in("#day-list", &["Due soon"]).await;
    page.press(Key::Enter).await;
    page.until_focused("#day-title").await;
    page.press("Another" + Key::Enter).await;
    page.until("document.querySelectorAll('#day-list .todo').length === 2")
        .await;
    page.assert_accessible("the month").await;
}

async fn make_a_calendar(page: &Page) {
    page.go("#/export").await;
    page.click("#export-form [type=submit]").await;
    page.until("document.querySelector('.job')?.dataset.status === 'SUCCESS'")
        .await;
    page.until_has(".job-details", "2 todos read.").await;
    let href = page.value("document.querySelector('.download').href").await;
    let calendar = reqwest::get(href.as_str().unwrap()).await.unwrap();
    let calendar = calendar.text().await.unwrap();
    assert!(calendar.contains("SUMMARY:Due soon\r\n"), "{calendar}");
    page.click("#subscribe").await;
    page.until_focused(".feed-url").await;
}
