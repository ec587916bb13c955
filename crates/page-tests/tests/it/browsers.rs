//! The main tasks in each browser engine, to find what one of them does not support.

use thirtyfour::Key;

use crate::support::{Engine, Page, Service};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_main_tasks_work_in_chromium() {
    test_main_tasks(Engine::Chromium).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs firefox"]
async fn the_main_tasks_work_in_firefox() {
    test_main_tasks(Engine::Firefox).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs webkit"]
async fn the_main_tasks_work_in_webkit() {
    test_main_tasks(Engine::WebKit).await;
}

async fn test_main_tasks(engine: Engine) {
    let service = Service::start().await;
    let page = Page::open_in(engine, &service).await;
    add_edit_and_delete(&page).await;
    use_the_month_view(&page).await;
    export_a_calendar(&page).await;
    // before the reload: in Firefox, the driver's reload bypasses the service worker
    page.until("navigator.serviceWorker.controller !== null")
        .await;
    page.reload().await;
    page.until("document.querySelector('.job')?.dataset.status === 'SUCCESS'")
        .await;
    page.assert_accessible("the export").await;
}

async fn add_edit_and_delete(page: &Page) {
    page.click("#new-more").await;
    page.set("#new-date", "2031-07-01").await;
    page.until_value("#new-time", "17:00").await;
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

async fn use_the_month_view(page: &Page) {
    page.go("#/month/2031-06-30").await;
    page.click("td[data-day='2031-06-30']").await;
    page.press(Key::Right).await;
    page.until_focused("td[data-day='2031-07-01']").await;
    page.until_titles_in("#day-list", &["Due soon"]).await;
    page.press(Key::Enter).await;
    page.until_focused("#day-title").await;
    page.press("Another" + Key::Enter).await;
    page.until_count("#day-list .todo", 2).await;
    page.assert_accessible("the month").await;
}

async fn export_a_calendar(page: &Page) {
    page.go("#/export").await;
    page.click("#export-form [type=submit]").await;
    page.until("document.querySelector('.job')?.dataset.status === 'SUCCESS'")
        .await;
    page.until_has(".job-details", "2 todos processed.").await;
    let href = page.value("document.querySelector('.download').href").await;
    let calendar = reqwest::get(href.as_str().unwrap()).await.unwrap();
    let calendar = calendar.text().await.unwrap();
    assert!(calendar.contains("SUMMARY:Due soon\r\n"), "{calendar}");
    page.click("#subscribe").await;
    page.until_focused(".feed-url").await;
}
