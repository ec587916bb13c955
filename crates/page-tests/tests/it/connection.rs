//! A server that can't be reached or fails.

use thirtyfour::Key;

use crate::support::{Page, Service, fetch, samples};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn nothing_typed_is_lost_when_the_server_goes_away() {
    let mut service = Service::start().await;
    service.add_titles(&["Edit me", "Toggle me"]).await;
    let page = Page::open(&service).await;
    page.until_titles(&["Toggle me", "Edit me"]).await;
    page.edit("Edit me").await;
    page.until_focused(".edit").await;
    service.stop_api();

    page.press(" well" + Key::Enter).await;
    page.until_text(
        ".editor .problem",
        "Not saved. The server can’t be reached.",
    )
    .await;
    page.until_has(
        "#connection",
        "The server can’t be reached. Showing your todos as of",
    )
    .await;
    page.until_value(".edit", "Edit me well").await;
    page.toggle("Toggle me").await;
    page.until_has(".notice", "Couldn’t change “Toggle me”.")
        .await;
    page.until_count(".todo.completed", 0).await;
    page.add_todo("New meanwhile").await;
    page.until_has(
        ".unsaved .reason",
        "This todo may not have been saved. The server can’t be reached.",
    )
    .await;
    page.until_value("#new-title", "").await;
    page.focus(".unsaved .retry").await;
    page.press(Key::Enter).await;
    page.until("!document.querySelector('.unsaved .retry').disabled")
        .await;
    page.until_focused(".unsaved .retry").await;
    page.assert_accessible("the server is away").await;

    service.start_api().await;
    page.until_connected().await;
    page.until_has(".notice", "Connected again.").await;
    page.click(".unsaved .retry").await;
    page.until_hidden("#unsaved").await;
    page.click(".editor .save").await;
    page.until_titles(&["New meanwhile", "Toggle me", "Edit me well"])
        .await;
    service
        .until_titles(&["New meanwhile", "Toggle me", "Edit me well"])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_list_that_fails_to_load_is_reported_until_it_loads() {
    let service = Service::start().await;
    service.add_titles(&["Behind it"]).await;
    let page = Page::prepare(&service).await;
    let fail = fetch::fail(
        "window.isBroken && String(url).endsWith('/todos') && options.method === 'GET'",
        500,
    );
    page.run_at_start(&format!("window.isBroken = true; {fail}"))
        .await;
    page.go("").await;
    let problem = "Couldn’t load your todos. The server responded with error 500.";
    page.until_text("#connection", problem).await;
    // a successful response to another request does not remove the problem
    page.add_todo("New").await;
    page.until_titles(&["New"]).await;
    page.until_text("#connection", problem).await;
    page.until_no_notice().await;
    page.run("window.isBroken = false; dispatchEvent(new Event('online'))")
        .await;
    page.until_titles(&["New", "Behind it"]).await;
    page.until_connected().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_export_view_loads_once_the_server_is_back() {
    let mut service = samples::three_todos(&[], &[]).await;
    let page = Page::open(&service).await;
    service.stop_api();
    page.click("[data-view=export]").await;
    page.until_has("#connection", "The server can’t be reached.")
        .await;
    service.start_api().await;
    page.until_shown("#jobs-none").await;
    page.until_shown("#subscribe").await;
}
