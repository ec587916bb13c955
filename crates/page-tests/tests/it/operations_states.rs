//! The page for operators in every state: without a connection, with reduced motion, with markup in texts.

use serde_json::json;

use crate::support::{Emulation, Page, Service, fetch};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn when_the_connection_is_lost_the_page_says_from_when_its_numbers_are_and_reconnects() {
    let mut service = Service::start().await;
    let page = Page::open_operations(&service).await;
    service.stop_api();
    page.until_has("#connection", "The numbers are from").await;
    page.until_text("#live", "Not connected").await;
    page.until_count("body.is-old", 1).await;
    page.assert_accessible("not connected").await;
    service.start_api().await;
    page.until_live().await;
    page.until_connected().await;
    page.until_has(".notice", "Connected again.").await;
    page.until_count("body.is-old", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_server_without_the_database_shows_old_numbers_as_old() {
    let service = Service::start().await;
    let page = Page::prepare(&service).await;
    let snapshot = service.call("GET", "operations", None).await;
    let mut old = snapshot.clone();
    old["error"] = json!("the database does not answer");
    page.run_at_start(&fetch::replace(
        "String(url).endsWith('/live')",
        &format!(
            "Promise.resolve(new Response(new ReadableStream({{ start(c) {{ c.enqueue(new TextEncoder().encode('data: ' + {} + '\\n\\n')); }} }})))",
            json!(old.to_string())
        ),
    ))
    .await;
    page.go_to_operations("").await;
    page.until_has(
        "#connection",
        "The database does not answer. The numbers are from",
    )
    .await;
    page.until_text("#live", "Old numbers").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn dots_move_for_jobs_but_not_with_reduced_motion() {
    let service = Service::start().await;
    let emulation = Emulation {
        reduced_motion: false,
        ..Emulation::default()
    };
    let page = Page::open_operations_with(&service, emulation, "").await;
    let dots = "document.querySelectorAll('#pipeline-dots .dot[visibility=visible]').length";
    service.call("POST", "todos/ical", Some(json!({}))).await;
    page.until(&format!("{dots} > 0")).await;
    page.until_text("#dot-hint", "Each dot is one job.").await;

    drop(page);
    let page = Page::open_operations(&service).await;
    let completed = "Number(document.querySelector('[data-value=completed]').textContent)";
    let before = page.value(completed).await.as_u64().unwrap();
    service.call("POST", "todos/ical", Some(json!({}))).await;
    page.until(&format!("{completed} > {before}")).await;
    page.until_count("#pipeline-dots .dot", 0).await;
    page.until_text("#dot-hint", "").await;
    let moving = "document.getAnimations().length";
    assert_eq!(page.value(moving).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn markup_in_an_error_is_shown_as_text_and_nothing_violates_the_content_policy() {
    let service = Service::start().await;
    let page = Page::prepare(&service).await;
    page.run_at_start("window.violations = []; addEventListener('securitypolicyviolation', (event) => window.violations.push(`${event.violatedDirective}: ${event.sourceFile} ${event.sample}`));")
        .await;
    let markup = "<img src=x onerror=document.title='pwned'>";
    let job = json!([{
        "task_id": markup, "task_status": "FAILURE", "attempt": 1, "created_at": "2026-01-01T00:00:00Z", "started_at": null,
        "finished_at": "2026-01-01T00:00:01Z", "error": { "code": markup, "detail": markup, "cause": markup },
        "worker": { "id": 1, "host": markup }, "token_name": null, "trace_id": null,
    }]);
    page.run_at_start(&fetch::replace(
        "String(url).includes('/operations/jobs')",
        &format!(
            "Promise.resolve(new Response({}, {{ headers: {{ 'Content-Type': 'application/json' }} }}))",
            json!(job.to_string())
        ),
    ))
    .await;
    page.go_to_operations("").await;
    page.until_live().await;
    page.until_text(".row-code", &format!("{markup}: {markup}"))
        .await;
    page.until_has(".row-facts", markup).await;
    page.until_count("main img", 0).await;
    page.until("document.title === 'Operations · TaskOverflow'")
        .await;
    assert_eq!(page.value("window.violations").await, json!([]));
}
