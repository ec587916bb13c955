//! Tokens on the page for operators.

use crate::support::{Page, Service};

const IS_ASKING: &str = "document.querySelector('#sign-in').open";
/// The status of a call for operators.
const STATUS: &str = "fetch('api/v1/operations').then(({ status }) => status)";

async fn sign_in(page: &Page, token: &str) {
    page.sign_in_as_operator(token).await;
    page.until(&format!("!{IS_ASKING}")).await;
    page.until_live().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn an_operator_signs_in_and_out() {
    let service = Service::start_with_tokens().await;
    let page = Page::prepare(&service).await;
    page.go_to_operations("").await;
    page.until(IS_ASKING).await;
    page.until_focused("#token").await;
    page.assert_accessible("signing in").await;
    page.until_number("waiting", "–").await;
    page.sign_in_as_operator("guess").await;
    page.until_text("#sign-in-problem", "This token isn’t valid.")
        .await;
    page.set("#token", "").await;
    page.sign_in_as_operator(&service.new_token("visitor"))
        .await;
    page.until_text(
        "#sign-in-problem",
        "The token does not allow this request, which needs the scope operator.",
    )
    .await;
    page.until_focused("#token").await;
    page.assert_accessible("a token without the scope").await;
    page.set("#token", "").await;
    sign_in(&page, &service.new_operator_token("grace")).await;
    page.click("#pause").await;
    page.confirm().await;
    page.until_has("#paused", "by grace").await;
    assert_eq!(page.value("document.cookie").await, "");
    page.driver().refresh().await.unwrap();
    page.until_live().await;
    page.click("#sign-out").await;
    page.until(IS_ASKING).await;
    assert_eq!(page.value(STATUS).await, 401);
    page.until_hidden("#sign-out").await;
    page.until_number("waiting", "–").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_page_whose_token_is_revoked_asks_again_and_goes_on() {
    let service = Service::start_with_tokens().await;
    let page = Page::prepare(&service).await;
    page.go_to_operations("").await;
    sign_in(&page, &service.new_operator_token("first")).await;
    service.revoke("first");
    // the server looks at the token of a stream every few seconds
    page.until(IS_ASKING).await;
    page.until_text("#live", "Not signed in").await;
    page.until_hidden("#sign-out").await;
    sign_in(&page, &service.new_operator_token("second")).await;
    page.until_shown("#sign-out").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_browser_is_signed_in_for_todos_and_as_an_operator_separately() {
    let service = Service::start_with_tokens().await;
    let page = Page::open(&service).await;
    page.sign_in_as_operator(&service.new_token("visitor"))
        .await;
    page.until(&format!("!{IS_ASKING}")).await;
    page.go_to_operations("").await;
    sign_in(&page, &service.new_operator_token("grace")).await;
    page.click("#sign-out").await;
    page.until(IS_ASKING).await;
    page.go("").await;
    page.add_todo("Still signed in").await;
    page.until_titles(&["Still signed in"]).await;
    assert_eq!(page.value(IS_ASKING).await, false);
}
