//! New todos that the server did not save.

use thirtyfour::Key;

use crate::support::{Page, Service, fetch};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_rejected_todo_is_kept_with_the_reason_from_the_server() {
    let service = Service::start().await;
    let page = Page::open(&service).await;
    // a control character, which the server rejects
    page.set("#new-title", "bell\u{7}").await;
    page.press(Key::Enter).await;
    page.until_has(".unsaved .reason", "control character")
        .await;
    page.reload().await;
    page.until_has(".unsaved .todo-title", "bell").await;
    page.click(".unsaved .discard").await;
    page.until_hidden("#unsaved").await;
    assert!(service.todos().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_rejected_todo_can_be_corrected() {
    let service = Service::start().await;
    let page = Page::open(&service).await;
    page.click("#new-more").await;
    page.set("#new-date", "2031-07-01").await;
    page.set("#new-description", "one\u{b}two").await;
    page.add_todo("From elsewhere").await;
    page.until_has(".unsaved .todo-description", "two").await;
    // a todo that is being written is not overwritten
    page.type_into("#new-title", "Other").await;
    page.click(".unsaved .edit-unsaved").await;
    page.until_text("#new-problem", "Add or clear this todo first.")
        .await;
    page.press(Key::Enter).await;
    page.until_titles(&["Other"]).await;
    page.click(".unsaved .edit-unsaved").await;
    page.until_focused("#new-title").await;
    page.until_hidden("#unsaved").await;
    page.reload().await;
    page.until_value("#new-title", "From elsewhere").await;
    page.until_value("#new-date", "2031-07-01").await;
    page.set("#new-description", "one, two").await;
    page.element("#new-title").await.focus().await.unwrap();
    page.press(Key::Enter).await;
    page.until_titles(&["From elsewhere", "Other"]).await;
    let todo = &service.todos().await[0];
    assert_eq!(todo["description"], "one, two");
    assert_eq!(todo["deadline_at"], "2031-07-01T15:00:00");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_reload_before_the_response_keeps_the_new_todo() {
    let service = Service::start().await;
    let page = Page::open(&service).await;
    page.run(&fetch::replace(
        "options?.method === 'POST'",
        "new Promise(() => {})",
    ))
    .await;
    page.add_todo("In flight").await;
    page.until_value("#new-title", "").await;
    page.reload().await;
    page.until_text(
        ".unsaved .reason",
        "The server didn’t respond. This todo may already be saved.",
    )
    .await;
    page.click(".unsaved .retry").await;
    page.until_titles(&["In flight"]).await;
    page.reload().await;
    page.until_titles(&["In flight"]).await;
    page.until_hidden("#unsaved").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn two_tabs_share_their_unsaved_todos() {
    let mut service = Service::start().await;
    let page = Page::open(&service).await;
    let (first, second) = page.open_second_tab().await;
    page.wait_until_offline_works().await;
    service.stop_api();
    for (window, title) in [(&second, "Of the second"), (&first, "Of the first")] {
        page.switch_to(window).await;
        page.add_todo(title).await;
        page.until_has(".unsaved .todo-title", title).await;
    }
    page.until_count(".unsaved-row", 2).await;
    page.switch_to(&second).await;
    page.until_count(".unsaved-row", 2).await;
    page.reload().await;
    page.until_count(".unsaved-row", 2).await;
    service.start_api().await;
    // until then, the banner moves the list
    page.until_connected().await;
    page.click("[aria-label='Try again: Of the first']").await;
    page.until_titles(&["Of the first"]).await;
    // the other tab does not offer it again
    page.switch_to(&first).await;
    page.until_count(".unsaved-row", 1).await;
    page.until_has("#unsaved", "Of the second").await;
}
