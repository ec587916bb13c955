//! Content that must not run, the policy that prevents it, and pages of other sites.

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

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_page_of_another_site_changes_nothing() {
    let service = Service::start().await;
    service.add_titles(&["Mine"]).await;
    let page = Page::prepare(&service).await;
    let driver = page.driver();
    // health checks are answered under any name, so this is a page of another site
    let evil = service.url.replace("localhost", "evil.example");
    driver.goto(evil + "/livez").await.unwrap();
    // each is fulfilled when the API has answered, although the page does not see the response
    let requests = format!(
        "const post = (path, body) => fetch('{}/api/v1/' + path, {{ method: 'POST', mode: 'no-cors', body }}); \
         const todo = JSON.stringify({{ title: 'Theirs' }}); \
         Promise.all([post('todos', todo), post('todos', new Blob([todo])), post('todos/ical')]) \
           .then(() => arguments[0]('sent'), (error) => arguments[0](String(error)));",
        service.url
    );
    let outcome = driver.execute_async(requests, Vec::new()).await.unwrap();
    assert_eq!(outcome.json(), "sent");

    let form = format!(
        "document.body.innerHTML = '<form method=post action={}/api/v1/todos/ical>'; document.forms[0].submit();",
        service.url
    );
    page.run(&form).await;
    page.until("document.body.textContent.includes('a page of another site sent this request')")
        .await;
    assert_eq!(service.titles().await, ["Mine"]);
    assert_eq!(service.call("GET", "todos/ical", None).await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_name_of_another_site_that_resolves_to_the_api_shows_nothing() {
    let service = Service::start().await;
    service.add_titles(&["Mine"]).await;
    let page = Page::prepare(&service).await;
    let rebound = service.url.replace("localhost", "evil.example");
    for path in ["", "/api/v1/todos"] {
        let url = format!("{rebound}{path}");
        page.driver().goto(url).await.unwrap();
        page.until(
            "document.body.textContent.includes('evil.example is not a host of this service')",
        )
        .await;
    }
}
