//! How the page starts: without a network, or in part.

use serde_json::json;

use crate::support::{Look, Page, Service};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_page_opens_without_a_network_and_says_so() {
    let mut service = Service::start().await;
    service.add_titles(&["Remembered"]).await;
    let page = Page::open(&service).await;
    page.until_titles(&["Remembered"]).await;
    page.wait_until_offline_works().await;
    service.stop_api();
    page.reload().await;
    page.until_titles(&["Remembered"]).await;
    page.until_has("#connection", "You see your todos as of")
        .await;
    page.go("#/month").await;
    page.until("!document.querySelector('#month-view').hidden")
        .await;
    service.start_api().await;
    page.until("document.querySelector('#connection').textContent === ''")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_page_that_comes_in_part_says_so() {
    let service = Service::start().await;
    let page = Page::prepare(&service, Look::default()).await;
    page.devtools("Network.enable", json!({})).await;
    page.devtools("Network.setBlockedURLs", json!({ "urls": ["*/route.js"] }))
        .await;
    page.driver().goto(&service.url).await.unwrap();
    let too_early = "performance.now() < 4000 && getComputedStyle(document.querySelector('#not-started')).visibility !== 'hidden'";
    assert_eq!(page.value(too_early).await, false, "it may only be slow");
    page.until_has("#not-started", "Load it again").await;
    page.devtools("Network.setBlockedURLs", json!({ "urls": [] }))
        .await;
    page.go("").await;
    page.until("document.querySelector('#not-started') === null")
        .await;
}
