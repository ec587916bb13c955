//! Content that must not run, and the policy that prevents it.

use serde_json::json;
use thirtyfour::Key;

use crate::support::{Page, Service, samples};

const SCRIPT: &str = "<script>document.title='pwned'</script>";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn markup_in_a_todo_is_shown_as_text() {
    let service = Service::start().await;
    let image = "<img src=x onerror=document.title='pwned'>";
    service
        .add(json!({ "title": SCRIPT, "description": image, "deadline_at": "2031-05-05T10:00:00" }))
        .await;
    let page = Page::open(&service).await;
    page.until_titles(&[SCRIPT]).await;
    page.until_text(".todo-description", image).await;
    page.edit(SCRIPT).await;
    page.until_focused(".edit").await;
    page.press(Key::Escape).await;
    page.delete(SCRIPT).await;
    page.until_has(".notice", "<script>").await;
    page.click(".notice-action").await;
    page.go("#/month/2031-05-05").await;
    page.until_titles_in("#day-list", &[SCRIPT]).await;
    page.until_count("main img, main script", 0).await;
    page.until("document.title === 'Month · TaskOverflow'")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn nothing_violates_the_content_security_policy() {
    let service = samples::varied_todos().await;
    let page = Page::prepare(&service).await;
    page.run_at_start("window.violations = []; addEventListener('securitypolicyviolation', (event) => window.violations.push(`${event.violatedDirective}: ${event.sourceFile} ${event.sample}`));")
        .await;
    page.go("").await;
    page.edit("Done one").await;
    page.press(Key::Escape).await;
    page.delete("Done one").await;
    page.click(".notice-action").await;
    page.click("#open-help").await;
    page.press(Key::Escape).await;
    page.click("[data-view=month]").await;
    page.click("#month-next").await;
    page.click("[data-view=export]").await;
    page.create_calendar().await;
    page.until_job("Done").await;
    page.click("#subscribe").await;
    page.until_focused(".feed-url").await;
    page.wait_until_offline_works().await;
    assert_eq!(page.value("window.violations").await, json!([]));
    // a violation would have been noticed
    page.run(
        "document.body.append(Object.assign(document.createElement('img'), { src: 'data:,' }))",
    )
    .await;
    page.until("window.violations.length === 1").await;
}
