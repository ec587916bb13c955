//! Subscription links.

use crate::support::{Page, samples};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_subscription_link_is_shown_once_and_can_be_revoked() {
    let service = samples::three_todos(&[], &[]).await;
    let page = Page::open_at(&service, "#/export").await;
    page.type_into("#export-name", "Family").await;
    page.click("#subscribe").await;
    page.until_text(".feed-name", "Family").await;
    page.until_focused(".feed-url").await;
    page.assert_accessible("a subscription link is shown").await;
    let url = page
        .value("document.querySelector('.feed-url').value")
        .await;
    let webcal = page
        .value("document.querySelector('.feed .subscribe').href")
        .await;
    let url = url.as_str().unwrap();
    assert_eq!(webcal, url.replace("http://", "webcal://"));
    let calendar = reqwest::get(url).await.unwrap();
    assert_eq!(calendar.status(), 200);
    page.click(".feed .copy").await;
    page.until_has(".notice", "ink").await;

    page.reload().await;
    page.until_text(".feed-name", "Family").await;
    page.until_hidden(".feed-links").await;
    page.click(".feed .destroy").await;
    page.until_hidden("#feeds").await;
    assert_eq!(reqwest::get(url).await.unwrap().status(), 404);
}
