//! The API's documentation in the browser.

use crate::support::{Look, Page, Service};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn swagger_ui_shows_every_operation_and_tries_one_without_asking_anyone_else() {
    let service = Service::start().await;
    service.add_titles(&["Tried out"]).await;
    let page = Page::prepare(&service, Look::default()).await;
    page.driver()
        .goto(format!("{}/docs", service.url))
        .await
        .unwrap();
    page.until("document.querySelectorAll('.opblock').length === 20")
        .await;
    page.until_has(".info", "TaskOverflow").await;
    page.click("#operations-Todos-list_todos .opblock-summary-control")
        .await;
    page.click("#operations-Todos-list_todos .try-out__btn")
        .await;
    page.click("#operations-Todos-list_todos .execute").await;
    page.until_has(
        "#operations-Todos-list_todos .live-responses-table",
        "Tried out",
    )
    .await;
    let elsewhere = "performance.getEntriesByType('resource').filter((r) => !r.name.startsWith(location.origin) && !r.name.startsWith('data:')).length";
    assert_eq!(page.value(elsewhere).await, 0);
}
