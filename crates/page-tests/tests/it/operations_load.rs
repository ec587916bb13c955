//! The page for operators while much happens.

use serde_json::{Value, json};

use crate::support::{Emulation, Page, Service};

const UPDATES: u32 = 100;
const PROCESSES: usize = 200;
/// The most dots in the drawing.
const MAX_DOTS: u64 = 120;
/// Numbers and notes, in tiles and in the pipeline, are the only texts that an update replaces.
const MAX_TEXTS_PER_UPDATE: u64 = 20;
/// How long the scripts may take for an update, in seconds of the processor, which other programs do not prolong. The dots
/// are included. At 50 ms, a browser calls a task long.
const MAX_SCRIPT_SECONDS: f64 = 0.05;

/// Counts what the updates change in the page, and sends them, ten a second. Not counted is what changes at other times: the
/// dots that move, the plots, and the ages of the heartbeats.
fn load(snapshot: &Value) -> String {
    format!(
        "window.counted = {{ elements: 0, texts: 0 }}; \
         new MutationObserver((records) => records.filter(({{ target }}) => !target.closest?.('#pipeline-dots, #plots, .process-heartbeat')).forEach((record) => {{ \
         for (const node of record.addedNodes) counted[node.nodeType === Node.ELEMENT_NODE ? 'elements' : 'texts'] += 1; }})) \
         .observe(document.querySelector('#main'), {{ subtree: true, childList: true }}); \
         const first = {snapshot}; let sent = 0; \
         const timer = setInterval(() => {{ sent += 1; if (sent === {UPDATES}) clearInterval(timer); \
         const numbers = (part, factor) => Object.fromEntries(Object.entries(part).map(([name, value]) => [name, name === 'count_limit' ? value : sent * factor])); \
         window.send({{ ...first, at: new Date(Date.parse(first.at) + 100 * sent), jobs: numbers(first.jobs, 987), outbox: numbers(first.outbox, 13), \
         last_minute: numbers(first.last_minute, 98765), since_last: numbers(first.since_last, 98765) }}); }}, 100);"
    )
}

/// Returns how long scripts have run, in seconds of the processor.
async fn script_seconds(page: &Page) -> f64 {
    let of_the_processor = json!({ "timeDomain": "threadTicks" });
    page.devtools("Performance.enable", of_the_processor).await;
    let metrics = page.devtools("Performance.getMetrics", json!({})).await;
    let mut metrics = metrics["metrics"].as_array().unwrap().iter();
    let script = metrics.find(|metric| metric["name"] == "ScriptDuration");
    script.unwrap()["value"].as_f64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn ten_updates_a_second_with_large_numbers_and_many_processes_replace_only_numbers() {
    let service = Service::start().await;
    let (page, mut snapshot) = Page::open_operations_with_stream(&service).await;
    page.emulate(Emulation {
        reduced_motion: false,
        ..Emulation::default()
    })
    .await;
    let worker = snapshot["processes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|process| process["role"] == "worker")
        .unwrap()
        .clone();
    let workers = (0..PROCESSES).map(|number| {
        let mut worker = worker.clone();
        worker["id"] = json!(1000 + number);
        worker
    });
    snapshot["processes"] = workers.collect();
    page.send(&snapshot).await;
    page.until_count("#processes tbody tr", PROCESSES).await;
    page.until_shown("#processes-limit").await;
    let before = script_seconds(&page).await;
    page.run(&load(&snapshot)).await;
    page.until_number("outbox", "1,300").await;
    page.until_count("#pipeline-dots:not(:empty)", 1).await;
    let counted = page.value("counted").await;
    let seconds = (script_seconds(&page).await - before) / f64::from(UPDATES);
    assert!(seconds < MAX_SCRIPT_SECONDS, "{seconds} s for each update");
    assert_eq!(counted["elements"], 0, "{counted}");
    let texts = counted["texts"].as_u64().unwrap();
    assert!(
        texts <= MAX_TEXTS_PER_UPDATE * u64::from(UPDATES),
        "{counted}"
    );
    let dots = "document.querySelectorAll('#pipeline-dots .dot').length";
    assert!(page.value(dots).await.as_u64().unwrap() <= MAX_DOTS);
}
