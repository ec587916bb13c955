//! The pictures of the page. `.ci/page-tests --keep-pictures` makes them those in `docs/images`.

use std::time::SystemTime;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::support::{Look, Page, Service, target};

const LIMIT_BYTES: u64 = 150_000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_page_is_pictured_on_a_phone_and_on_a_desk_in_light_and_dark() {
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
    let folder = target().join("page-tests/pictures");
    std::fs::create_dir_all(&folder).unwrap();
    let page = Page::open(&service).await;
    page.devtools("Emulation.setScrollbarsHidden", json!({ "hidden": true }))
        .await;
    for (width, height) in [(390, 844), (1280, 900)] {
        for scheme in ["light", "dark"] {
            page.look_as(Look {
                width,
                height,
                scheme,
                ..Look::default()
            })
            .await;
            page.go(if width < 600 { "#/" } else { "#/month" }).await;
            page.until("document.querySelectorAll('.todo, .chip').length > 3")
                .await;
            // the caret blinks
            page.driver()
                .execute("document.activeElement.blur()", Vec::new())
                .await
                .unwrap();
            let file = folder.join(format!("page-{width}-{scheme}.png"));
            page.driver().screenshot(&file).await.unwrap();
            let bytes = std::fs::metadata(&file).unwrap().len();
            assert!(bytes < LIMIT_BYTES, "{}: {bytes} bytes", file.display());
        }
    }
}
