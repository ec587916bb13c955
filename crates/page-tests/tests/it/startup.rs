//! How the page starts without a network, or when only a part of it loads.

use serde_json::json;

use crate::support::{Page, Service};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_page_opens_without_a_network_and_says_so() {
    let mut service = Service::start().await;
    service.add_titles(&["Stored"]).await;
    let page = Page::open(&service).await;
    page.until_titles(&["Stored"]).await;
    page.wait_until_offline_works().await;
    service.stop_api();
    page.reload().await;
    page.until_titles(&["Stored"]).await;
    page.until_has("#connection", "Showing your todos as of")
        .await;
    page.go("#/month").await;
    page.until_shown("#month-view").await;
    service.start_api().await;
    page.until_connected().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_page_that_loads_only_in_part_says_so() {
    let service = Service::start().await;
    let page = Page::prepare(&service).await;
    page.devtools("Network.enable", json!({})).await;
    page.devtools("Network.setBlockedURLs", json!({ "urls": ["*/route.js"] }))
        .await;
    page.driver().goto(&service.url).await.unwrap();
    let is_too_early = "performance.now() < 4000 && getComputedStyle(document.querySelector('#not-started')).visibility !== 'hidden'";
    assert_eq!(
        page.value(is_too_early).await,
        false,
        "the page may only be slow"
    );
    page.until_has("#not-started", "Try reloading").await;
    page.devtools("Network.setBlockedURLs", json!({ "urls": [] }))
        .await;
    page.go("").await;
    page.until_count("#not-started", 0).await;
}
