//! Accessibility: WCAG 2.2 AA, as far as a program can check it.

use serde_json::json;
use thirtyfour::Key;

use crate::support::{Emulation, Page, Service, samples};

/// Controls smaller than 24 by 24 pixels (WCAG 2.5.8). Links within sentences are exempt.
const SMALL_TARGETS: &str = "[...document.querySelectorAll('a, button, input, select, textarea, summary, td')]\
    .filter((e) => e.offsetParent && !e.closest('p') && !e.closest('.visually-hidden') && e.className !== 'skip' && getComputedStyle(e).opacity !== '0')\
    .map((e) => [e, e.getBoundingClientRect()]).filter(([, box]) => box.width < 24 || box.height < 24)\
    .map(([e, box]) => `${e.outerHTML.slice(0, 80)} ${box.width}x${box.height}`)";
/// Whether the page is wider than the window, so that it must be scrolled in two directions (WCAG 1.4.10).
const IS_TOO_WIDE: &str = "document.documentElement.scrollWidth > innerWidth";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn every_view_is_accessible_at_any_width_in_light_and_dark() {
    let service = samples::varied_todos().await;
    let page = Page::open(&service).await;
    for color_scheme in ["light", "dark"] {
        for width in [320, 390, 768, 1280] {
            page.emulate(Emulation {
                width,
                color_scheme,
                ..Emulation::default()
            })
            .await;
            for view in ["#/", "#/completed", "#/month/2024-03-01", "#/export"] {
                page.go(view).await;
                if view == "#/export" {
                    page.until_shown("#jobs-none").await;
                }
                let state = format!("{view} {color_scheme} {width}");
                page.assert_accessible(&state).await;
                assert_eq!(page.value(SMALL_TARGETS).await, json!([]), "{state}");
                assert_eq!(page.value(IS_TOO_WIDE).await, false, "{state}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn every_state_of_the_list_is_accessible() {
    let service = Service::start().await;
    let page = Page::open(&service).await;
    for color_scheme in ["light", "dark"] {
        page.emulate(Emulation {
            color_scheme,
            ..Emulation::default()
        })
        .await;
        page.go("").await;
        page.until_shown("#todos-empty").await;
        page.assert_accessible(&format!("empty, {color_scheme}"))
            .await;
    }
    service.add_titles(&["One", "Two"]).await;
    for color_scheme in ["light", "dark"] {
        page.emulate(Emulation {
            color_scheme,
            ..Emulation::default()
        })
        .await;
        page.go("").await;
        page.edit("One").await;
        page.assert_accessible(&format!("editing, {color_scheme}"))
            .await;
        page.press(Key::Escape).await;
        page.click("#new-more").await;
        page.set("#new-title", &"x".repeat(90)).await;
        page.click("#new-add").await;
        page.assert_accessible(&format!("a title that is too long, {color_scheme}"))
            .await;
        page.delete("Two").await;
        page.assert_accessible(&format!("deleted, {color_scheme}"))
            .await;
        page.click(".notice-action").await;
        page.type_into("#search", "nothing").await;
        page.assert_accessible(&format!("nothing found, {color_scheme}"))
            .await;
        page.click("#open-help").await;
        page.assert_accessible(&format!("help, {color_scheme}"))
            .await;
        page.press(Key::Escape).await;
        page.run("sessionStorage.clear()").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn nothing_moves_with_reduced_motion() {
    let service = samples::varied_todos().await;
    let page = Page::open(&service).await;
    let moving = "[...document.querySelectorAll('*')].filter((e) => { const s = getComputedStyle(e); \
        return s.animationName !== 'none' || (s.transitionDuration.split(', ').some((d) => d !== '0s') && s.transitionProperty !== 'none'); }).length";
    assert_eq!(page.value(moving).await, 0);
    page.emulate(Emulation {
        reduced_motion: false,
        ..Emulation::default()
    })
    .await;
    assert!(page.value(moving).await.as_u64().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_focus_is_always_visible() {
    let service = samples::varied_todos().await;
    let page = Page::open(&service).await;
    for view in ["#/", "#/month/2024-03-01", "#/export"] {
        page.go(view).await;
        page.blur().await;
        for _ in 0..12 {
            page.press(Key::Tab).await;
            let is_visible = "(() => { const e = document.activeElement; if (e === document.body) return true; \
                const marked = e.matches('.new-todo') ? e.closest('.composer') : e.matches('.choice input') ? e.parentElement : e; \
                const s = getComputedStyle(marked); return s.outlineStyle !== 'none' || marked.matches('.composer'); })()";
            let element = page
                .value("document.activeElement.outerHTML.slice(0, 120)")
                .await;
            assert_eq!(page.value(is_visible).await, true, "{view} {element}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_skip_link_does_not_change_the_view_shown_after_a_reload() {
    let service = samples::varied_todos().await;
    let page = Page::open_at(&service, "#/completed").await;
    page.focus(".skip").await;
    page.press(Key::Enter).await;
    page.until_focused("#main").await;
    page.reload().await;
    page.until_titles(&["Done one"]).await;
    // an address that names an element and not a view shows the list
    page.run("location.hash = 'main'").await;
    page.reload().await;
    page.until_shown("#todos-view").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn every_live_region_is_rendered_before_it_has_text() {
    let service = samples::varied_todos().await;
    let page = Page::open(&service).await;
    page.until_has(".todo-title", "Done one").await;
    let is_rendered = |selector: &str| {
        format!(
            "((e) => e.textContent.trim() === '' && e.checkVisibility() && e.closest('[role=status], [aria-live]') !== null)(document.querySelector('{selector}'))"
        )
    };
    for selector in [
        "#connection",
        "#todos-none",
        "[aria-live]:has(#unsaved)",
        "#notices",
    ] {
        assert_eq!(page.value(&is_rendered(selector)).await, true, "{selector}");
    }
    page.go("#/export").await;
    assert_eq!(page.value(&is_rendered("#job-announcement")).await, true);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_chosen_option_is_visible_in_forced_colours() {
    let service = Service::start().await;
    let page = Page::open_at(&service, "#/export").await;
    let features = json!({ "features": [{ "name": "forced-colors", "value": "active" }] });
    page.devtools("Emulation.setEmulatedMedia", features).await;
    let outlines = "[...document.querySelectorAll('[name=component]')].map((e) => getComputedStyle(e.parentElement).outlineStyle)";
    assert_eq!(page.value(outlines).await, json!(["solid", "none", "none"]));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_notice_does_not_cover_the_focused_element() {
    let service = Service::start().await;
    service.add_numbered(30).await;
    let page = Page::open(&service).await;
    page.focus_part("Todo 29", ".toggle").await;
    page.press(Key::Delete).await;
    page.until_has(".notice", "Deleted").await;
    let is_uncovered = "document.activeElement.getBoundingClientRect().bottom <= document.querySelector('.notice').getBoundingClientRect().top";
    for _ in 0..20 {
        page.press(Key::Down).await;
        assert_eq!(page.value(is_uncovered).await, true);
    }
}
