//! Following jobs until they end, over event streams or by polling.

use std::time::Duration;

use crate::support::{Page, Service, samples};

/// Makes the browser one without event streams.
const NO_STREAMS: &str = "delete window.EventSource;";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn every_live_job_is_followed() {
    let flags = ["--worker-concurrency=1", "--render-delay=4s"];
    let mut service = Service::start_with(&[], &flags).await;
    service.stop_worker();
    let page = Page::open_at(&service, "#/export").await;
    for count in 1..=3 {
        page.create_calendar().await;
        page.until_count(".job[data-status=PENDING]", count).await;
    }
    service.start_worker();
    // the oldest job is the first in the queue and the last in the list
    let statuses = "[...document.querySelectorAll('.job')].map((job) => job.dataset.status)";
    page.until(&format!("{statuses}[2] === 'STARTED'")).await;
    page.until(&format!(
        "{statuses}[2] === 'SUCCESS' && {statuses}[0] !== 'SUCCESS'"
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn without_streams_the_page_polls_no_more_often_than_the_server_asks() {
    let mut service = samples::three_todos(&[], &[]).await;
    service.stop_worker();
    let page = Page::prepare(&service).await;
    // every response asks to wait for three seconds
    let retry_after = "const real = window.fetch; window.respondedAt = []; window.requests = 0; window.fetch = async (url, options) => { \
         window.requests += String(url).endsWith('/status'); \
         const response = await real(url, options); if (!String(url).endsWith('/status')) return response; \
         window.respondedAt.push(performance.now()); const headers = new Headers(response.headers); \
         headers.set('Retry-After', '3'); return new Response(response.status === 304 ? null : await response.text(), { status: response.status, headers }); };";
    page.run_at_start(&format!("{NO_STREAMS}{retry_after}"))
        .await;
    page.go("#/export").await;
    page.create_calendar().await;
    page.until_job("Queued").await;
    // the first two requests are for the new card and the start of polling
    page.until("window.respondedAt.length >= 4").await;
    let gaps = page
        .value("window.respondedAt.slice(1).map((at, i) => at - window.respondedAt[i])")
        .await;
    for gap in gaps.as_array().unwrap().iter().skip(1) {
        assert!(gap.as_f64().unwrap() >= 2950.0, "{gaps}");
    }

    // a hidden tab does not poll
    let set_hidden = |hidden| {
        format!(
            "Object.defineProperty(document, 'hidden', {{ configurable: true, get: () => {hidden} }}); document.dispatchEvent(new Event('visibilitychange'));"
        )
    };
    page.run(&set_hidden(true)).await;
    let before = page.value("window.requests").await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(page.value("window.requests").await, before);
    service.start_worker();
    page.run(&set_hidden(false)).await;
    page.until_job("Done").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_running_job_is_followed_again_after_a_server_restart() {
    let mut service = samples::three_todos(&[], &["--render-delay=8s"]).await;
    let page = Page::open_at(&service, "#/export").await;
    page.create_calendar().await;
    page.until_job("Running").await;
    service.stop_api();
    service.start_api().await;
    page.until_job("Done").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_broken_stream_is_reported_until_it_is_connected_again() {
    let mut service = samples::three_todos(&[], &[]).await;
    service.stop_worker();
    let page = Page::open_at(&service, "#/export").await;
    page.create_calendar().await;
    page.until_job("Queued").await;
    service.stop_api();
    page.until_has(".job .job-details", "Checking again soon.")
        .await;
    page.until_has("#connection", "The server can’t be reached.")
        .await;
    service.start_api().await;
    page.until("!document.querySelector('.job-details').textContent.includes('Checking')")
        .await;
    service.start_worker();
    page.until_job("Done").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn streams_are_used_again_after_an_outage() {
    let mut service = samples::three_todos(&[], &[]).await;
    let page = Page::prepare(&service).await;
    // the first stream fails, and so does the request after it; the first request is for the new card
    page.run_at_start("const Real = EventSource; window.streams = 0; \
         window.EventSource = class extends Real { constructor(url) { super((window.streams += 1) === 1 ? `${url}/none` : url); } }; \
         const real = window.fetch; window.statuses = 0; window.fetch = (url, options) => \
         String(url).endsWith('/status') && (window.statuses += 1) === 2 ? Promise.resolve(new Response('', { status: 503 })) : real(url, options);")
        .await;
    page.go("#/export").await;
    for count in 1..=2 {
        // keeps the job from ending before the page follows it
        service.stop_worker();
        page.create_calendar().await;
        page.until(&format!(
            "window.streams === {count} && window.statuses > 1"
        ))
        .await;
        service.start_worker();
        page.until_count(".job[data-status=SUCCESS]", count).await;
    }
    assert_eq!(page.value("window.streams").await, 2);
}
