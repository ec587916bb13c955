//! Failed jobs and the history of a job, on the page for operators.

use local_services::testing::eventually;
use serde_json::json;
use thirtyfour::Key;

use crate::support::{Emulation, Page, Service, fetch, samples};

async fn until_status(service: &Service, id: &str, status: &str) {
    let path = format!("todos/ical/{id}/status");
    eventually(&format!("{id} is {status}"), async || {
        service.call("GET", &path, None).await["task_status"] == status
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_failed_job_can_be_retried() {
    let (mut service, ids) = samples::failed_jobs(2).await;
    let page = Page::open_operations(&service).await;
    page.until_number("failed", "2").await;
    page.until_count("#failed-jobs .row", 2).await;
    page.until_has("#failed-jobs .row:first-child .row-facts", &ids[0])
        .await;
    page.until_has("#failed-jobs .row-facts", "after 1 attempt")
        .await;
    page.until_text(".row-code", "attempts_exhausted: worker_stopped")
        .await;
    service.restart_worker(&[]);
    page.click("#failed-jobs .row:first-child .retry").await;
    page.until_has("#confirm-text", &ids[0]).await;
    page.confirm().await;
    page.until_has(".notice", "The job is tried again.").await;
    page.until_count("#failed-jobs .row", 1).await;
    page.until("document.activeElement !== document.body").await;
    until_status(&service, &ids[0], "SUCCESS").await;
    until_status(&service, &ids[1], "FAILURE").await;
    page.until_number("failed", "1").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn all_failed_jobs_can_be_retried() {
    let (mut service, ids) = samples::failed_jobs(25).await;
    let page = Page::open_operations(&service).await;
    page.until_count("#failed-jobs .row", 20).await;
    page.click("#more-failed").await;
    page.until_count("#failed-jobs .row", 25).await;
    page.until_focused("#failed-jobs .row:nth-child(21)").await;
    page.until_hidden("#more-failed").await;
    service.restart_worker(&[]);
    page.click("#retry-failed").await;
    page.until_has("#confirm-text", "count against the limits of jobs")
        .await;
    page.until_has("#confirm-text", "during a pause they wait")
        .await;
    page.confirm().await;
    page.until_has(".notice", "25 jobs are tried again.").await;
    page.until_text("#failed-none", "No job has failed.").await;
    for id in &ids {
        until_status(&service, id, "SUCCESS").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_filters_choose_which_jobs_are_shown_and_retried() {
    let (service, _) = samples::failed_jobs(2).await;
    let page = Page::open_operations(&service).await;
    page.until_count("#failed-jobs .row", 2).await;
    page.set("[name=error_code]", "panic").await;
    page.until_text("#failed-none", "No failed job matches these filters.")
        .await;
    page.until_count("#failed-jobs .row", 0).await;
    page.until("document.querySelector('#retry-failed').disabled")
        .await;
    page.set("[name=error_code]", "attempts_exhausted").await;
    page.until_count("#failed-jobs .row", 2).await;
    page.until_text("#retry-failed", "Retry all that match")
        .await;
    page.set("[name=within]", "900").await;
    page.until_count("#failed-jobs .row", 2).await;
    // any, the worker that died, and the one that runs now
    page.until_count("[name=worker] option", 3).await;
    let worker = "/worker (\\d+)/.exec(document.querySelector('.row-facts').textContent)[1]";
    let worker = page.value(worker).await;
    page.set("[name=worker]", worker.as_str().unwrap()).await;
    page.click("#retry-failed").await;
    page.until_has("#confirm-text", "that the filters choose")
        .await;
    page.confirm().await;
    page.until_has(".notice", "2 jobs are tried again.").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_chosen_worker_stays_chosen_when_it_is_no_longer_listed() {
    let (service, _) = samples::failed_jobs(2).await;
    let (page, mut snapshot) = Page::open_operations_with_stream(&service).await;
    page.until_count("#failed-jobs .row", 2).await;
    let worker = "/worker (\\d+)/.exec(document.querySelector('.row-facts').textContent)[1]";
    let worker = page.value(worker).await;
    let worker = worker.as_str().unwrap();
    page.set("[name=worker]", worker).await;
    page.until_text("#retry-failed", "Retry all that match")
        .await;

    let processes = snapshot["processes"].as_array_mut().unwrap();
    let number: i64 = worker.parse().unwrap();
    processes.retain(|process| process["id"] != number);
    for jobs in 1..=2 {
        snapshot["outbox"]["jobs"] = json!(jobs);
        page.send(&snapshot).await;
        let chosen = page
            .value("document.querySelector('[name=worker]').value")
            .await;
        assert_eq!(chosen, worker);
        // any, the one that runs, and the chosen one
        page.until_count("[name=worker] option", 3).await;
    }
    page.click("#retry-failed").await;
    page.until_has("#confirm-text", "that the filters choose")
        .await;
    page.click("#confirm-no").await;

    page.set("[name=worker]", "").await;
    snapshot["outbox"]["jobs"] = json!(3);
    page.send(&snapshot).await;
    page.until_count("[name=worker] option", 2).await;
}

/// Counts the requests for failed jobs, and lets the clock of the page be put forward by `window.later`.
const WATCH: &str = "const fetched = window.fetch; window.requests = 0; window.fetch = (url, options) => { \
    if (/operations\\/jobs\\?/.test(url)) window.requests += 1; return fetched(url, options); }; \
    const now = Date.now; window.later = 0; Date.now = () => now() + window.later;";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_list_is_loaded_again_but_not_while_it_is_used_or_shows_older_rows() {
    let (service, _) = samples::failed_jobs(21).await;
    let (page, mut snapshot) = Page::open_operations_with_stream(&service).await;
    page.until_count("#failed-jobs .row", 20).await;
    page.run(WATCH).await;
    page.click("#more-failed").await;
    page.until_count("#failed-jobs .row", 21).await;
    page.until_focused("#failed-jobs .row").await;
    page.click("h1").await;
    page.run("document.activeElement.blur(); window.later = 60000")
        .await;
    snapshot["jobs"]["failed"] = json!(99);
    snapshot["outbox"]["jobs"] = json!(1);
    page.send(&snapshot).await;
    assert_eq!(page.value("window.requests").await, 1);

    // the newest only
    page.set("[name=within]", "604800").await;
    page.until_count("#failed-jobs .row", 20).await;
    page.run("document.querySelector('#failed-jobs button').focus(); window.used = window.requests; window.later = 120000")
        .await;
    snapshot["jobs"]["failed"] = json!(98);
    snapshot["outbox"]["jobs"] = json!(2);
    page.send(&snapshot).await;
    assert_eq!(page.value("window.requests - window.used").await, 0);
    page.run("document.activeElement.blur()").await;
    page.until("window.requests - window.used === 1").await;

    // with the same numbers too
    page.run("window.later = 180000").await;
    page.until("window.requests - window.used === 2").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_job_that_no_longer_fails_is_not_retried_and_the_page_says_so() {
    let (service, ids) = samples::failed_jobs(1).await;
    let page = Page::open_operations(&service).await;
    page.until_count("#failed-jobs .row", 1).await;
    page.run(&fetch::fail("options?.method === 'POST'", 409))
        .await;
    page.click("#failed-jobs .retry").await;
    page.confirm().await;
    page.until_has(".notice.is-problem", "Couldn’t retry the job.")
        .await;
    page.click("#failed-jobs .history").await;
    page.until_text("#job-heading", "Job: failed").await;
    page.until_text("#job-id-shown", &ids[0]).await;
    page.click("#job-retry").await;
    page.confirm().await;
    page.until_has("#job-problem", "Couldn’t retry the job.")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn the_history_of_a_job_shows_every_attempt_and_a_retry_by_an_operator() {
    let (mut service, ids) = samples::failed_jobs(1).await;
    let page = Page::open_operations(&service).await;
    page.type_into("#job-id", &ids[0]).await;
    page.press(Key::Enter).await;
    page.until_text("#job-heading", "Job: failed").await;
    for title in ["Accepted", "Attempt 1 on worker", "Failed"] {
        page.until_has(".step-title", title).await;
    }
    service.restart_worker(&[]);
    page.click("#job-retry").await;
    page.confirm().await;
    page.until_text("#job-heading", "Job: completed").await;
    page.until_has(".step-title", "Retried by an operator")
        .await;
    page.until_has(".step-title", "Completed").await;
    page.until_hidden("#job-retry").await;
    page.press(Key::Escape).await;
    page.until("!document.querySelector('#job').open && location.hash === ''")
        .await;
    // the address opens it again
    drop(page);
    let page =
        Page::open_operations_with(&service, Emulation::default(), &format!("#job/{}", ids[0]))
            .await;
    page.until_text("#job-heading", "Job: completed").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn an_unknown_job_is_said_to_be_unknown() {
    let service = Service::start().await;
    let page = Page::open_operations(&service).await;
    page.type_into("#job-id", "01890000-0000-7000-8000-000000000000")
        .await;
    page.press(Key::Enter).await;
    page.until_has("#job-problem", "There is no job with this ID.")
        .await;
    page.press(Key::Escape).await;
    page.set("#job-id", "").await;
    page.click("#look-up button").await;
    page.until_has("#look-up-problem", "Enter the ID of a job.")
        .await;
    page.until_focused("#job-id").await;
}
