//! What the page for operators shows after an action: its effect at once, whatever was measured before it.

use serde_json::json;

use crate::support::{Page, fetch, samples};

/// Records what elements show whose changes would be seen as flicker.
const RECORD: &str = "window.shown = []; new MutationObserver(() => window.shown.push([document.querySelector('#paused').hidden, \
    document.querySelectorAll('#processes [data-state=draining]').length, document.querySelector('[data-value=failed]').textContent, \
    document.querySelector('[data-value=waiting]').textContent])).observe(document.body, { subtree: true, childList: true, \
    characterData: true, attributes: true });";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_effect_of_an_action_is_shown_before_the_next_snapshot_and_no_earlier_one_undoes_it() {
    let (service, _) = samples::failed_jobs(2).await;
    let (page, before) = Page::open_operations_with_stream(&service).await;
    page.until_count("#failed-jobs .row", 2).await;
    page.click("#pause").await;
    page.confirm().await;
    page.until_has("#paused", "Processing is paused since")
        .await;
    page.until_count("#processes [data-state=draining]", 0)
        .await;
    page.click(".drain").await;
    page.confirm().await;
    page.until_count("#processes [data-state=draining]", 1)
        .await;
    page.click("#failed-jobs .retry").await;
    page.confirm().await;
    page.until_number("failed", "1").await;
    page.until_number("waiting", "1").await;

    page.run(RECORD).await;
    for number in 1..=3 {
        let mut late = before.clone();
        late["outbox"]["jobs"] = json!(number);
        page.send(&late).await;
    }
    let shown = page.value("window.shown").await;
    let shown = shown.as_array().unwrap();
    assert!(shown.len() >= 3, "{shown:?}");
    for shown in shown {
        assert_eq!(*shown, json!([false, 1, "1", "1"]));
    }

    // others have undone everything
    let mut later = before.clone();
    later["at"] = json!("2999-01-01T00:00:00Z");
    later["outbox"]["jobs"] = json!(4);
    page.send(&later).await;
    page.until_hidden("#paused").await;
    page.until_count("#processes [data-state=draining]", 0)
        .await;
    page.until_number("failed", "2").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn an_action_that_a_snapshot_already_shows_is_not_counted_twice() {
    let (service, _) = samples::failed_jobs(2).await;
    let (page, before) = Page::open_operations_with_stream(&service).await;
    page.until_count("#failed-jobs .row", 2).await;
    page.run(&fetch::hold_back("POST", "retry")).await;
    page.click("#failed-jobs .retry").await;
    page.confirm().await;
    page.until("window.heldBack === 1").await;
    let mut after = before.clone();
    after["at"] = json!("2999-01-01T00:00:00Z");
    after["jobs"]["failed"] = json!(1);
    after["outbox"]["jobs"] = json!(1);
    page.send(&after).await;
    page.run("window.release()").await;
    page.until_has(".notice", "The job is tried again.").await;
    page.until_number("failed", "1").await;
    page.until_number("waiting", "0").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn jobs_that_are_retried_together_are_not_added_to_those_that_snapshots_count() {
    let (service, _) = samples::failed_jobs(2).await;
    let (page, mut during) = Page::open_operations_with_stream(&service).await;
    page.until_count("#failed-jobs .row", 2).await;
    page.run(&fetch::hold_back("POST", "jobs/retry")).await;
    page.click("#retry-failed").await;
    page.confirm().await;
    page.until("window.heldBack === 1").await;
    during["jobs"]["failed"] = json!(0);
    during["jobs"]["pending"] = json!(2);
    during["outbox"]["jobs"] = json!(2);
    page.send(&during).await;
    page.run("window.release()").await;
    page.until_has(".notice", "2 jobs are tried again.").await;
    page.until_number("waiting", "2").await;
    page.until_number("failed", "0").await;
}
