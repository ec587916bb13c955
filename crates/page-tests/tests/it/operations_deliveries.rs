//! Completion events on the page for operators, with a receiver that refuses them at first.

use local_services::testing::eventually;
use serde_json::json;

use crate::support::receiver::Receiver;
use crate::support::{Page, Service};

/// Starts a service whose webhook is the receiver.
async fn service_for(receiver: &Receiver) -> Service {
    let url = format!("--webhook-urls={}", receiver.url);
    let flags = [
        url.leak(),
        "--webhook-secret=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    ];
    Service::start_with(&flags, &[]).await
}

/// Lets jobs end, one after the other, and returns their ids, the newest first.
async fn completed_jobs(service: &Service, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..count {
        let job = service.call("POST", "todos/ical", Some(json!({}))).await;
        let id = job["task_id"].as_str().unwrap().to_owned();
        let path = format!("todos/ical/{id}/status");
        eventually("the job has ended", async || {
            service.call("GET", &path, None).await["task_status"] == "SUCCESS"
        })
        .await;
        ids.insert(0, id);
    }
    ids
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn events_that_were_given_up_are_retried_one_by_one_or_all_and_disappear() {
    // a receiver that answers 410 gets that event no more
    let receiver = Receiver::start(410).await;
    let service = service_for(&receiver).await;
    let page = Page::open_operations(&service).await;
    let jobs = completed_jobs(&service, 3).await;
    page.until_count("#deliveries [data-state=given-up]", 3)
        .await;
    page.until_text(
        "#deliveries-summary",
        "0 wait for another attempt, 3 given up.",
    )
    .await;
    page.until_text("#deliveries .badge", "Given up").await;
    // the path may contain a secret
    let shown = receiver.url.replace("hook", "…");
    page.until_has("#deliveries .row-destination", &shown).await;
    page.until_has("#deliveries .row-cause", "410").await;
    page.assert_accessible("events that were given up").await;

    receiver.answer(204);
    let newest = "#deliveries .row:first-child";
    page.until_has(&format!("{newest} .row-facts"), &jobs[0])
        .await;
    page.click(&format!("{newest} .retry")).await;
    page.until_has(".notice", "The event is sent again.").await;
    // the list does not change below the pointer
    page.click("h1").await;
    page.until_count("#deliveries .row", 2).await;
    page.until_text(
        "#deliveries-summary",
        "0 wait for another attempt, 2 given up.",
    )
    .await;
    let accepted = receiver.accepted();
    assert_eq!(accepted.len(), 1, "{accepted:?}");
    assert!(accepted[0].starts_with(&jobs[0]), "{accepted:?}");

    page.click("#retry-deliveries").await;
    page.confirm().await;
    page.until_has(".notice", "2 events are sent again.").await;
    page.click("h1").await;
    page.until_text("#deliveries-none", "Every event has been delivered.")
        .await;
    page.until_hidden("#deliveries").await;
    page.until("document.querySelector('#retry-deliveries').disabled")
        .await;
    let mut accepted = receiver.accepted();
    accepted.sort_unstable();
    assert_eq!(accepted.len(), 3, "{accepted:?}");
    for (event, job) in accepted.iter().zip(jobs.iter().rev()) {
        assert!(event.starts_with(job), "{event} {job}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn an_event_that_is_refused_again_is_given_up_again() {
    let receiver = Receiver::start(410).await;
    let service = service_for(&receiver).await;
    completed_jobs(&service, 1).await;
    let page = Page::open_operations(&service).await;
    for _ in 0..2 {
        page.until_count("#deliveries [data-state=given-up]", 1)
            .await;
        page.until_has("#deliveries .row-facts", "1 attempt ").await;
        page.click("#deliveries .retry").await;
        page.until_has(".notice", "The event is sent again.").await;
        page.run("document.querySelector('.notice .dismiss').click()")
            .await;
        page.click("h1").await;
    }
    page.until_count("#deliveries [data-state=given-up]", 1)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn an_event_that_has_been_delivered_meanwhile_is_not_retried_and_disappears() {
    let receiver = Receiver::start(410).await;
    let service = service_for(&receiver).await;
    completed_jobs(&service, 1).await;
    eventually("the event is given up", async || {
        service.call("GET", "operations", None).await["deliveries"]["given_up"] == 1
    })
    .await;
    let (page, _) = Page::open_operations_with_stream(&service).await;
    page.until_count("#deliveries [data-state=given-up]", 1)
        .await;
    receiver.answer(204);
    let all = json!({"all": true});
    service
        .call("POST", "operations/deliveries/retry", Some(all))
        .await;
    eventually("the event is delivered", async || {
        service.call("GET", "operations/deliveries", None).await == json!([])
    })
    .await;
    page.click("#deliveries .retry").await;
    page.until_has(".notice.is-problem", "Couldn’t retry the event.")
        .await;
    page.until_text("#deliveries-none", "Every event has been delivered.")
        .await;
}
