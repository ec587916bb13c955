//! What a todo has beyond `TodoMVC`: a note, a deadline, marks, order, search.

use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};
use local_services::testing::eventually;
use serde_json::{Value, json};
use thirtyfour::Key;

use crate::support::{Look, Page, Service};

/// A deadline as the API writes it.
fn in_hours(hours: i64) -> String {
    let deadline = DateTime::<Utc>::from(SystemTime::now()) + TimeDelta::hours(hours);
    deadline.format("%Y-%m-%dT%H:%M:%S").to_string()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_deadline_is_entered_in_the_visitors_zone_and_sent_as_utc() {
    let service = Service::start().await;
    let look = Look {
        zone: "America/New_York",
        ..Look::default()
    };
    let page = Page::open_as(&service, look, "").await;
    page.type_into("#new-title", "Call home").await;
    page.click("#new-more").await;
    // in summer: New York is four hours behind UTC
    page.set("#new-date", "2031-07-01").await;
    page.set("#new-time", "20:30").await;
    page.type_into("#new-description", "She is awake").await;
    page.press(Key::Enter).await;
    page.until_titles(&["Call home"]).await;
    page.until_has(".todo-deadline", "1 Jul 2031, 20:30").await;
    eventually("it is saved", async || service.todos().await.len() == 1).await;
    let todo = &service.todos().await[0];
    assert_eq!(todo["deadline_at"], "2031-07-02T00:30:00");
    assert_eq!(todo["description"], "She is awake");

    // in winter it is five hours behind
    page.part_of("Call home", ".edit-button")
        .await
        .click()
        .await
        .unwrap();
    page.until("document.querySelector('.edit-date').value === '2031-07-01' && document.querySelector('.edit-time').value === '20:30'")
        .await;
    page.set(".edit-date", "2031-12-24").await;
    page.click(".save").await;
    page.until_has(".todo-deadline", "24 Dec 2031, 20:30").await;
    // it shows before it is saved
    page.until("document.querySelector('.editor') === null")
        .await;
    page.part_of("Call home", ".edit-button")
        .await
        .click()
        .await
        .unwrap();
    eventually("it is changed", async || {
        service.todos().await[0]["deadline_at"] == "2031-12-25T01:30:00"
    })
    .await;
    page.set(".edit-date", "").await;
    page.set(".edit-description", "").await;
    page.press(Key::Enter).await;
    eventually("both are taken away", async || {
        let todo = &service.todos().await[0];
        todo["deadline_at"] == Value::Null && todo["description"] == Value::Null
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn an_edit_sends_only_what_was_changed() {
    let service = Service::start().await;
    let id = service.add(json!({ "title": "A", "deadline_at": "2031-07-02T00:30:59.25", "description": " as it was\n" })).await;
    let page = Page::open(&service).await;
    page.part_of("A", ".edit-button")
        .await
        .click()
        .await
        .unwrap();
    page.press("B").await;
    page.press(Key::Enter).await;
    page.until_titles(&["AB"]).await;
    eventually("the title is saved", async || {
        service.titles().await == ["AB"]
    })
    .await;
    let todo = service.call("GET", &format!("todos/{id}"), None).await;
    assert_eq!(todo["deadline_at"], "2031-07-02T00:30:59.250000");
    assert_eq!(todo["description"], " as it was\n");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn what_is_overdue_or_due_soon_is_marked_in_words() {
    let service = Service::start().await;
    for (title, hours) in [("Late", -2), ("Soon", 2), ("Later", 200)] {
        service
            .add(json!({ "title": title, "deadline_at": in_hours(hours) }))
            .await;
    }
    service
        .add(json!({ "title": "Done", "deadline_at": in_hours(-2), "completed": true }))
        .await;
    let page = Page::open(&service).await;
    for (title, mark) in [
        ("Late", "Overdue:"),
        ("Soon", "Due soon:"),
        ("Later", "Due"),
        ("Done", "Due"),
    ] {
        let words = page.part_of(title, ".mark").await.text().await.unwrap();
        assert_eq!(words, mark, "{title}");
    }
    page.until_has("#todos-summary", "1 overdue").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn todos_are_sorted_by_deadline_and_searched() {
    let service = Service::start().await;
    service.add(json!({ "title": "No deadline" })).await;
    service
        .add(json!({ "title": "Second", "deadline_at": in_hours(48) }))
        .await;
    service
        .add(json!({ "title": "Third", "deadline_at": in_hours(72), "description": "Needle" }))
        .await;
    service
        .add(json!({ "title": "First", "deadline_at": in_hours(24) }))
        .await;
    let page = Page::open(&service).await;
    page.until_titles(&["First", "Third", "Second", "No deadline"])
        .await;
    page.set("#sort", "deadline").await;
    page.until_titles(&["First", "Second", "Third", "No deadline"])
        .await;
    page.reload().await;
    page.until_titles(&["First", "Second", "Third", "No deadline"])
        .await;

    page.type_into("#search", "needle").await;
    page.until_titles(&["Third"]).await;
    page.type_into("#search", " <b>").await;
    page.until_text("#todos-none", "No todo here has “needle <b>” in it.")
        .await;
    page.press(Key::Escape).await;
    page.until_titles(&["First", "Second", "Third", "No deadline"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_list_of_thousands_is_shown_by_parts() {
    let service = Service::start().await;
    let page = Page::prepare(&service, Look::default()).await;
    for number in 0..450 {
        service
            .add(json!({ "title": format!("Todo {number}") }))
            .await;
    }
    page.go("").await;
    page.until("document.querySelectorAll('#todo-list .todo').length === 200")
        .await;
    page.until_text("#todo-count", "450 items left").await;
    page.click("#more-todos").await;
    page.click("#more-todos").await;
    page.until("document.querySelectorAll('#todo-list .todo').length === 450")
        .await;
    page.until("document.querySelector('#more-todos').hidden")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn an_empty_list_helps_to_begin() {
    let service = Service::start().await;
    let page = Page::open(&service).await;
    page.until_text(".empty h2", "A clear desk").await;
    page.click(".suggestion").await;
    page.until_focused("#new-title").await;
    page.press(Key::Enter).await;
    page.until_titles(&["Water the plants"]).await;
    page.until("document.querySelector('#todos-empty').hidden")
        .await;
    page.until_has(".todo-deadline", "tomorrow, 09:00").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn half_a_deadline_is_never_dropped_without_a_word() {
    let service = Service::start().await;
    service.add_titles(&["When?"]).await;
    let page = Page::open(&service).await;
    for is_time_alone in [false, true] {
        page.part_of("When?", ".edit-button")
            .await
            .click()
            .await
            .unwrap();
        if is_time_alone {
            page.set(".edit-time", "08:15").await;
        } else {
            page.run("document.querySelector('.edit-date').focus()")
                .await;
            page.press("12").await;
        }
        page.click(".save").await;
        page.until_text(".editor .problem", "The deadline is not whole.")
            .await;
        page.until("document.querySelector('.edit-date').ariaInvalid === 'true'")
            .await;
        page.assert_accessible("half a deadline").await;
        page.press(Key::Escape).await;
        page.until("document.querySelector('.editor') === null")
            .await;
    }
    // a new one too; and a date that is taken back takes its time along
    page.type_into("#new-title", "New").await;
    page.click("#new-more").await;
    // which has the focus now; the driver itself types whole dates only
    page.press("12" + Key::Enter).await;
    page.until_text("#new-problem", "The deadline is not whole.")
        .await;
    page.until_focused("#new-date").await;
    page.set("#new-date", "2031-07-01").await;
    // what goes along stays in sight
    page.click("#new-more").await;
    page.until("document.querySelector('#new-more').ariaExpanded === 'true'")
        .await;
    page.element("#new-date").await;
    page.set("#new-description", &"x".repeat(121)).await;
    page.click("#new-add").await;
    page.until_text("#new-problem", "The note is 1 character too long; 120 fit.")
        .await;
    page.until_focused("#new-description").await;
    page.set("#new-description", "").await;
    page.until("document.querySelector('#new-time').value === '17:00'")
        .await;
    page.set("#new-date", "").await;
    page.press(Key::Enter).await;
    page.until_titles(&["New", "When?"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn all_are_marked_at_once_and_a_later_word_counts() {
    let service = Service::start().await;
    let titles: Vec<String> = (0..12).map(|number| format!("Todo {number}")).collect();
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    service.add_titles(&titles).await;
    let page = Page::open(&service).await;
    page.until_titles(&titles.iter().rev().copied().collect::<Vec<_>>())
        .await;
    let click = "(() => { const all = document.querySelector('#toggle-all'); all.click(); \
        return [all.checked, document.querySelectorAll('.todo.completed').length]; })()";
    assert_eq!(page.value(click).await, json!([true, 12]));
    page.run("[...document.querySelectorAll('.todo .toggle')].at(-1).click()")
        .await;
    let is_done = |todo: &Value| todo["completed"] == true;
    eventually("all but the last are completed", async || {
        let todos = service.todos().await;
        todos.iter().filter(|todo| is_done(todo)).count() == 11 && !is_done(todos.last().unwrap())
    })
    .await;
    page.until("document.querySelectorAll('.todo.completed').length === 11")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_key_that_is_an_input_methods_ends_no_edit() {
    let service = Service::start().await;
    service.add_titles(&["日本"]).await;
    let page = Page::open(&service).await;
    page.part_of("日本", ".edit-button")
        .await
        .click()
        .await
        .unwrap();
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
    page.until("document.querySelector('.editor') === null")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_focus_stays_on_a_todo_that_moves() {
    let service = Service::start().await;
    for (title, hours) in [("Third", 72), ("Second", 48), ("First", 24)] {
        service
            .add(json!({ "title": title, "deadline_at": in_hours(hours), "completed": title == "First" }))
            .await;
    }
    let page = Page::open(&service).await;
    page.set("#sort", "deadline").await;
    page.until_titles(&["Second", "Third", "First"]).await;
    page.part_of("First", ".toggle")
        .await
        .focus()
        .await
        .unwrap();
    let title = "document.activeElement.closest('.todo')?.querySelector('.todo-title').textContent";
    for order in [["First", "Second", "Third"], ["Second", "Third", "First"]] {
        page.press(Key::Space).await;
        page.until_titles(&order).await;
        assert_eq!(page.value(title).await, "First");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_click_while_a_todo_is_edited_hits_what_it_was_aimed_at() {
    let service = Service::start().await;
    service.add_titles(&["Below", "Beside", "Edited"]).await;
    let page = Page::open(&service).await;
    page.part_of("Edited", ".edit-button")
        .await
        .click()
        .await
        .unwrap();
    page.part_of("Below", ".toggle")
        .await
        .click()
        .await
        .unwrap();
    page.until("document.querySelector('.editor') === null")
        .await;
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
         await new Promise((go) => (window.held = go)); window.fetch = real; return real(url, options); };")
        .await;
    page.part_of("Slow", ".edit-button")
        .await
        .click()
        .await
        .unwrap();
    page.press("er" + Key::Enter).await;
    page.until("Boolean(window.held)").await;
    page.press("!").await;
    page.until("document.querySelector('.edit').value === 'Slower'")
        .await;
    page.run("window.held()").await;
    page.until_titles(&["Slower"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn marking_all_is_shown_and_kept_once_and_not_for_each() {
    let service = Service::start().await;
    let titles: Vec<String> = (0..30).map(|number| format!("Todo {number}")).collect();
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    service.add_titles(&titles).await;
    let page = Page::open(&service).await;
    page.run(
        "const real = Storage.prototype.setItem; window.writes = 0; \
         Storage.prototype.setItem = function (name, value) { window.writes += name.endsWith('.todos'); real.call(this, name, value); };",
    )
    .await;
    page.click("#toggle-all").await;
    eventually("all are completed", async || {
        let todos = service.todos().await;
        todos.iter().all(|todo| todo["completed"] == true)
    })
    .await;
    page.until("window.writes === 2").await;
    page.until_text("#todo-count", "0 items left").await;
}
