//! Keyboard shortcuts.

use thirtyfour::Key;

use crate::support::{Page, samples};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn single_key_shortcuts_work_and_can_be_switched_off() {
    let service = samples::varied_todos().await;
    let page = Page::open(&service).await;
    page.blur().await;
    page.press("m").await;
    page.until_shown("#month-view").await;
    page.press("x").await;
    page.until_shown("#export-view").await;
    page.press("n").await;
    page.until_focused("#new-title").await;
    // in a text field, the keys type letters
    page.press("m?").await;
    page.until_value("#new-title", "m?").await;
    page.blur().await;
    page.press("/").await;
    page.until_focused("#search").await;
    page.blur().await;
    page.press("?").await;
    page.until("document.querySelector('#help').open").await;
    page.click("#single-keys").await;
    page.press(Key::Escape).await;
    let address = "location.hash";
    assert_eq!(page.value(address).await, "#/");
    page.press("m").await;
    assert_eq!(page.value(address).await, "#/");
    page.reload().await;
    page.blur().await;
    page.press("m").await;
    assert_eq!(page.value(address).await, "#/");

    // Ctrl+Z still works
    let titles = service.titles().await;
    page.click(".destroy").await;
    page.until_has(".notice", "Deleted").await;
    let undo = page.driver().action_chain().key_down(Key::Control);
    let undo = undo.send_keys("z").key_up(Key::Control);
    undo.perform().await.unwrap();
    page.until_has(".notice", "Restored").await;
    page.until_count("#todo-list .todo", titles.len()).await;
}
