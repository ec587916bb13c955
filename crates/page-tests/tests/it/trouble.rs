//! Odd input, a server that goes away, other tabs, no network.

use local_services::testing::eventually;
use serde_json::json;
use thirtyfour::Key;

use crate::support::{Look, Page, Service};

const SCRIPT: &str = "<script>document.title='pwned'</script>";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn markup_in_a_todo_is_text_everywhere() {
    let service = Service::start().await;
    let image = "<img src=x onerror=document.title='pwned'>";
    service
        .add(json!({ "title": SCRIPT, "description": image, "deadline_at": "2031-05-05T10:00:00" }))
        .await;
    let page = Page::open(&service).await;
    page.until_titles(&[SCRIPT]).await;
    page.until_text(".todo-description", image).await;
    page.part_of(SCRIPT, ".edit-button")
        .await
        .click()
        .await
        .unwrap();
    page.until_focused(".edit").await;
    page.press(Key::Escape).await;
    page.part_of(SCRIPT, ".destroy")
        .await
        .click()
        .await
        .unwrap();
    page.until_has(".notice", "<script>").await;
    page.click(".notice-action").await;
    page.go("#/month/2031-05-05").await;
    page.until_titles_in("#day-list", &[SCRIPT]).await;
    page.until("document.querySelectorAll('main img, main script').length === 0")
        .await;
    page.until("document.title === 'Month · TaskOverflow'")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn eighty_emoji_fit_in_a_title_and_one_more_is_refused_in_words() {
    let service = Service::start().await;
    let page = Page::open(&service).await;
    let eighty = "🍋".repeat(80);
    // the driver types no characters beyond the basic plane
    page.set("#new-title", &format!("{eighty}🍋")).await;
    page.click("#new-add").await;
    page.until_text("#new-problem", "The title is 1 character too long; 80 fit.")
        .await;
    page.until("document.querySelector('#new-title').ariaInvalid === 'true' && [...document.querySelector('#new-title').value].length === 81")
        .await;
    page.set("#new-title", &eighty).await;
    page.until_text("#new-problem", "").await;
    page.press(Key::Enter).await;
    page.until_titles(&[&eighty]).await;
    eventually("it is saved", async || {
        service.titles().await == [eighty.clone()]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn what_the_server_refuses_is_said_in_its_words_and_kept() {
    let service = Service::start().await;
    let page = Page::open(&service).await;
    // a control character, which no field shows and the server takes from nobody
    page.set("#new-title", "bell\u{7}").await;
    page.press(Key::Enter).await;
    page.until_has(".unsaved .reason", "control character")
        .await;
    page.reload().await;
    page.until_has(".unsaved .todo-title", "bell").await;
    page.click(".unsaved .discard").await;
    page.until("document.querySelector('#unsaved').hidden")
        .await;
    assert!(service.todos().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn what_the_server_refuses_can_be_mended() {
    let service = Service::start().await;
    let page = Page::open(&service).await;
    page.click("#new-more").await;
    page.set("#new-date", "2031-07-01").await;
    page.set("#new-description", "one\u{b}two").await;
    page.type_into("#new-title", "From elsewhere").await;
    page.press(Key::Enter).await;
    page.until_has(".unsaved .todo-description", "two").await;
    // nothing that is being written is lost
    page.type_into("#new-title", "Other").await;
    page.click(".unsaved .mend").await;
    page.until_text("#new-problem", "Add this one first.").await;
    page.press(Key::Enter).await;
    page.until_titles(&["Other"]).await;
    page.click(".unsaved .mend").await;
    page.until_focused("#new-title").await;
    page.until("document.querySelector('#unsaved').hidden")
        .await;
    page.reload().await;
    page.until("document.querySelector('#new-title').value === 'From elsewhere' && document.querySelector('#new-date').value === '2031-07-01'")
        .await;
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
async fn a_server_that_goes_away_costs_nothing_that_was_typed() {
    let mut service = Service::start().await;
    service.add_titles(&["Edit me", "Toggle me"]).await;
    let page = Page::open(&service).await;
    page.until_titles(&["Toggle me", "Edit me"]).await;
    page.part_of("Edit me", ".edit-button")
        .await
        .click()
        .await
        .unwrap();
    page.until_focused(".edit").await;
    service.stop_api();

    page.press(" well" + Key::Enter).await;
    page.until_text(
        ".editor .problem",
        "Not saved. The server can’t be reached.",
    )
    .await;
    page.until_has(
        "#connection",
        "The server can’t be reached. You see your todos as of",
    )
    .await;
    page.until("document.querySelector('.edit').value === 'Edit me well'")
        .await;
    page.part_of("Toggle me", ".toggle")
        .await
        .click()
        .await
        .unwrap();
    page.until_has(".notice", "Could not change “Toggle me”.")
        .await;
    page.until("document.querySelectorAll('.todo.completed').length === 0")
        .await;
    page.type_into("#new-title", "New meanwhile").await;
    page.press(Key::Enter).await;
    page.until_has(
        ".unsaved .reason",
        "It may not be saved. The server can’t be reached.",
    )
    .await;
    page.until("document.querySelector('#new-title').value === ''")
        .await;
    page.run("document.querySelector('.unsaved .retry').focus()")
        .await;
    page.press(Key::Enter).await;
    page.until("!document.querySelector('.unsaved .retry').disabled")
        .await;
    page.until_focused(".unsaved .retry").await;
    page.assert_accessible("the server is away").await;

    service.start_api().await;
    page.until("document.querySelector('#connection').textContent === ''")
        .await;
    page.until_has(".notice", "Connected again.").await;
    page.click(".unsaved .retry").await;
    page.until("document.querySelector('#unsaved').hidden")
        .await;
    page.click(".editor .save").await;
    page.until_titles(&["New meanwhile", "Toggle me", "Edit me well"])
        .await;
    eventually("all is saved", async || {
        service.titles().await == ["New meanwhile", "Toggle me", "Edit me well"]
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn two_tabs_that_edit_one_todo_do_not_overwrite_each_other() {
    let service = Service::start().await;
    let id = service
        .add(json!({ "title": "Plan", "description": "Old note" }))
        .await;
    let page = Page::open(&service).await;
    let driver = page.driver();
    let first = driver.window().await.unwrap();
    driver.new_tab().await.unwrap();
    let windows = driver.windows().await.unwrap();
    let second = windows.iter().find(|window| **window != first).unwrap();

    page.part_of("Plan", ".edit-button")
        .await
        .click()
        .await
        .unwrap();
    page.press(" A").await;

    driver.switch_to_window(second.clone()).await.unwrap();
    page.go("").await;
    page.part_of("Plan", ".edit-button")
        .await
        .click()
        .await
        .unwrap();
    page.press(" B").await;
    page.set(".edit-description", "New note").await;
    page.click(".save").await;
    page.until_titles(&["Plan B"]).await;
    page.until("document.querySelector('.editor') === null")
        .await;

    // the other one is told, what it typed is there, and its fields that it left alone change nothing
    driver.switch_to_window(first).await.unwrap();
    page.until("document.querySelector('.edit').value === 'Plan A'")
        .await;
    page.click(".save").await;
    page.until_has(
        ".editor .problem",
        "Meanwhile the title was changed to “Plan B” elsewhere.",
    )
    .await;
    page.assert_accessible("two tabs disagree").await;
    assert_eq!(service.titles().await, ["Plan B"]);
    page.click(".save").await;
    page.until_titles(&["Plan A"]).await;
    eventually("the second word counts", async || {
        service.titles().await == ["Plan A"]
    })
    .await;
    let todo = service.call("GET", &format!("todos/{id}"), None).await;
    assert_eq!(todo["description"], "New note");

    // and the second tab has heard of it
    driver.switch_to_window(second.clone()).await.unwrap();
    page.until_titles(&["Plan A"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_todo_that_was_deleted_elsewhere_leaves_what_was_typed() {
    let service = Service::start().await;
    let id = service.add(json!({ "title": "Short-lived" })).await;
    let page = Page::open(&service).await;
    page.part_of("Short-lived", ".edit-button")
        .await
        .click()
        .await
        .unwrap();
    page.press(", and long").await;
    service.call("DELETE", &format!("todos/{id}"), None).await;
    page.press(Key::Enter).await;
    page.until_has(".editor .problem", "This todo was deleted elsewhere.")
        .await;
    page.until("document.querySelector('.edit').value === 'Short-lived, and long'")
        .await;
    page.press(Key::Escape).await;
    page.until("document.querySelector('.editor') === null")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_reload_before_the_answer_leaves_the_new_todo() {
    let service = Service::start().await;
    let page = Page::open(&service).await;
    page.run("const real = window.fetch; window.fetch = (url, options) => options?.method === 'POST' ? new Promise(() => {}) : real(url, options);")
        .await;
    page.type_into("#new-title", "In flight").await;
    page.press(Key::Enter).await;
    page.until("document.querySelector('#new-title').value === ''")
        .await;
    page.reload().await;
    page.until_text(
        ".unsaved .reason",
        "The answer never came; it may be saved.",
    )
    .await;
    page.click(".unsaved .retry").await;
    page.until_titles(&["In flight"]).await;
    page.reload().await;
    page.until_titles(&["In flight"]).await;
    page.until("document.querySelector('#unsaved').hidden")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn two_tabs_keep_the_unsaved_todos_of_both() {
    let mut service = Service::start().await;
    let page = Page::open(&service).await;
    let driver = page.driver();
    let first = driver.window().await.unwrap();
    driver.new_tab().await.unwrap();
    let windows = driver.windows().await.unwrap();
    let second = windows.iter().find(|window| **window != first).unwrap();
    driver.switch_to_window(second.clone()).await.unwrap();
    page.go("").await;
    page.wait_until_offline_works().await;
    service.stop_api();
    for (window, title) in [(second, "Of the second"), (&first, "Of the first")] {
        driver.switch_to_window(window.clone()).await.unwrap();
        page.type_into("#new-title", title).await;
        page.press(Key::Enter).await;
        page.until_has(".unsaved .todo-title", title).await;
    }
    let both = "document.querySelectorAll('.unsaved-row').length === 2";
    page.until(both).await;
    driver.switch_to_window(second.clone()).await.unwrap();
    page.until(both).await;
    page.reload().await;
    page.until(both).await;
    service.start_api().await;
    // what is said of the server pushes the list down
    page.until("document.querySelector('#connection').textContent === ''")
        .await;
    page.click("[aria-label='Try again: Of the first']").await;
    page.until_titles(&["Of the first"]).await;
    // the other tab does not offer it again
    driver.switch_to_window(first).await.unwrap();
    page.until("document.querySelector('#unsaved').innerText.includes('Of the second') && document.querySelectorAll('.unsaved-row').length === 1")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_list_that_fails_is_said_until_there_is_one() {
    let service = Service::start().await;
    service.add_titles(&["Behind it"]).await;
    let page = Page::prepare(&service, Look::default()).await;
    page.run_at_start("window.isBroken = true; const real = window.fetch; window.fetch = (url, options) => \
         window.isBroken && String(url).endsWith('/todos') && options.method === 'GET' ? Promise.resolve(new Response('', { status: 500 })) : real(url, options);")
        .await;
    page.go("").await;
    let words = "Could not load your todos. The server answered 500.";
    page.until_text("#connection", words).await;
    // other answers do not take the words away
    page.type_into("#new-title", "New").await;
    page.press(Key::Enter).await;
    page.until_titles(&["New"]).await;
    page.until_text("#connection", words).await;
    page.until("document.querySelector('.notice') === null")
        .await;
    page.run("window.isBroken = false; dispatchEvent(new Event('online'))")
        .await;
    page.until_titles(&["New", "Behind it"]).await;
    page.until("document.querySelector('#connection').textContent === ''")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_change_elsewhere_while_the_list_is_on_its_way_is_seen() {
    let service = Service::start().await;
    service.add_titles(&["Old"]).await;
    let page = Page::open(&service).await;
    page.until_titles(&["Old"]).await;
    page.run("const real = window.fetch; window.fetch = async (url, options) => { const answer = await real(url, options); \
         if (!window.held) await new Promise((go) => (window.held = go)); return answer; }; dispatchEvent(new Event('online'));")
        .await;
    page.until("Boolean(window.held)").await;
    service.add_titles(&["New"]).await;
    page.run(
        "new BroadcastChannel('taskoverflow').postMessage('changed'); setTimeout(window.held, 100)",
    )
    .await;
    page.until_titles(&["New", "Old"]).await;
}
