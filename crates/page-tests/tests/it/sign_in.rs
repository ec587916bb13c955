//! Signing in and out.

use serde_json::json;
use thirtyfour::Key;

use crate::support::{Engine, Page, Service};

const IS_ASKING: &str = "document.querySelector('#sign-in').open";
const IS_SIGNED_IN: &str = "!document.querySelector('#sign-in').open";
/// Everything that scripts of the page could read.
const STORED: &str = "document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + document.documentElement.outerHTML";
/// What stays in the browser when the page is closed.
const KEPT: &str = "JSON.stringify(localStorage) + JSON.stringify(sessionStorage)";

async fn sign_in(page: &Page, token: &str) {
    page.until(IS_ASKING).await;
    page.type_into("#token", token).await;
    page.press(Key::Enter).await;
    page.until(IS_SIGNED_IN).await;
}

/// Chooses "Sign out" and waits until the page asks for a token again.
async fn sign_out(page: &Page) {
    page.click("#open-help").await;
    page.click("#sign-out").await;
    page.until(IS_ASKING).await;
}

async fn assert_keeps_nothing(page: &Page, secret: &str) {
    let stored = page.value(STORED).await;
    assert!(!stored.as_str().unwrap().contains(secret), "{stored}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_visitor_enters_a_token_once_and_no_script_can_read_it() {
    let service = Service::start_with_tokens().await;
    service.add_titles(&["One"]).await;
    let token = service.new_token("visitor");
    let page = Page::open(&service).await;
    page.until(IS_ASKING).await;
    page.until_focused("#token").await;
    page.assert_accessible("signing in").await;
    page.until_titles(&[]).await;

    page.type_into("#token", "guess").await;
    page.press(Key::Enter).await;
    page.until_has("#sign-in-problem", "This token isn’t valid.")
        .await;
    page.assert_accessible("a wrong token").await;
    page.set("#token", "").await;
    sign_in(&page, &token).await;
    page.until_titles(&["One"]).await;
    page.reload().await;
    page.until_titles(&["One"]).await;
    page.add_todo("Two").await;
    service.until_titles(&["Two", "One"]).await;
    assert_eq!(page.value(IS_ASKING).await, json!(false));
    assert_keeps_nothing(&page, &token).await;
    assert_eq!(page.value("document.cookie").await, "");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn escape_does_not_close_the_question_for_a_token() {
    let service = Service::start_with_tokens().await;
    let page = Page::open(&service).await;
    page.until(IS_ASKING).await;
    for _ in 0..3 {
        page.press(Key::Escape).await;
        page.until(IS_ASKING).await;
    }
    sign_in(&page, &service.new_token("visitor")).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_page_whose_token_is_revoked_asks_again_and_loses_nothing() {
    let service = Service::start_with_tokens().await;
    let page = Page::open(&service).await;
    sign_in(&page, &service.new_token("first")).await;
    page.add_todo("One").await;
    page.until_titles(&["One"]).await;
    service.revoke("first");
    // the server may remember for a few seconds that the token was valid
    page.until("fetch('api/v1/todos').then(({ status }) => status === 401)")
        .await;
    page.add_todo("Two").await;
    sign_in(&page, &service.new_token("second")).await;
    let reason = "Not saved. You’re signed out.";
    page.until_has(".unsaved .reason", reason).await;
    page.reload().await;
    page.until_has(".unsaved .reason", reason).await;
    page.click(".unsaved .retry").await;
    page.until_titles(&["Two", "One"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_browser_whose_session_was_ended_keeps_no_todos_even_if_a_change_fails_later() {
    let service = Service::start_with_tokens().await;
    let page = Page::open(&service).await;
    sign_in(&page, &service.new_token("first")).await;
    page.add_todo("Private").await;
    page.until_titles(&["Private"]).await;
    page.until(&format!("({KEPT}).includes('Private')")).await;
    service.revoke("first");
    page.until("fetch('api/v1/todos').then(({ status }) => status === 401)")
        .await;
    let toggle = "document.querySelector('#todo-list .toggle')";
    for _ in 0..2 {
        page.run(&format!("{toggle}.click()")).await;
        page.until(IS_ASKING).await;
        page.until(&format!("!{toggle}.checked")).await;
        let kept = page.value(KEPT).await;
        assert!(!kept.as_str().unwrap().contains("Private"), "{kept}");
    }
    page.reload().await;
    page.until(IS_ASKING).await;
    assert_keeps_nothing(&page, "Private").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn signing_out_ends_the_session_and_deletes_what_the_browser_has_stored() {
    let service = Service::start_with_tokens().await;
    let token = service.new_token("visitor");
    let page = Page::open(&service).await;
    sign_in(&page, &token).await;
    page.add_todo("Private").await;
    page.until_titles(&["Private"]).await;
    sign_out(&page).await;
    assert_keeps_nothing(&page, "Private").await;
    page.until_hidden("#session").await;
    let status = "fetch('api/v1/todos').then(({ status }) => status)";
    assert_eq!(page.value(status).await, 401);
    sign_in(&page, &token).await;
    page.until_titles(&["Private"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn signing_in_in_one_tab_signs_in_the_others() {
    let service = Service::start_with_tokens().await;
    service.add_titles(&["One"]).await;
    let page = Page::open(&service).await;
    page.until(IS_ASKING).await;
    let (first, _) = page.open_second_tab().await;
    sign_in(&page, &service.new_token("visitor")).await;
    page.switch_to(&first).await;
    page.until(IS_SIGNED_IN).await;
    page.until_titles(&["One"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs firefox"]
async fn signing_in_and_out_works_in_firefox() {
    test_in(Engine::Firefox).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs webkit"]
async fn signing_in_and_out_works_in_webkit() {
    test_in(Engine::WebKit).await;
}

async fn test_in(engine: Engine) {
    let service = Service::start_with_tokens().await;
    service.add_titles(&["One"]).await;
    let token = service.new_token("visitor");
    let page = Page::open_in(engine, &service).await;
    for _ in 0..2 {
        sign_in(&page, &token).await;
        page.until_titles(&["One"]).await;
        page.press(Key::Escape).await;
        sign_out(&page).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn without_tokens_there_is_nothing_to_sign_out_of() {
    let service = Service::start().await;
    let page = Page::open(&service).await;
    page.click("#open-help").await;
    page.until_hidden("#session").await;
    assert_eq!(page.value(IS_ASKING).await, json!(false));
}
