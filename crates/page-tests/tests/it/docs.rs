//! The API documentation in the browser.

use serde_json::json;

use crate::support::{Page, Service};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn swagger_ui_lists_every_operation_and_runs_one_without_another_server() {
    let service = Service::start().await;
    service.add_titles(&["Tried out"]).await;
    let page = Page::prepare(&service).await;
    page.driver()
        .goto(format!("{}/docs", service.url))
        .await
        .unwrap();
    let operations = "fetch('api/v1/openapi.json').then((response) => response.json())\
        .then(({ paths }) => Object.values(paths).reduce((sum, path) => sum + Object.keys(path).filter((key) => /^(get|head|post|put|patch|delete)$/.test(key)).length, 0))";
    let operations = page.value(operations).await.as_u64().unwrap();
    assert!(operations > 20, "{operations} operations");
    page.until_count(".opblock", usize::try_from(operations).unwrap())
        .await;
    page.until_has(".info", "TaskOverflow").await;
    let links = "[...document.querySelectorAll('nav a')].map(({ href }) => href.replace(location.origin, ''))";
    assert_eq!(page.value(links).await, json!(["/", "/operations"]));
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
    let to_other_servers = "performance.getEntriesByType('resource').filter((r) => !r.name.startsWith(location.origin) && !r.name.startsWith('data:')).length";
    assert_eq!(page.value(to_other_servers).await, 0);
}
