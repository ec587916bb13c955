//! `TodoMVC`'s behaviours: <https://github.com/tastejs/todomvc/blob/master/app-spec.md>.

use thirtyfour::Key;

use crate::support::{Page, Service};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn enter_adds_a_trimmed_todo_and_never_an_empty_one() {
    let service = Service::start().await;
    let page = Page::open(&service).await;
    page.until_focused("#new-title").await;
    page.until_hidden("#todos-main").await;
    page.until_hidden("#todos-footer").await;
    page.press("   " + Key::Enter).await;
    page.press("  Buy milk  " + Key::Enter).await;
    page.until_titles(&["Buy milk"]).await;
    page.until_value("#new-title", "").await;
    page.press("Water the plants" + Key::Enter).await;
    page.until_titles(&["Water the plants", "Buy milk"]).await;
    service
        .until_titles(&["Water the plants", "Buy milk"])
        .await;
    page.reload().await;
    page.until_titles(&["Water the plants", "Buy milk"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn editing_saves_on_enter_and_on_leaving_but_not_on_escape() {
    let service = Service::start().await;
    service.add_titles(&["Buy milk"]).await;
    let page = Page::open(&service).await;

    page.double_click(&page.part_of("Buy milk", ".todo-title").await)
        .await;
    page.until_focused(".edit").await;
    page.until_value(".edit", "Buy milk").await;
    // the other controls of the todo are hidden
    page.until("document.querySelector('.editing .toggle').offsetParent === null")
        .await;
    page.press(" and eggs  " + Key::Enter).await;
    page.until_titles(&["Buy milk and eggs"]).await;
    // the change is shown before it is saved
    page.until_editor_closed().await;

    page.focus_part("Buy milk and eggs", ".toggle").await;
    page.press(Key::F2).await;
    page.until_focused(".edit").await;
    page.press(", cancelled" + Key::Escape).await;
    page.until_count(".editing", 0).await;
    page.until_titles(&["Buy milk and eggs"]).await;

    page.edit("Buy milk and eggs").await;
    page.until_focused(".edit").await;
    page.press(", bread").await;
    page.click("h1").await;
    page.until_titles(&["Buy milk and eggs, bread"]).await;
    service.until_titles(&["Buy milk and eggs, bread"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn emptying_the_title_deletes_the_todo() {
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
    service.until_titles(&["Keep"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn one_todo_or_all_can_be_toggled_and_the_counter_has_the_right_plural() {
    let service = Service::start().await;
    service.add_titles(&["One", "Two"]).await;
    let page = Page::open(&service).await;
    page.until_text("#todo-count", "2 items left").await;
    page.toggle("One").await;
    page.until_text("#todo-count", "1 item left").await;
    page.until_count(".todo.completed", 1).await;
    page.until("!document.querySelector('#toggle-all').checked")
        .await;
    page.toggle("Two").await;
    page.until_text("#todo-count", "0 items left").await;
    page.until("document.querySelector('#toggle-all').checked")
        .await;
    page.until("document.querySelector('#todo-count strong').textContent === '0'")
        .await;

    page.click("#toggle-all").await;
    page.until_text("#todo-count", "2 items left").await;
    page.click("#toggle-all").await;
    page.until_text("#todo-count", "0 items left").await;
    service.until_completed(2).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn completed_todos_are_cleared_together() {
    let service = Service::start().await;
    service.add_titles(&["Stay", "Go", "Go too"]).await;
    let page = Page::open(&service).await;
    page.until_hidden("#clear-completed").await;
    page.toggle("Go").await;
    page.toggle("Go too").await;
    page.click("#clear-completed").await;
    page.until_titles(&["Stay"]).await;
    page.until_hidden("#clear-completed").await;
    page.until("!document.querySelector('#toggle-all').checked")
        .await;
    page.click(".notice .dismiss").await;
    service.until_titles(&["Stay"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_filter_is_in_the_address_and_applies_to_changed_todos() {
    let service = Service::start().await;
    service.add_titles(&["One", "Two"]).await;
    let page = Page::open(&service).await;
    page.toggle("One").await;
    page.until_text("#todo-count", "1 item left").await;

    page.click("[data-filter=active]").await;
    page.until("location.hash === '#/active'").await;
    page.until_titles(&["Two"]).await;
    page.until("document.querySelector('.filters .selected').textContent === 'Active'")
        .await;
    page.toggle("Two").await;
    page.until_text("#todos-none", "All done!").await;
    // the row that had the focus was removed
    page.until_focused("#main").await;

    page.click("[data-filter=completed]").await;
    page.until_titles(&["Two", "One"]).await;
    page.reload().await;
    page.until("location.hash === '#/completed'").await;
    page.until_titles(&["Two", "One"]).await;
    page.toggle("One").await;
    page.until_titles(&["Two"]).await;

    page.driver().back().await.unwrap();
    page.until_titles(&["One"]).await;
    page.click("[data-filter=all]").await;
    page.until_titles(&["Two", "One"]).await;
}
