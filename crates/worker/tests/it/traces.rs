//! The trace of a job in the worker's log.

use serde_json::Value;
use shared_model::job::CalendarRequest;

use crate::support::{Database, Worker};

const SETTINGS: (&str, &str) = ("RUST_LOG", "info,worker=debug");

#[tokio::test(flavor = "multi_thread")]
async fn the_log_lines_of_jobs_that_share_statements_have_their_own_traces() {
    let database = Database::new();
    let mut expected = Vec::new();
    for digit in ["1", "2", "3"] {
        let trace_id = digit.repeat(32);
        let context = format!("00-{trace_id}-00000000000000aa-00")
            .parse()
            .unwrap();
        let id = database
            .accept_in(Some(context), CalendarRequest::default())
            .await;
        expected.push((id.to_string(), trace_id));
    }
    let own = database.accept(CalendarRequest::default()).await;
    expected.push((own.to_string(), own.0.simple().to_string()));

    let mut worker = Worker::start(&database, "postgres:", &[SETTINGS]);
    let mut seen = Vec::new();
    for _ in &expected {
        let line = worker.wait_for_log("the calendar is stored");
        let line: Value = serde_json::from_str(&line).unwrap();
        let field = |name: &str| line[name].as_str().unwrap().to_owned();
        seen.push((field("job.id"), field("trace_id")));
    }
    expected.sort();
    seen.sort();
    assert_eq!(seen, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_of_text_has_the_trace_id_as_well() {
    let database = Database::new();
    let id = database.accept(CalendarRequest::default()).await;
    let mut worker = Worker::start(&database, "postgres:", &[SETTINGS, ("LOG_FORMAT", "text")]);
    let line = worker.wait_for_log("the calendar is stored");
    let field = format!(" trace_id={}", id.0.simple());
    assert!(line.ends_with(&field), "{line}");
}
