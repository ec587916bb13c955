//! What the modules of the page for operators calculate, without a server: numbers, dots, plots, events and history.

use chrono::DateTime;
use serde_json::{Value, json};

use crate::support::{Page, Service, recorded};

impl Page {
    /// Imports a module as `m`, and returns the value of an expression.
    async fn of_module(&self, module: &str, expression: &str) -> Value {
        let script = format!(
            "const done = arguments[0]; const main = document.querySelector('script[type=module]').src; \
             import(main.replace('main.js', '{module}.js')).then((m) => done({expression})).catch((error) => done(String(error)));"
        );
        let value = self.driver().execute_async(script, Vec::new()).await;
        value.unwrap().json().clone()
    }

    async fn assert_values(&self, module: &str, cases: &[(&str, Value)]) {
        for (expression, expected) in cases {
            let value = self.of_module(module, expression).await;
            assert_eq!(value, *expected, "{module}: {expression}");
        }
    }
}

async fn page() -> (Service, Page) {
    let service = Service::start().await;
    let page = Page::prepare(&service).await;
    page.go_to_operations("").await;
    (service, page)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn numbers_and_durations_are_short_and_say_when_they_are_limits() {
    let (_service, page) = page().await;
    page.assert_values(
        "numbers",
        &[
            ("m.count(0)", json!("0")),
            ("m.count(99999, 100000)", json!("99,999")),
            ("m.count(100000, 100000)", json!("100,000+")),
            ("m.count(12345678)", json!("12.3M")),
            ("m.count(null)", json!("–")),
            ("m.counted(1, 'job')", json!("1 job")),
            ("m.counted(1234, 'job')", json!("1,234 jobs")),
            ("m.seconds(0.0004)", json!("< 1 ms")),
            ("m.seconds(0.1234)", json!("120 ms")),
            ("m.seconds(3.21)", json!("3.2 s")),
            ("m.seconds(89)", json!("89 s")),
            ("m.seconds(600)", json!("10 min")),
            ("m.seconds(7200)", json!("2 h")),
            ("m.seconds(864000)", json!("10 days")),
            ("m.seconds(NaN)", json!("–")),
            ("m.perSecond(1234)", json!("1,234/s")),
            (
                "m.ago('2026-01-01T00:00:00Z', Date.UTC(2026, 0, 1, 0, 0, 5))",
                json!("5 s ago"),
            ),
            ("m.ago('nonsense', 0)", json!("–")),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn ten_thousand_jobs_a_second_are_a_few_dots_and_a_single_dead_letter_is_one() {
    let (_service, page) = page().await;
    page.assert_values(
        "dots",
        &[
            ("m.planDots({ accepted: 3, failed: 0 }, 0.5)", json!({ "jobsPerDot": 1, "dots": { "accepted": 3, "failed": 0 } })),
            (
                "m.planDots({ accepted: 5000, failed: 1 }, 0.5)",
                json!({ "jobsPerDot": 2000, "dots": { "accepted": 3, "failed": 1 } }),
            ),
            ("Object.values(m.planDots({ a: 1e9, b: 1e9 }, 1).dots).every((dots) => dots <= m.MAX_DOTS_PER_SECOND)", json!(true)),
            ("[0, 1, 1.5, 2, 3, 7, 10, 11, 1e6 + 1].map(m.niceAbove)", json!([1, 1, 2, 2, 5, 10, 10, 20, 2_000_000])),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn plots_have_round_ticks_and_gaps_where_nothing_happened() {
    let (_service, page) = page().await;
    page.assert_values(
        "plot",
        &[
            ("m.linearScale(13.2).ticks", json!([0, 5, 10, 15])),
            ("m.linearScale(0).ticks.length > 1", json!(true)),
            ("m.linearScale(13.2).of(15)", json!(1)),
            ("m.logScale([0.02, 3]).ticks", json!([0.01, 0.1, 1, 10])),
            ("m.logScale([]).ticks", json!([0.01, 0.1, 1])),
            ("m.logScale([0.01, 1]).of(0.1)", json!(0.5)),
            (
                "m.line([{ at: 0, value: 1 }, { at: 1, value: 2 }, { at: 2, value: null }, { at: 3, value: 4 }], (x) => x, (y) => y)",
                json!("M0 1h1L1 2M3 4h1"),
            ),
            ("m.nearest([{ at: 0 }, { at: 10 }, { at: 20 }], 14)", json!(1)),
            ("m.nearest([], 14)", json!(-1)),
        ],
    )
    .await;
    let point = "{ at: '2026-01-01T00:59:40Z', seconds: 10, accepted: 5, succeeded: 4, wait_seconds: { p50: 1, p95: 2, p99: 3 } }";
    let periods = format!("m.periodsOf([{point}], Date.UTC(2026, 0, 1, 1, 0, 5))");
    page.assert_values(
        "activity",
        &[
            (&format!("{periods}.length"), json!(360)),
            (&format!("{periods}.at(-2).accepted"), json!(5)),
            (&format!("{periods}.at(-1).accepted"), json!(0)),
            (&format!("{periods}.at(-1).wait.p50"), json!(null)),
            (
                &format!("m.rowsOf({periods})[0].counts.succeeded"),
                json!(4),
            ),
            (&format!("m.rowsOf({periods})[0].wait"), json!(2)),
            (&format!("m.rowsOf({periods}).at(-1).wait"), json!(null)),
            ("m.periodsOf([], 0).length", json!(360)),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn events_are_read_from_a_stream_however_it_is_cut() {
    let (_service, page) = page().await;
    let stream =
        r"': hello\n\nevent: snapshot\ndata: {\ndata: }\n\ndata:1\r\n\r\nid: 5\n\ndata: un'";
    page.assert_values(
        "events",
        &[
            (&format!("m.eventParser()({stream})"), json!(["{\n}", "1"])),
            (
                &format!("(() => {{ const parse = m.eventParser(); return [...{stream}, ...'finished\\n\\n'].flatMap((part) => parse(part)); }})()"),
                json!(["{\n}", "1", "unfinished"]),
            ),
        ],
    )
    .await;
    page.assert_values(
        "pages",
        &[
            ("m.nextCursor('<http://a/api/v1/operations/jobs?limit=20&cursor=abc%3D>; rel=\"next\"')", json!("abc=")),
            ("m.nextCursor('')", json!("")),
            ("m.withParameters('jobs', { a: '', b: 'x y' })", json!("jobs?b=x+y")),
            ("m.withParameters('jobs', { a: '' })", json!("jobs")),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn a_queue_that_does_not_answer_is_not_said_to_count_no_dead_letters() {
    let (_service, page) = page().await;
    let mut snapshot = recorded::snapshot(DateTime::UNIX_EPOCH);
    let depth = |error| json!({ "visible": null, "in_flight": null, "delayed": null, "dead_letters": null, "error": error });
    for (error, note) in [
        (Some("SQS does not answer"), "SQS does not answer"),
        (None, "not counted by this queue"),
    ] {
        snapshot["queue_depth"] = depth(error);
        let tile = format!("m.tilesOf({snapshot}).dead.note");
        page.assert_values("tiles", &[(&tile, json!(note))]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs chromium"]
async fn every_kind_of_step_is_described_and_unknown_kinds_are_named() {
    let (_service, page) = page().await;
    let attempt = "kind: 'attempt', attempt: 2, worker: { id: 3, host: 'h' }, at: '2026-01-01T00:00:00Z', ended_at: '2026-01-01T00:00:02Z'";
    page.assert_values(
        "steps",
        &[
            ("m.describe({ kind: 'accepted' }).title", json!("Accepted")),
            ("m.describe({ kind: 'no-such' }).title", json!("no-such")),
            ("m.describe({ kind: 'constructor' }).title", json!("constructor")),
            (
                "m.stepsOf({ history: [{ kind: 'accepted' }, { kind: 'ended' }], history_truncated: true }).map(m.describe).map(({ title }) => title)",
                json!(["Accepted", "Earlier steps are not kept", ""]),
            ),
            ("m.stepsOf({ history: [{ kind: 'accepted' }], history_truncated: false }).length", json!(1)),
            ("m.stepsOf({}).length", json!(0)),
            (&format!("m.describe({{ {attempt} }}).title"), json!("Attempt 2 on worker 3 (h)")),
            (
                &format!("m.describe({{ {attempt}, end: 'retry', error: {{ code: 'c', detail: 'it broke', cause: 'timeout' }} }}).detail"),
                json!("Took 2 s. It failed, and another attempt was planned. It broke. Cause: timeout."),
            ),
            (
                &format!("m.describe({{ {attempt}, end: 'lost' }})"),
                json!({ "title": "Attempt 2 on worker 3 (h)", "detail": "Took 2 s. The worker stopped responding.", "tone": "soon" }),
            ),
            ("m.describe({ kind: 'ended', status: 'FAILURE', error: { code: 'c', detail: '' } })", json!({ "title": "Failed", "detail": "C.", "tone": "bad" })),
            ("m.describe({ kind: 'redriven' }).title", json!("Retried by an operator")),
            ("m.describe({ kind: 'redriven', by: { with: 'api', token_name: null } }).detail", json!("It gets all its attempts again.")),
            (
                "m.describe({ kind: 'redriven', by: { with: 'api', token_name: 'night-shift' } }).detail",
                json!("With the token “night-shift”. It gets all its attempts again."),
            ),
            (
                "m.describe({ kind: 'redriven', by: { with: 'command', token_name: null } }).detail",
                json!("With taskoverflow-worker redrive. It gets all its attempts again."),
            ),
        ],
    )
    .await;
}
