//! What a todo has beyond `TodoMVC`: a note, a deadline, marks, order, search.

use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use thirtyfour::Key;

use crate::support::{Look, Page, Service, eventually};

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
