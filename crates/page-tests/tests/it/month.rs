//! The month view.

use local_services::testing::eventually;
use serde_json::json;
use thirtyfour::Key;

use crate::support::{Emulation, Page, Service};

/// Waits until a day is chosen and has the focus.
async fn until_day(page: &Page, day: &str) {
    page.until_focused(&format!("td[data-day='{day}'][aria-selected=true]"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_keyboard_moves_by_day_week_month_and_year() {
    let service = Service::start().await;
    let page = Page::open_at(&service, "#/month/2026-03-31").await;
    page.until_text("#month-heading", "March 2026").await;
    page.click("td[data-day='2026-03-31']").await;
    for (keys, day) in [
        (Key::Right, "2026-04-01"),
        (Key::Left, "2026-03-31"),
        (Key::Up, "2026-03-24"),
        (Key::Down, "2026-03-31"),
        // in the United Kingdom, weeks begin on Monday
        (Key::Home, "2026-03-30"),
        (Key::End, "2026-04-05"),
        (Key::PageUp, "2026-03-05"),
        (Key::PageDown, "2026-04-05"),
    ] {
        page.press(keys).await;
        until_day(&page, day).await;
    }
    let chain = page
        .driver()
        .action_chain()
        .key_down(Key::Shift)
        .send_keys(Key::PageUp);
    chain.key_up(Key::Shift).perform().await.unwrap();
    until_day(&page, "2025-04-05").await;
    page.until_text("#month-heading", "April 2025").await;
    page.until("location.hash === '#/month/2025-04-05'").await;
    // the Tab key stops only once in the grid
    page.until_count("#month-grid [tabindex='0']", 1).await;
    page.press(Key::Enter).await;
    page.until_focused("#day-title").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn buttons_show_the_previous_month_the_next_month_and_today() {
    let service = Service::start().await;
    let page = Page::open_at(&service, "#/month/2026-01-31").await;
    page.click("#month-next").await;
    page.until_text("#month-heading", "February 2026").await;
    page.until("document.querySelector('[aria-selected=true]').dataset.day === '2026-02-28'")
        .await;
    page.click("#month-previous").await;
    page.until_text("#month-heading", "January 2026").await;
    page.click("#month-today").await;
    page.until("document.querySelector('[aria-selected=true]').ariaCurrent === 'date'")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_day_shows_the_todos_due_in_the_visitors_time_zone() {
    let service = Service::start().await;
    // 23:30 in London is the next day in Auckland
    service
        .add(json!({ "title": "Across midnight", "deadline_at": "2026-03-09T23:30:00" }))
        .await;
    service
        .add(json!({ "title": "Earlier", "deadline_at": "2026-03-09T20:00:00" }))
        .await;
    let emulation = Emulation {
        time_zone: "Pacific/Auckland",
        ..Emulation::default()
    };
    let page = Page::open_with(&service, emulation, "#/month/2026-03-10").await;
    page.until_titles_in("#day-list", &["Earlier", "Across midnight"])
        .await;
    page.until_has(
        "td[data-day='2026-03-10'] .visually-hidden",
        "2 todos, 2 overdue",
    )
    .await;
    page.until_text("#day-summary", "2 todos, 2 open").await;

    page.toggle("Earlier").await;
    page.until_text("#day-summary", "2 todos, 1 open").await;
    page.click("td[data-day='2026-03-12']").await;
    page.until_shown("#day-none").await;
    page.type_into("#day-title", "On the twelfth").await;
    page.set("#day-time", "08:15").await;
    page.press(Key::Enter).await;
    page.until_titles_in("#day-list", &["On the twelfth"]).await;
    eventually("it is saved", async || {
        service.todos().await[0]["deadline_at"] == "2026-03-11T19:15:00"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_full_day_counts_the_todos_that_do_not_fit() {
    let service = Service::start().await;
    for hour in 0..5 {
        service.add(json!({ "title": format!("At {hour}"), "deadline_at": format!("2026-03-10T1{hour}:00:00") })).await;
    }
    let page = Page::open_at(&service, "#/month/2026-03-10").await;
    page.until_count("td[data-day='2026-03-10'] .chip", 2).await;
    page.until_text("td[data-day='2026-03-10'] .chip-rest", "+3")
        .await;
    page.until_count("#day-list .todo", 5).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn an_invalid_day_shows_today_and_no_day_lies_outside_the_calendar() {
    let service = Service::start().await;
    let page = Page::open_at(&service, "#/month/2026-02-31").await;
    page.until("document.querySelector('[aria-selected=true]').ariaCurrent === 'date'")
        .await;
    for (end, keys) in [
        ("9999-12-31", [Key::PageDown, Key::Right]),
        ("0001-01-01", [Key::PageUp, Key::Left]),
    ] {
        page.go(&format!("#/month/{end}")).await;
        page.click("[aria-selected=true]").await;
        for key in keys {
            page.press(key).await;
            until_day(&page, end).await;
        }
        page.until_count("#month-grid [aria-selected=true]", 1)
            .await;
        page.until("document.querySelectorAll('#month-grid td:not(.other-month)').length === 31 && ![...document.querySelectorAll('.day-number')].some((e) => !Number(e.textContent))")
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn an_incomplete_time_is_not_replaced_by_the_default() {
    let service = Service::start().await;
    let page = Page::open_at(&service, "#/month/2026-03-10").await;
    page.focus("#day-time").await;
    page.press(Key::Backspace).await;
    page.type_into("#day-title", "When?").await;
    page.press(Key::Enter).await;
    page.until_text("#day-problem", "Enter a complete time.")
        .await;
    page.until_focused("#day-time").await;
    // a reload does not lose the title
    page.reload().await;
    page.until_value("#day-title", "When?").await;
    assert!(service.todos().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_held_down_key_works_even_if_the_browser_refuses_to_change_the_address() {
    let service = Service::start().await;
    let page = Page::open_at(&service, "#/month/2026-03-10").await;
    page.run(
        "history.replaceState = () => { throw new DOMException('too often', 'SecurityError'); }",
    )
    .await;
    page.click("td[data-day='2026-03-10']").await;
    page.press(Key::Right + Key::Right).await;
    until_day(&page, "2026-03-12").await;
    page.until_text("#day-heading", "Thursday 12 March").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_change_keeps_the_other_days_and_the_scroll_position() {
    let service = Service::start().await;
    let emulation = Emulation {
        height: 400,
        ..Emulation::default()
    };
    let page = Page::open_with(&service, emulation, "#/month/2026-03-10").await;
    page.click("td[data-day='2026-03-10']").await;
    until_day(&page, "2026-03-10").await;
    page.run(
        "window.other = document.querySelector('[data-day=\"2026-03-20\"]'); \
         scrollTo(0, document.documentElement.scrollHeight); window.scrolled = scrollY;",
    )
    .await;
    assert!(page.value("window.scrolled").await.as_f64().unwrap() > 100.0);
    service
        .add(json!({ "title": "New", "deadline_at": "2026-03-10T10:00:00" }))
        .await;
    page.run("new BroadcastChannel('taskoverflow').postMessage('changed')")
        .await;
    page.until_has("td[data-day='2026-03-10'] .chip", "New")
        .await;
    until_day(&page, "2026-03-10").await;
    assert_eq!(
        page.value("window.other.isConnected && scrollY === window.scrolled")
            .await,
        true
    );
}
