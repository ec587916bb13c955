//! The page for everyone: WCAG 2.2 AA, as far as a program can tell.

use serde_json::json;
use thirtyfour::Key;

use crate::support::{Look, Page, Service};

/// Elements that are operated, smaller than 24 by 24 pixels (WCAG 2.5.8). Links within sentences are exempt.
const SMALL_TARGETS: &str = "[...document.querySelectorAll('a, button, input, select, textarea, summary, td')]\
    .filter((e) => e.offsetParent && !e.closest('p') && !e.closest('.visually-hidden') && e.className !== 'skip' && getComputedStyle(e).opacity !== '0')\
    .map((e) => [e, e.getBoundingClientRect()]).filter(([, box]) => box.width < 24 || box.height < 24)\
    .map(([e, box]) => `${e.outerHTML.slice(0, 80)} ${box.width}x${box.height}`)";
/// Wider than the window, so that one has to scroll both ways (WCAG 1.4.10).
const IS_TOO_WIDE: &str = "document.documentElement.scrollWidth > innerWidth";

async fn with_todos() -> Service {
    let service = Service::start().await;
    service
        .add(json!({ "title": "Overdue one", "deadline_at": "2024-03-01T08:00:00" }))
        .await;
    service
        .add(json!({ "title": "Done one", "description": "With a note", "completed": true }))
        .await;
    service
        .add(json!({ "title": "W".repeat(80), "description": "x".repeat(120) }))
        .await;
    service
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn every_view_is_accessible_at_any_width_in_light_and_dark() {
    let service = with_todos().await;
    let page = Page::open(&service).await;
    for scheme in ["light", "dark"] {
        for width in [320, 390, 768, 1280] {
            page.look_as(Look {
                width,
                scheme,
                ..Look::default()
            })
            .await;
            for place in ["#/", "#/completed", "#/month/2024-03-01", "#/export"] {
                page.go(place).await;
                if place == "#/export" {
                    page.until("!document.querySelector('#jobs-none').hidden")
                        .await;
                }
                let state = format!("{place} {scheme} {width}");
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
    for scheme in ["light", "dark"] {
        page.look_as(Look {
            scheme,
            ..Look::default()
        })
        .await;
        page.go("").await;
        page.until("!document.querySelector('#todos-empty').hidden")
            .await;
        page.assert_accessible(&format!("empty, {scheme}")).await;
    }
    service.add_titles(&["One", "Two"]).await;
    for scheme in ["light", "dark"] {
        page.look_as(Look {
            scheme,
            ..Look::default()
        })
        .await;
        page.go("").await;
        page.part_of("One", ".edit-button")
            .await
            .click()
            .await
            .unwrap();
        page.assert_accessible(&format!("editing, {scheme}")).await;
        page.press(Key::Escape).await;
        page.click("#new-more").await;
        page.set("#new-title", &"x".repeat(90)).await;
        page.click("#new-add").await;
        page.assert_accessible(&format!("a title that is too long, {scheme}"))
            .await;
        page.part_of("Two", ".destroy").await.click().await.unwrap();
        page.assert_accessible(&format!("deleted, {scheme}")).await;
        page.click(".notice-action").await;
        page.type_into("#search", "nothing").await;
        page.assert_accessible(&format!("nothing found, {scheme}"))
            .await;
        page.click("#open-help").await;
        page.assert_accessible(&format!("help, {scheme}")).await;
        page.press(Key::Escape).await;
        page.driver()
            .execute("sessionStorage.clear()", Vec::new())
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn single_key_shortcuts_work_and_can_be_switched_off() {
    let service = with_todos().await;
    let page = Page::open(&service).await;
    page.driver()
        .execute("document.activeElement.blur()", Vec::new())
        .await
        .unwrap();
    page.press("m").await;
    page.until("!document.querySelector('#month-view').hidden")
        .await;
    page.press("x").await;
    page.until("!document.querySelector('#export-view').hidden")
        .await;
    page.press("n").await;
    page.until_focused("#new-title").await;
    // in a field a letter is a letter
    page.press("m?").await;
    page.until("document.querySelector('#new-title').value === 'm?'")
        .await;
    page.driver()
        .execute("document.activeElement.blur()", Vec::new())
        .await
        .unwrap();
    page.press("/").await;
    page.until_focused("#search").await;
    page.driver()
        .execute("document.activeElement.blur()", Vec::new())
        .await
        .unwrap();
    page.press("?").await;
    page.until("document.querySelector('#help').open").await;
    page.click("#single-keys").await;
    page.press(Key::Escape).await;
    let place = "location.hash";
    assert_eq!(page.value(place).await, "#/");
    page.press("m").await;
    assert_eq!(page.value(place).await, "#/");
    page.reload().await;
    page.driver()
        .execute("document.activeElement.blur()", Vec::new())
        .await
        .unwrap();
    page.press("m").await;
    assert_eq!(page.value(place).await, "#/");

    // a delete is taken back all the same
    let titles = service.titles().await;
    page.click(".destroy").await;
    page.until_has(".notice", "Deleted").await;
    let undo = page.driver().action_chain().key_down(Key::Control);
    let undo = undo.send_keys("z").key_up(Key::Control);
    undo.perform().await.unwrap();
    page.until_has(".notice", "is back.").await;
    page.until(&format!(
        "document.querySelectorAll('#todo-list .todo').length === {}",
        titles.len()
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn nothing_moves_for_who_wants_less_motion() {
    let service = with_todos().await;
    let page = Page::open(&service).await;
    let moving = "[...document.querySelectorAll('*')].filter((e) => { const s = getComputedStyle(e); \
        return s.animationName !== 'none' || (s.transitionDuration.split(', ').some((d) => d !== '0s') && s.transitionProperty !== 'none'); }).length";
    assert_eq!(page.value(moving).await, 0);
    page.look_as(Look {
        less_motion: false,
        ..Look::default()
    })
    .await;
    assert!(page.value(moving).await.as_u64().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_focus_is_always_seen() {
    let service = with_todos().await;
    let page = Page::open(&service).await;
    for place in ["#/", "#/month/2024-03-01", "#/export"] {
        page.go(place).await;
        page.driver()
            .execute("document.activeElement.blur()", Vec::new())
            .await
            .unwrap();
        for _ in 0..12 {
            page.press(Key::Tab).await;
            let seen = "(() => { const e = document.activeElement; if (e === document.body) return true; \
                const marked = e.matches('.new-todo') ? e.closest('.composer') : e.matches('.choice input') ? e.parentElement : e; \
                const s = getComputedStyle(marked); return s.outlineStyle !== 'none' || marked.matches('.composer'); })()";
            let element = page
                .value("document.activeElement.outerHTML.slice(0, 120)")
                .await;
            assert_eq!(page.value(seen).await, true, "{place} {element}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_skip_link_leaves_the_address_so_that_a_reload_shows_the_same() {
    let service = with_todos().await;
    let page = Page::open_at(&service, "#/completed").await;
    page.run("document.querySelector('.skip').focus()").await;
    page.press(Key::Enter).await;
    page.until_focused("#main").await;
    page.reload().await;
    page.until_titles(&["Done one"]).await;
    // and a place in the page that is no view is in the list
    page.run("location.hash = 'main'").await;
    page.reload().await;
    page.until("!document.querySelector('#todos-view').hidden")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn what_is_said_has_a_place_before_it_is_said() {
    let service = with_todos().await;
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
    assert_eq!(page.value(&is_rendered("#job-news")).await, true);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_choice_shows_in_forced_colours() {
    let service = Service::start().await;
    let page = Page::open_at(&service, "#/export").await;
    let features = json!({ "features": [{ "name": "forced-colors", "value": "active" }] });
    page.devtools("Emulation.setEmulatedMedia", features).await;
    let outlines = "[...document.querySelectorAll('[name=component]')].map((e) => getComputedStyle(e.parentElement).outlineStyle)";
    assert_eq!(page.value(outlines).await, json!(["solid", "none", "none"]));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_notice_does_not_cover_what_has_the_focus() {
    let service = Service::start().await;
    let titles: Vec<String> = (0..30).map(|number| format!("Todo {number}")).collect();
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    service.add_titles(&titles).await;
    let page = Page::open(&service).await;
    page.part_of("Todo 29", ".toggle")
        .await
        .focus()
        .await
        .unwrap();
    page.press(Key::Delete).await;
    page.until_has(".notice", "Deleted").await;
    let is_free = "document.activeElement.getBoundingClientRect().bottom <= document.querySelector('.notice').getBoundingClientRect().top";
    for _ in 0..20 {
        page.press(Key::Down).await;
        assert_eq!(page.value(is_free).await, true);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn nothing_goes_against_the_policy_of_the_page() {
    let service = with_todos().await;
    let page = Page::prepare(&service, Look::default()).await;
    page.run_at_start("window.against = []; addEventListener('securitypolicyviolation', (event) => window.against.push(`${event.violatedDirective}: ${event.sourceFile} ${event.sample}`));")
        .await;
    page.go("").await;
    page.part_of("Done one", ".edit-button")
        .await
        .click()
        .await
        .unwrap();
    page.press(Key::Escape).await;
    page.part_of("Done one", ".destroy")
        .await
        .click()
        .await
        .unwrap();
    page.click(".notice-action").await;
    page.click("#open-help").await;
    page.press(Key::Escape).await;
    page.click("[data-view=month]").await;
    page.click("#month-next").await;
    page.click("[data-view=export]").await;
    page.click("#export-form [type=submit]").await;
    page.until_has(".job .badge", "Done").await;
    page.click("#subscribe").await;
    page.until_focused(".feed-url").await;
    page.wait_until_offline_works().await;
    assert_eq!(page.value("window.against").await, json!([]));
    // and what does is seen here
    page.run(
        "document.body.append(Object.assign(document.createElement('img'), { src: 'data:,' }))",
    )
    .await;
    page.until("window.against.length === 1").await;
}
