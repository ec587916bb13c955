//! Screenshots of the page. `.ci/page-tests --keep-pictures` copies them to `docs/images`.

use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::support::{Emulation, Page, Service, recorded, target};

/// The largest acceptable image file.
const LIMIT_BYTES: u64 = 200_000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_page_is_photographed_on_a_phone_and_a_desktop_in_light_and_dark() {
    let service = Service::start().await;
    let now = DateTime::<Utc>::from(SystemTime::now());
    let todos = [
        (
            "Read “Designing Data-Intensive Applications”",
            None,
            true,
            None,
        ),
        (
            "Replace the bicycle tyre",
            Some("28″, 37 mm; the shop has them in stock"),
            false,
            Some(24 * 9),
        ),
        (
            "Call grandmother 🎂",
            Some("She turns 90"),
            false,
            Some(24 * 7),
        ),
        (
            "Prepare the talk on queues",
            Some("At-least-once, and why that is enough"),
            false,
            Some(24 * 5),
        ),
        (
            "Book the train to Zürich",
            Some("Window seat, quiet car"),
            false,
            Some(24 * 2),
        ),
        ("Return the library books", None, false, Some(-26)),
        (
            "Water the plants",
            Some("The fern twice a week"),
            false,
            Some(6),
        ),
    ];
    for (title, description, completed, hours) in todos {
        let deadline = hours.map(|hours| {
            (now + TimeDelta::hours(hours))
                .format("%Y-%m-%dT%H:00:00")
                .to_string()
        });
        service
            .add(json!({ "title": title, "description": description, "completed": completed, "deadline_at": deadline }))
            .await;
    }
    let page = Page::open(&service).await;
    hide_scrollbars(&page).await;
    for (width, height) in [(390, 844), (1280, 900)] {
        for color_scheme in ["light", "dark"] {
            page.emulate(Emulation {
                width,
                height,
                color_scheme,
                ..Emulation::default()
            })
            .await;
            page.go(if width < 600 { "#/" } else { "#/month" }).await;
            page.until("document.querySelectorAll('.todo, .chip').length > 3")
                .await;
            // hides the blinking caret
            page.blur().await;
            photograph(&page, &format!("page-{width}-{color_scheme}.png")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_page_for_operators_is_photographed_in_light_and_dark() {
    let service = Service::start().await;
    let page = Page::prepare(&service).await;
    hide_scrollbars(&page).await;
    let now = DateTime::<Utc>::from(SystemTime::now());
    let busy = recorded::replay(&recorded::snapshot(now), &recorded::activity(now));
    page.run_at_start(&busy).await;
    for color_scheme in ["light", "dark"] {
        page.emulate(Emulation {
            width: 1120,
            height: 1240,
            color_scheme,
            reduced_motion: false,
            ..Emulation::default()
        })
        .await;
        page.go_to_operations("").await;
        page.until_live().await;
        page.until_count(".plot", 3).await;
        page.until("document.querySelectorAll('.plot .line').length === 20 && document.querySelectorAll('.dot[visibility=visible]').length > 16")
            .await;
        photograph(&page, &format!("page-operations-{color_scheme}.png")).await;
    }
}

async fn hide_scrollbars(page: &Page) {
    page.devtools("Emulation.setScrollbarsHidden", json!({ "hidden": true }))
        .await;
}

/// Saves a picture of what the window shows, which must not be too large.
async fn photograph(page: &Page, name: &str) {
    let folder = target().join("page-tests/pictures");
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join(name);
    page.driver().screenshot(&file).await.unwrap();
    let bytes = std::fs::metadata(&file).unwrap().len();
    assert!(bytes < LIMIT_BYTES, "{}: {bytes} bytes", file.display());
}
