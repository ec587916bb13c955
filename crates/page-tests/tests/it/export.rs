//! The calendar, from the form to the file, over the real stack.

use local_services::testing::eventually;
use serde_json::json;
use thirtyfour::Key;

use crate::support::{Look, Page, Service};

/// What a script in the page cannot see: a browser without event streams.
const NO_STREAMS: &str = "delete window.EventSource;";

async fn with_three_todos(api: &[&'static str], worker: &[&'static str]) -> Service {
    let service = Service::start_with(api, worker).await;
    service
        .add(json!({ "title": "Rent", "deadline_at": "2031-03-01T08:00:00" }))
        .await;
    service.add(json!({ "title": "Tax, at last", "deadline_at": "2031-03-02T08:00:00", "completed": true })).await;
    service.add(json!({ "title": "No deadline" })).await;
    service
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_calendar_is_made_followed_live_and_downloaded() {
    let service = with_three_todos(&[], &["--render-delay=8s"]).await;
    let page = Page::open_at(&service, "#/export").await;
    let folder = page.browser.downloads.clone();
    page.devtools(
        "Browser.setDownloadBehavior",
        json!({ "behavior": "allow", "downloadPath": folder }),
    )
    .await;
    page.until("!document.querySelector('#jobs-none').hidden")
        .await;
    page.click(".choice:has([name=component][value=both])")
        .await;
    page.set("#export-alarm", "-PT1H").await;
    page.type_into("#export-name", "Mine; all of it").await;
    page.click("#export-form [type=submit]").await;
    page.until_has(".job .badge", "Running").await;
    page.until("document.querySelector('.job .job-progress').offsetParent !== null")
        .await;
    page.until_has(".job .badge", "Done").await;
    page.until_text("#job-news", "Calendar done.").await;
    page.assert_accessible("a calendar is done").await;
    // over the stream: nobody had to ask how it stands
    let asked =
        "performance.getEntriesByType('resource').filter((r) => r.name.endsWith('/status')).length";
    assert_eq!(page.value(asked).await, 1, "once, for the new card");

    page.click(".job .download").await;
    let file = folder.join("taskoverflow.ics");
    eventually("the file is there", async || file.exists()).await;
    let calendar = std::fs::read_to_string(file).unwrap();
    for line in [
        "BEGIN:VCALENDAR\r\n",
        "NAME:Mine\\; all of it\r\n",
        "SUMMARY:Tax\\, at last\r\n",
        "SUMMARY:No deadline\r\n",
        "TRIGGER:-PT1H\r\n",
        "END:VCALENDAR\r\n",
    ] {
        assert!(calendar.contains(line), "{line} is not in {calendar}");
    }

    page.reload().await;
    page.until_has(".job .badge", "Done").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn what_goes_in_is_chosen() {
    let service = with_three_todos(&[], &[]).await;
    let page = Page::open_at(&service, "#/export").await;
    page.click(".choice:has([name=completed][value=false])")
        .await;
    page.click("#export-form [type=submit]").await;
    page.until_has(".job .badge", "Done").await;
    let jobs = service.call("GET", "todos/ical", None).await;
    let path = format!("todos/ical/{}/result", jobs[0]["task_id"].as_str().unwrap());
    let calendar = reqwest::get(format!("{}/api/v1/{path}", service.url))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        calendar.contains("SUMMARY:Rent") && !calendar.contains("Tax"),
        "{calendar}"
    );
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_queued_job_is_cancelled() {
    let mut service = with_three_todos(&[], &[]).await;
    service.stop_worker();
    let page = Page::open_at(&service, "#/export").await;
    page.click("#export-form [type=submit]").await;
    page.until_has(".job .badge", "Queued").await;
    page.until_text("#job-news", "Calendar queued.").await;
    page.assert_accessible("a job is queued").await;
    page.click(".job .cancel").await;
    page.until_has(".job .badge", "Cancelled").await;
    page.until_text("#job-news", "Calendar cancelled.").await;
    page.until_focused(".job").await;
    page.until("document.querySelector('.job .cancel').hidden && document.querySelector('.job .download').hidden").await;
    let jobs = service.call("GET", "todos/ical", None).await;
    assert_eq!(jobs[0]["task_status"], "REVOKED");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_job_that_fails_says_why() {
    let mut service = with_three_todos(&["--job-expiry=8s", "--sweep-interval=1s"], &[]).await;
    service.stop_worker();
    let page = Page::open_at(&service, "#/export").await;
    page.click("#export-form [type=submit]").await;
    // asked from the start: the server soon forgets it
    let mut detail = String::new();
    eventually("the server says why", async || {
        let jobs = service.call("GET", "todos/ical", None).await;
        let said = jobs[0]["error"]["detail"].as_str();
        detail = said.unwrap_or_default().to_owned();
        said.is_some()
    })
    .await;
    page.until_has(".job .badge", "Failed").await;
    page.until_has(".job .job-details", &detail[1..]).await;
    page.assert_accessible("a job has failed").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_result_that_has_expired_is_said_in_words() {
    let service = with_three_todos(&["--job-expiry=8s", "--sweep-interval=1s"], &[]).await;
    let page = Page::open_at(&service, "#/export").await;
    page.click("#export-form [type=submit]").await;
    page.until_has(".job .badge", "Done").await;
    eventually("the server forgets it", async || {
        service
            .call("GET", "todos/ical", None)
            .await
            .as_array()
            .unwrap()
            .is_empty()
    })
    .await;
    // by itself
    page.until_has(".job .badge", "Expired").await;
    page.assert_accessible("a job has expired").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn without_streams_the_page_asks_and_waits_as_long_as_it_is_told_to() {
    let mut service = with_three_todos(&[], &[]).await;
    service.stop_worker();
    let page = Page::prepare(&service, Look::default()).await;
    // every answer asks for three seconds
    let slow = "const real = window.fetch; window.asked = []; window.begun = 0; window.fetch = async (url, options) => { \
         window.begun += String(url).endsWith('/status'); \
         const answer = await real(url, options); if (!String(url).endsWith('/status')) return answer; \
         window.asked.push(performance.now()); const headers = new Headers(answer.headers); \
         headers.set('Retry-After', '3'); return new Response(answer.status === 304 ? null : await answer.text(), { status: answer.status, headers }); };";
    let source = format!("{NO_STREAMS}{slow}");
    page.devtools(
        "Page.addScriptToEvaluateOnNewDocument",
        json!({ "source": source }),
    )
    .await;
    page.go("#/export").await;
    page.click("#export-form [type=submit]").await;
    page.until_has(".job .badge", "Queued").await;
    // the first two are for the new card and at the start of the watch
    page.until("window.asked.length >= 4").await;
    let gaps = page
        .value("window.asked.slice(1).map((at, i) => at - window.asked[i])")
        .await;
    for gap in gaps.as_array().unwrap().iter().skip(1) {
        assert!(gap.as_f64().unwrap() >= 2950.0, "{gaps}");
    }

    // nobody looks: nobody asks
    let hide = |hidden| {
        format!(
            "Object.defineProperty(document, 'hidden', {{ configurable: true, get: () => {hidden} }}); document.dispatchEvent(new Event('visibilitychange'));"
        )
    };
    page.driver().execute(hide(true), Vec::new()).await.unwrap();
    let before = page.value("window.begun").await;
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    assert_eq!(page.value("window.begun").await, before);
    service.start_worker();
    page.driver()
        .execute(hide(false), Vec::new())
        .await
        .unwrap();
    page.until_has(".job .badge", "Done").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_server_that_goes_away_while_a_job_runs_is_followed_again() {
    let mut service = with_three_todos(&[], &["--render-delay=8s"]).await;
    let page = Page::open_at(&service, "#/export").await;
    page.click("#export-form [type=submit]").await;
    page.until_has(".job .badge", "Running").await;
    service.stop_api();
    service.start_api().await;
    page.until_has(".job .badge", "Done").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_request_that_the_server_refuses_keeps_what_was_chosen() {
    let service = with_three_todos(&[], &[]).await;
    let page = Page::open_at(&service, "#/export").await;
    let long = "x".repeat(81);
    page.type_into("#export-name", &long).await;
    page.press(Key::Enter).await;
    page.until_text("#export-problem", "Name must have at most 80 characters.")
        .await;
    page.until(&format!(
        "document.querySelector('#export-name').value === '{long}'"
    ))
    .await;
    page.assert_accessible("the export is refused").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_subscription_is_made_shown_once_and_revoked() {
    let service = with_three_todos(&[], &[]).await;
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
    page.until("document.querySelector('.feed-links').hidden")
        .await;
    page.click(".feed .destroy").await;
    page.until("document.querySelector('#feeds').hidden").await;
    assert_eq!(reqwest::get(url).await.unwrap().status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_result_that_is_gone_before_its_time_is_said_in_words() {
    let service = with_three_todos(&[], &[]).await;
    let page = Page::open_at(&service, "#/export").await;
    page.click("#export-form [type=submit]").await;
    page.until_has(".job .badge", "Done").await;
    page.run("const real = window.fetch; window.fetch = (url, options) => options?.method === 'HEAD' ? Promise.resolve(new Response(null, { status: 410 })) : real(url, options);")
        .await;
    page.click(".job .download").await;
    page.until_has(".job .badge", "Expired").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_running_job_that_is_cancelled_says_until_its_end_that_it_will_stop() {
    let mut service = with_three_todos(&[], &["--render-delay=30s"]).await;
    let page = Page::open_at(&service, "#/export").await;
    page.click("#export-form [type=submit]").await;
    page.until_has(".job .badge", "Running").await;
    // so that it does not hear of it
    service.stop_worker();
    page.click(".job .cancel").await;
    page.until_has(".job .job-details", "It will stop").await;
    let words = "document.querySelector('.job-details').textContent";
    let before = page.value(words).await;
    eventually("time goes by", async || page.value(words).await != before).await;
    page.until_has(".job .job-details", "It will stop").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_stream_that_breaks_is_said_until_it_is_there_again() {
    let mut service = with_three_todos(&[], &[]).await;
    service.stop_worker();
    let page = Page::open_at(&service, "#/export").await;
    page.click("#export-form [type=submit]").await;
    page.until_has(".job .badge", "Queued").await;
    service.stop_api();
    page.until_has(".job .job-details", "Asking again soon.")
        .await;
    page.until_has("#connection", "The server can’t be reached.")
        .await;
    service.start_api().await;
    page.until("!document.querySelector('.job-details').textContent.includes('Asking')")
        .await;
    service.start_worker();
    page.until_has(".job .badge", "Done").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_export_that_was_opened_without_a_server_fills_once_it_is_back() {
    let mut service = with_three_todos(&[], &[]).await;
    let page = Page::open(&service).await;
    service.stop_api();
    page.click("[data-view=export]").await;
    page.until_has("#connection", "The server can’t be reached.")
        .await;
    service.start_api().await;
    page.until("!document.querySelector('#jobs-none').hidden && !document.querySelector('#subscribe').hidden")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_job_is_made_and_listed_once_whatever_comes_late_or_fails() {
    let mut service = with_three_todos(&[], &[]).await;
    service.stop_worker();
    let page = Page::prepare(&service, Look::default()).await;
    // the first list is late, the first status fails
    page.run_at_start("const real = window.fetch; window.statuses = 0; window.fetch = async (url, options) => { \
         if (String(url).endsWith('/status') && (window.statuses += 1) === 1) return new Response('', { status: 500 }); \
         const answer = await real(url, options); \
         if (String(url).includes('/ical?') && !window.listed) await new Promise((go) => (window.listed = go)); return answer; };")
        .await;
    page.go("#/export").await;
    page.until("Boolean(window.listed)").await;
    page.click("#export-form [type=submit]").await;
    page.until_text("#export-problem", "The server answered 500.")
        .await;
    page.click("#export-form [type=submit]").await;
    page.until_has(".job .badge", "Queued").await;
    page.run("window.listed()").await;
    page.until("!document.querySelector('#more-jobs').disabled")
        .await;
    page.until("document.querySelectorAll('.job').length === 1")
        .await;
    let jobs = service.call("GET", "todos/ical", None).await;
    assert_eq!(jobs.as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_server_that_was_away_is_asked_for_streams_again() {
    let mut service = with_three_todos(&[], &[]).await;
    let page = Page::prepare(&service, Look::default()).await;
    // the first stream is refused and so is the first question after it, which comes after the one for the new card
    page.run_at_start("const Real = EventSource; window.streams = 0; \
         window.EventSource = class extends Real { constructor(url) { super((window.streams += 1) === 1 ? `${url}/none` : url); } }; \
         const real = window.fetch; window.statuses = 0; window.fetch = (url, options) => \
         String(url).endsWith('/status') && (window.statuses += 1) === 2 ? Promise.resolve(new Response('', { status: 503 })) : real(url, options);")
        .await;
    page.go("#/export").await;
    for count in 1..=2 {
        // no job ends before it is followed
        service.stop_worker();
        page.click("#export-form [type=submit]").await;
        page.until(&format!(
            "window.streams === {count} && window.statuses > 1"
        ))
        .await;
        service.start_worker();
        page.until(&format!(
            "document.querySelectorAll('.job[data-status=SUCCESS]').length === {count}"
        ))
        .await;
    }
    assert_eq!(page.value("window.streams").await, 2);
}
