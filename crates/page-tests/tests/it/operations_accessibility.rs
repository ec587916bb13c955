//! The page for operators: WCAG 2.2 AA, as far as a program can check it.

use serde_json::json;
use thirtyfour::Key;

use crate::support::{Emulation, Page, Service, samples};

/// Whether the page is wider than the window, so that it must be scrolled in two directions (WCAG 1.4.10).
const IS_TOO_WIDE: &str = "document.documentElement.scrollWidth > innerWidth";
/// Controls smaller than 24 by 24 pixels (WCAG 2.5.8). Links within sentences are exempt.
const SMALL_TARGETS: &str = "[...document.querySelectorAll('a, button, input, select, summary')]\
    .filter((e) => e.checkVisibility() && !e.closest('p') && e.className !== 'skip').map((e) => [e, e.getBoundingClientRect()])\
    .filter(([, box]) => box.width < 24 || box.height < 24).map(([e]) => e.outerHTML.slice(0, 80))";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn every_state_is_accessible_at_any_width_in_light_and_dark() {
    let (service, ids) = samples::failed_jobs(2).await;
    service.call("POST", "operations/pause", None).await;
    let page = Page::open_operations(&service).await;
    page.until_count("#failed-jobs .row", 2).await;
    page.click("#plot-table summary").await;
    for color_scheme in ["light", "dark"] {
        for width in [320, 390, 768, 1280] {
            page.emulate(Emulation {
                width,
                color_scheme,
                ..Emulation::default()
            })
            .await;
            let state = format!("{color_scheme} {width}");
            page.assert_accessible(&state).await;
            assert_eq!(page.value(SMALL_TARGETS).await, json!([]), "{state}");
            assert_eq!(page.value(IS_TOO_WIDE).await, false, "{state}");
        }
        page.click("#retry-failed").await;
        page.assert_accessible(&format!("asking, {color_scheme}"))
            .await;
        page.press(Key::Escape).await;
        page.run(&format!("location.hash = '#job/{}'", ids[0]))
            .await;
        page.until_has(".step-title", "Failed").await;
        page.assert_accessible(&format!("a job, {color_scheme}"))
            .await;
        page.press(Key::Escape).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn everything_can_be_done_with_the_keyboard() {
    let (service, ids) = samples::failed_jobs(1).await;
    let page = Page::open_operations(&service).await;
    page.until_count("#failed-jobs .row", 1).await;
    page.tab_to(".skip").await;
    page.press(Key::Enter).await;
    page.until_focused("#main").await;
    page.tab_to("#pause").await;
    page.press(Key::Enter).await;
    page.until_focused("#confirm-no").await;
    page.press(Key::Escape).await;
    page.until_focused("#pause").await;
    page.tab_to("#plot-table summary").await;
    page.press(Key::Space).await;
    page.until("document.querySelectorAll('#plot-table tbody tr').length >= 12")
        .await;
    page.tab_to(".drain").await;
    page.tab_to("#retry-failed").await;
    page.tab_to("#failed-jobs .history").await;
    page.press(Key::Enter).await;
    page.until_text("#job-id-shown", &ids[0]).await;
    page.until_has("#job-heading", "failed").await;
    page.press(Key::Escape).await;
    page.until_focused("#failed-jobs .history").await;
    page.tab_to("#job-id").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_focus_is_always_visible_on_the_page_for_operators() {
    let (service, _) = samples::failed_jobs(1).await;
    let page = Page::open_operations(&service).await;
    page.until_count("#failed-jobs .row", 1).await;
    page.blur().await;
    for _ in 0..24 {
        page.press(Key::Tab).await;
        let is_visible = "document.activeElement === document.body || getComputedStyle(document.activeElement).outlineStyle !== 'none'";
        let element = page
            .value("document.activeElement.outerHTML.slice(0, 120)")
            .await;
        assert_eq!(page.value(is_visible).await, true, "{element}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn no_number_is_in_a_live_region() {
    let service = Service::start().await;
    let page = Page::open_operations(&service).await;
    let chatter = "[...document.querySelectorAll('[aria-live], [role=status], [role=alert]')].filter((e) => /\\d/.test(e.textContent)).map((e) => e.outerHTML)";
    service.call("POST", "todos/ical", Some(json!({}))).await;
    page.until_number("completed", "1").await;
    assert_eq!(page.value(chatter).await, json!([]));
}
