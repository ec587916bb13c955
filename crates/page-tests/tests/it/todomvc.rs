//! `TodoMVC`'s behaviours, to the letter: <https://github.com/tastejs/todomvc/blob/master/app-spec.md>.

use local_services::testing::eventually;
use thirtyfour::Key;

use crate::support::{Page, Service};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_todo_is_added_on_enter_trimmed_and_never_without_text() {
    let service = Service::start().await;
    let page = Page::open(&service).await;
    page.until_focused("#new-title").await;
    page.until("document.querySelector('#todos-main').hidden && document.querySelector('#todos-footer').hidden")
        .await;
    page.press("   " + Key::Enter).await;
    page.press("  Buy milk  " + Key::Enter).await;
    page.until_titles(&["Buy milk"]).await;
    page.until("document.querySelector('#new-title').value === ''")
        .await;
    page.press("Water the plants" + Key::Enter).await;
    page.until_titles(&["Water the plants", "Buy milk"]).await;
    eventually("both are saved", async || {
        service.titles().await == ["Water the plants", "Buy milk"]
    })
    .await;
    page.reload().await;
    page.until_titles(&["Water the plants", "Buy milk"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn editing_saves_on_enter_and_on_leaving_and_not_on_escape() {
    let service = Service::start().await;
    service.add_titles(&["Buy milk"]).await;
    let page = Page::open(&service).await;

    page.double_click(&page.part_of("Buy milk", ".todo-title").await)
        .await;
    page.until_focused(".edit").await;
    page.until("document.querySelector('.edit').value === 'Buy milk'")
        .await;
    // the other controls of the todo are not there meanwhile
    page.until("document.querySelector('.editing .toggle').offsetParent === null")
        .await;
    page.press(" and eggs  " + Key::Enter).await;
    page.until_titles(&["Buy milk and eggs"]).await;
    // shown before it is saved
    page.until("document.querySelector('.editor') === null")
        .await;

    page.part_of("Buy milk and eggs", ".toggle")
        .await
        .focus()
        .await
        .unwrap();
    page.press(Key::F2).await;
    page.until_focused(".edit").await;
    page.press(", cancelled" + Key::Escape).await;
    page.until("document.querySelector('.editing') === null")
        .await;
    page.until_titles(&["Buy milk and eggs"]).await;

    page.part_of("Buy milk and eggs", ".edit-button")
        .await
        .click()
        .await
        .unwrap();
    page.until_focused(".edit").await;
    page.press(", bread").await;
    page.click("h1").await;
    page.until_titles(&["Buy milk and eggs, bread"]).await;
    eventually("it is saved", async || {
        service.titles().await == ["Buy milk and eggs, bread"]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_title_that_is_emptied_deletes_its_todo() {
    let service = Service::start().await;
    service.add_titles(&["Keep", "Empty"]).await;
    let page = Page::open(&service).await;
    page.double_click(&page.part_of("Empty", ".todo-title").await)
        .await;
    page.until_focused(".edit").await;
    page.set(".edit", "   ").await;
    page.press(Key::Enter).await;
    page.until_titles(&["Keep"]).await;
    page.click(".notice .dismiss").await;
    eventually("it is deleted", async || service.titles().await == ["Keep"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn one_todo_or_all_are_toggled_and_the_counter_has_the_right_plural() {
    let service = Service::start().await;
    service.add_titles(&["One", "Two"]).await;
    let page = Page::open(&service).await;
    page.until_text("#todo-count", "2 items left").await;
    page.part_of("One", ".toggle").await.click().await.unwrap();
    page.until_text("#todo-count", "1 item left").await;
    page.until("document.querySelectorAll('.todo.completed').length === 1")
        .await;
    page.until("!document.querySelector('#toggle-all').checked")
        .await;
    page.part_of("Two", ".toggle").await.click().await.unwrap();
    page.until_text("#todo-count", "0 items left").await;
    page.until("document.querySelector('#toggle-all').checked")
        .await;
    page.until("document.querySelector('#todo-count strong').textContent === '0'")
        .await;

    page.click("#toggle-all").await;
    page.until_text("#todo-count", "2 items left").await;
    page.click("#toggle-all").await;
    page.until_text("#todo-count", "0 items left").await;
    eventually("all are saved as completed", async || {
        service
            .todos()
            .await
            .iter()
            .all(|todo| todo["completed"] == true)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn what_is_completed_is_cleared_at_once() {
    let service = Service::start().await;
    service.add_titles(&["Stay", "Go", "Go too"]).await;
    let page = Page::open(&service).await;
    page.until("document.querySelector('#clear-completed').hidden")
        .await;
    page.part_of("Go", ".toggle").await.click().await.unwrap();
    page.part_of("Go too", ".toggle")
        .await
        .click()
        .await
        .unwrap();
    page.click("#clear-completed").await;
    page.until_titles(&["Stay"]).await;
    page.until("document.querySelector('#clear-completed').hidden && !document.querySelector('#toggle-all').checked")
        .await;
    page.click(".notice .dismiss").await;
    eventually("they are deleted", async || {
        service.titles().await == ["Stay"]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_filter_is_in_the_address_and_follows_what_changes() {
    let service = Service::start().await;
    service.add_titles(&["One", "Two"]).await;
    let page = Page::open(&service).await;
    page.part_of("One", ".toggle").await.click().await.unwrap();
    page.until_text("#todo-count", "1 item left").await;

    page.click("[data-filter=active]").await;
    page.until("location.hash === '#/active'").await;
    page.until_titles(&["Two"]).await;
    page.until("document.querySelector('.filters .selected').textContent === 'Active'")
        .await;
    page.part_of("Two", ".toggle").await.click().await.unwrap();
    page.until_text("#todos-none", "All done. Enjoy the calm.")
        .await;
    // the row that had it is gone
    page.until_focused("#main").await;

    page.click("[data-filter=completed]").await;
    page.until_titles(&["Two", "One"]).await;
    page.reload().await;
    page.until("location.hash === '#/completed'").await;
    page.until_titles(&["Two", "One"]).await;
    page.part_of("One", ".toggle").await.click().await.unwrap();
    page.until_titles(&["Two"]).await;

    page.driver().back().await.unwrap();
    page.until_titles(&["One"]).await;
    page.click("[data-filter=all]").await;
    page.until_titles(&["Two", "One"]).await;
}
