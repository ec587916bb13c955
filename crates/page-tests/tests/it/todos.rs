//! What a todo has beyond `TodoMVC`: a note, a deadline, due labels, sorting, search.

use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};
use local_services::testing::eventually;
use serde_json::{Value, json};
use thirtyfour::Key;

use crate::support::{Emulation, Page, Service};

/// Returns a deadline in the API's format.
fn in_hours(hours: i64) -> String {
    let deadline = DateTime::<Utc>::from(SystemTime::now()) + TimeDelta::hours(hours);
    deadline.format("%Y-%m-%dT%H:%M:%S").to_string()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_deadline_is_entered_in_the_visitors_time_zone_and_sent_as_utc() {
    let service = Service::start().await;
    let emulation = Emulation {
        time_zone: "America/New_York",
        ..Emulation::default()
    };
    let page = Page::open_with(&service, emulation, "").await;
    page.type_into("#new-title", "Call home").await;
    page.click("#new-more").await;
    // in summer, New York is four hours behind UTC
    page.set("#new-date", "2031-07-01").await;
    page.set("#new-time", "20:30").await;
    page.type_into("#new-description", "She is awake").await;
    page.press(Key::Enter).await;
    page.until_titles(&["Call home"]).await;
    page.until_has(".todo-deadline", "1 Jul 2031, 20:30").await;
    eventually("the todo is saved", async || {
        service.todos().await.len() == 1
    })
    .await;
    let todo = &service.todos().await[0];
    assert_eq!(todo["deadline_at"], "2031-07-02T00:30:00");
    assert_eq!(todo["description"], "She is awake");

    // in winter, it is five hours behind
    page.edit("Call home").await;
    page.until_value(".edit-date", "2031-07-01").await;
    page.until_value(".edit-time", "20:30").await;
    page.set(".edit-date", "2031-12-24").await;
    page.click(".save").await;
    page.until_has(".todo-deadline", "24 Dec 2031, 20:30").await;
    // the change is shown before it is saved
    page.until_editor_closed().await;
    page.edit("Call home").await;
    eventually("the new deadline is saved", async || {
        service.todos().await[0]["deadline_at"] == "2031-12-25T01:30:00"
    })
    .await;
    page.set(".edit-date", "").await;
    page.set(".edit-description", "").await;
    page.press(Key::Enter).await;
    eventually("the deadline and the note are removed", async || {
        let todo = &service.todos().await[0];
        todo["deadline_at"] == Value::Null && todo["description"] == Value::Null
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn overdue_todos_and_those_due_soon_have_a_label() {
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
    for (title, label) in [
        ("Late", "Overdue:"),
        ("Soon", "Due soon:"),
        ("Later", "Due"),
        ("Done", "Due"),
    ] {
        let text = page
            .part_of(title, ".due-label")
            .await
            .text()
            .await
            .unwrap();
        assert_eq!(text, label, "{title}");
    }
    page.until_has("#todos-summary", "1 overdue").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn eighty_emoji_fit_in_a_title_and_one_more_is_rejected() {
    let service = Service::start().await;
    let page = Page::open(&service).await;
    let eighty = "🍋".repeat(80);
    // the driver can't type characters outside the Basic Multilingual Plane
    page.set("#new-title", &format!("{eighty}🍋")).await;
    page.click("#new-add").await;
    page.until_text(
        "#new-problem",
        "The title is 1 character too long (maximum 80).",
    )
    .await;
    page.until("document.querySelector('#new-title').ariaInvalid === 'true' && [...document.querySelector('#new-title').value].length === 81")
        .await;
    page.set("#new-title", &eighty).await;
    page.until_text("#new-problem", "").await;
    page.press(Key::Enter).await;
    page.until_titles(&[&eighty]).await;
    service.until_titles(&[&eighty]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn todos_can_be_sorted_by_deadline_and_searched() {
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
    page.until_text("#todos-none", "No todos match “needle <b>”.")
        .await;
    page.press(Key::Escape).await;
    page.until_titles(&["First", "Second", "Third", "No deadline"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_long_list_is_shown_in_steps() {
    let service = Service::start().await;
    let page = Page::prepare(&service).await;
    service.add_numbered(450).await;
    page.go("").await;
    page.until_count("#todo-list .todo", 200).await;
    page.until_text("#todo-count", "450 items left").await;
    page.click("#more-todos").await;
    page.click("#more-todos").await;
    page.until_count("#todo-list .todo", 450).await;
    page.until_hidden("#more-todos").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn an_empty_list_offers_suggestions() {
    let service = Service::start().await;
    let page = Page::open(&service).await;
    page.until_text(".empty h2", "No todos yet").await;
    page.click(".suggestion").await;
    page.until_focused("#new-title").await;
    page.press(Key::Enter).await;
    page.until_titles(&["Water the plants"]).await;
    page.until_hidden("#todos-empty").await;
    page.until_has(".todo-deadline", "tomorrow, 09:00").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn marking_all_shows_immediately_and_a_later_change_wins() {
    let service = Service::start().await;
    service.add_numbered(12).await;
    let page = Page::open(&service).await;
    page.until_count(".todo", 12).await;
    let click = "(() => { const all = document.querySelector('#toggle-all'); all.click(); \
        return [all.checked, document.querySelectorAll('.todo.completed').length]; })()";
    assert_eq!(page.value(click).await, json!([true, 12]));
    page.run("[...document.querySelectorAll('.todo .toggle')].at(-1).click()")
        .await;
    let todos = service.until_completed(11).await;
    assert_eq!(todos.last().unwrap()["completed"], false);
    page.until_count(".todo.completed", 11).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn marking_all_stores_the_list_twice_and_not_once_per_todo() {
    let service = Service::start().await;
    service.add_numbered(30).await;
    let page = Page::open(&service).await;
    page.run(
        "const real = Storage.prototype.setItem; window.writes = 0; \
         Storage.prototype.setItem = function (name, value) { window.writes += name.endsWith('.todos'); real.call(this, name, value); };",
    )
    .await;
    page.click("#toggle-all").await;
    service.until_completed(30).await;
    page.until("window.writes === 2").await;
    page.until_text("#todo-count", "0 items left").await;
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
    page.focus_part("First", ".toggle").await;
    let title = "document.activeElement.closest('.todo')?.querySelector('.todo-title').textContent";
    for order in [["First", "Second", "Third"], ["Second", "Third", "First"]] {
        page.press(Key::Space).await;
        page.until_titles(&order).await;
        assert_eq!(page.value(title).await, "First");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_change_in_another_tab_while_the_list_loads_is_shown() {
    let service = Service::start().await;
    service.add_titles(&["Old"]).await;
    let page = Page::open(&service).await;
    page.until_titles(&["Old"]).await;
    page.run("const real = window.fetch; window.fetch = async (url, options) => { const response = await real(url, options); \
         if (!window.release) await new Promise((resolve) => (window.release = resolve)); return response; }; dispatchEvent(new Event('online'));")
        .await;
    page.until("Boolean(window.release)").await;
    service.add_titles(&["New"]).await;
    page.run(
        "new BroadcastChannel('taskoverflow').postMessage('changed'); setTimeout(window.release, 100)",
    )
    .await;
    page.until_titles(&["New", "Old"]).await;
}
