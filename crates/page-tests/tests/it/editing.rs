//! Editing todos.

use serde_json::json;
use thirtyfour::Key;

use crate::support::{Page, Service};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn an_edit_sends_only_the_changed_fields() {
    let service = Service::start().await;
    let id = service.add(json!({ "title": "A", "deadline_at": "2031-07-02T00:30:59.25", "description": " as it was\n" })).await;
    let page = Page::open(&service).await;
    page.edit("A").await;
    page.press("B").await;
    page.press(Key::Enter).await;
    page.until_titles(&["AB"]).await;
    service.until_titles(&["AB"]).await;
    let todo = service.call("GET", &format!("todos/{id}"), None).await;
    assert_eq!(todo["deadline_at"], "2031-07-02T00:30:59.250000");
    assert_eq!(todo["description"], " as it was\n");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn an_incomplete_deadline_is_never_dropped_silently() {
    let service = Service::start().await;
    service.add_titles(&["When?"]).await;
    let page = Page::open(&service).await;
    for is_time_alone in [false, true] {
        page.edit("When?").await;
        if is_time_alone {
            page.set(".edit-time", "08:15").await;
        } else {
            page.focus(".edit-date").await;
            page.press("12").await;
        }
        page.click(".save").await;
        page.until_text(".editor .problem", "Enter a complete date and time.")
            .await;
        page.until("document.querySelector('.edit-date').ariaInvalid === 'true'")
            .await;
        page.assert_accessible("an incomplete deadline").await;
        page.press(Key::Escape).await;
        page.until_editor_closed().await;
    }
    // the same for a new todo
    page.type_into("#new-title", "New").await;
    page.click("#new-more").await;
    // the date field has the focus; `send_keys` on the field would accept only complete dates
    page.press("12" + Key::Enter).await;
    page.until_text("#new-problem", "Enter a complete date and time.")
        .await;
    page.until_focused("#new-date").await;
    page.set("#new-date", "2031-07-01").await;
    // details that are filled in can't be hidden
    page.click("#new-more").await;
    page.until("document.querySelector('#new-more').ariaExpanded === 'true'")
        .await;
    page.element("#new-date").await;
    page.set("#new-description", &"x".repeat(121)).await;
    page.click("#new-add").await;
    page.until_text(
        "#new-problem",
        "The note is 1 character too long (maximum 120).",
    )
    .await;
    page.until_focused("#new-description").await;
    page.set("#new-description", "").await;
    page.until_value("#new-time", "17:00").await;
    // clearing the date clears the time too
    page.set("#new-date", "").await;
    page.press(Key::Enter).await;
    page.until_titles(&["New", "When?"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_key_of_an_input_method_does_not_end_an_edit() {
    let service = Service::start().await;
    service.add_titles(&["日本"]).await;
    let page = Page::open(&service).await;
    page.edit("日本").await;
    for keys in [
        "key: 'Escape', isComposing: true",
        "key: 'Enter', keyCode: 229",
    ] {
        page.run(&format!(
            "document.querySelector('.edit-description').dispatchEvent(new KeyboardEvent('keydown', {{ {keys}, bubbles: true }}))"
        ))
        .await;
        page.element(".editor").await;
    }
    page.press(Key::Escape).await;
    page.until_editor_closed().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_click_outside_the_form_hits_its_target() {
    let service = Service::start().await;
    service.add_titles(&["Below", "Beside", "Edited"]).await;
    let page = Page::open(&service).await;
    page.edit("Edited").await;
    page.toggle("Below").await;
    page.until_editor_closed().await;
    page.until("document.querySelector('.todo.completed .todo-title')?.textContent === 'Below'")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn nothing_can_be_typed_while_an_edit_is_saved() {
    let service = Service::start().await;
    service.add_titles(&["Slow"]).await;
    let page = Page::open(&service).await;
    page.run("const real = window.fetch; window.fetch = async (url, options) => { \
         await new Promise((resolve) => (window.release = resolve)); window.fetch = real; return real(url, options); };")
        .await;
    page.edit("Slow").await;
    page.press("er" + Key::Enter).await;
    page.until("Boolean(window.release)").await;
    page.press("!").await;
    page.until_value(".edit", "Slower").await;
    page.run("window.release()").await;
    page.until_titles(&["Slower"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn an_edit_of_a_todo_that_was_deleted_elsewhere_keeps_the_text() {
    let service = Service::start().await;
    let id = service.add(json!({ "title": "Short-lived" })).await;
    let page = Page::open(&service).await;
    page.edit("Short-lived").await;
    page.press(", and long").await;
    service.call("DELETE", &format!("todos/{id}"), None).await;
    page.press(Key::Enter).await;
    page.until_has(".editor .problem", "This todo was deleted elsewhere.")
        .await;
    page.until_value(".edit", "Short-lived, and long").await;
    page.press(Key::Escape).await;
    page.until_editor_closed().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn two_tabs_that_edit_the_same_todo_do_not_overwrite_each_other() {
    let service = Service::start().await;
    let id = service
        .add(json!({ "title": "Plan", "description": "Old note" }))
        .await;
    let page = Page::open(&service).await;
    page.edit("Plan").await;
    page.press(" A").await;

    let (first, second) = page.open_second_tab().await;
    page.edit("Plan").await;
    page.press(" B").await;
    page.set(".edit-description", "New note").await;
    page.click(".save").await;
    page.until_titles(&["Plan B"]).await;
    page.until_editor_closed().await;

    // the first tab keeps its text and shows the conflict; fields that it did not change are not sent
    page.switch_to(&first).await;
    page.until_value(".edit", "Plan A").await;
    page.click(".save").await;
    page.until_has(
        ".editor .problem",
        "While you were editing, the title was changed to “Plan B”.",
    )
    .await;
    page.assert_accessible("a conflict between two tabs").await;
    assert_eq!(service.titles().await, ["Plan B"]);
    page.click(".save").await;
    page.until_titles(&["Plan A"]).await;
    service.until_titles(&["Plan A"]).await;
    let todo = service.call("GET", &format!("todos/{id}"), None).await;
    assert_eq!(todo["description"], "New note");

    // the second tab is notified
    page.switch_to(&second).await;
    page.until_titles(&["Plan A"]).await;
}
