//! The month of deadlines.

use local_services::testing::eventually;
use serde_json::json;
use thirtyfour::Key;

use crate::support::{Look, Page, Service};

async fn until_day(page: &Page, day: &str) {
    page.until_focused(&format!("td[data-day='{day}'][aria-selected=true]"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_keyboard_walks_by_day_week_month_and_year() {
    let service = Service::start().await;
    let page = Page::open_at(&service, "#/month/2026-03-31").await;
    page.until_text("#month-heading", "March 2026").await;
    page.click("td[data-day='2026-03-31']").await;
    for (keys, day) in [
        (Key::Right, "2026-04-01"),
        (Key::Left, "2026-03-31"),
        (Key::Up, "2026-03-24"),
        (Key::Down, "2026-03-31"),
        // en-GB weeks begin on Monday
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
    // one stop for Tab in the whole grid
    page.until("document.querySelectorAll('#month-grid [tabindex=\"0\"]').length === 1")
        .await;
    page.press(Key::Enter).await;
    page.until_focused("#day-title").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn previous_next_and_today_are_buttons_too() {
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
async fn a_day_shows_what_is_due_on_it_where_the_visitor_is() {
    let service = Service::start().await;
    // 23:30 in London is the next day in Auckland
    service
        .add(json!({ "title": "Across midnight", "deadline_at": "2026-03-09T23:30:00" }))
        .await;
    service
        .add(json!({ "title": "Earlier", "deadline_at": "2026-03-09T20:00:00" }))
        .await;
    let look = Look {
        zone: "Pacific/Auckland",
        ..Look::default()
    };
    let page = Page::open_as(&service, look, "#/month/2026-03-10").await;
    page.until_titles_in("#day-list", &["Earlier", "Across midnight"])
        .await;
    page.until_has(
        "td[data-day='2026-03-10'] .visually-hidden",
        "2 todos, 2 overdue",
    )
    .await;
    page.until_text("#day-summary", "2 todos, 2 open").await;

    page.part_of("Earlier", ".toggle")
        .await
        .click()
        .await
        .unwrap();
    page.until_text("#day-summary", "2 todos, 1 open").await;
    page.click("td[data-day='2026-03-12']").await;
    page.until("!document.querySelector('#day-none').hidden")
        .await;
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
async fn a_full_day_says_how_many_more_there_are() {
    let service = Service::start().await;
    for hour in 0..5 {
        service.add(json!({ "title": format!("At {hour}"), "deadline_at": format!("2026-03-10T1{hour}:00:00") })).await;
    }
    let page = Page::open_at(&service, "#/month/2026-03-10").await;
    page.until("document.querySelectorAll('td[data-day=\"2026-03-10\"] .chip').length === 2")
        .await;
    page.until_text("td[data-day='2026-03-10'] .chip-rest", "+3")
        .await;
    page.until("document.querySelectorAll('#day-list .todo').length === 5")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_day_that_is_none_is_today_and_the_ends_of_time_hold() {
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
        page.until("document.querySelectorAll('#month-grid [aria-selected=true]').length === 1")
            .await;
        page.until("document.querySelectorAll('#month-grid td:not(.other-month)').length === 31 && ![...document.querySelectorAll('.day-number')].some((e) => !Number(e.textContent))")
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn half_a_time_is_not_taken_for_the_usual_one() {
    let service = Service::start().await;
    let page = Page::open_at(&service, "#/month/2026-03-10").await;
    page.run("document.querySelector('#day-time').focus()")
        .await;
    page.press(Key::Backspace).await;
    page.type_into("#day-title", "When?").await;
    page.press(Key::Enter).await;
    page.until_text("#day-problem", "The time is not whole.")
        .await;
    page.until_focused("#day-time").await;
    // and what was typed outlives a reload
    page.reload().await;
    page.until("document.querySelector('#day-title').value === 'When?'")
        .await;
    assert!(service.todos().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_key_that_is_held_walks_on_when_the_browser_keeps_the_address() {
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
async fn a_change_leaves_the_other_days_and_the_place_on_the_page_alone() {
    let service = Service::start().await;
    let look = Look {
        height: 400,
        ..Look::default()
    };
    let page = Page::open_as(&service, look, "#/month/2026-03-10").await;
    page.click("td[data-day='2026-03-10']").await;
    until_day(&page, "2026-03-10").await;
    page.run(
        "window.other = document.querySelector('[data-day=\"2026-03-20\"]'); \
         scrollTo(0, document.documentElement.scrollHeight); window.place = scrollY;",
    )
    .await;
    assert!(page.value("window.place").await.as_f64().unwrap() > 100.0);
    service
        .add(json!({ "title": "New", "deadline_at": "2026-03-10T10:00:00" }))
        .await;
    page.run("new BroadcastChannel('taskoverflow').postMessage('changed')")
        .await;
    page.until_has("td[data-day='2026-03-10'] .chip", "New")
        .await;
    until_day(&page, "2026-03-10").await;
    assert_eq!(
        page.value("window.other.isConnected && scrollY === window.place")
            .await,
        true
    );
}
