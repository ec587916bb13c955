//! The calendars that jobs render.

use std::collections::BTreeSet;

use shared_model::job::{CalendarRequest, JobStatus};
use shared_model::todo::TodoFilter;

use crate::support::{Database, Worker};

fn filtered(completed: Option<bool>, window: Option<i32>) -> CalendarRequest {
    CalendarRequest {
        filter: TodoFilter { completed, window },
        ..CalendarRequest::default()
    }
}

fn summaries(calendar: &str) -> BTreeSet<String> {
    calendar
        .lines()
        .filter_map(|line| line.strip_prefix("SUMMARY:"))
        .map(str::to_owned)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_todo_with_a_deadline_becomes_an_event_and_the_others_are_counted_as_skipped() {
    let database = Database::new();
    database.add_todos(25).await;
    let id = database.accept(CalendarRequest::default()).await;
    let _worker = Worker::start(&database, "postgres:", &[]);
    let job = database.wait_until_ended(id).await;
    assert_eq!(job.status, JobStatus::Success);
    let calendar = database.calendar(id).await.unwrap();
    assert_eq!(calendar.matches("BEGIN:VEVENT").count(), 23);
    assert!(calendar.contains("DTSTART:20260301T000100Z"), "{calendar}");
    let summary = database
        .pool
        .run(move |connection| shared_model::results::summary(connection, id))
        .await;
    let summary = summary.unwrap().unwrap();
    assert_eq!((summary.event_count, summary.skipped_count), (23, 2));
    assert_eq!(
        usize::try_from(summary.byte_length).unwrap(),
        calendar.len()
    );
    assert_eq!((job.progress_done, job.progress_total), (25, Some(25)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_selects_the_todos_of_its_filter() {
    let database = Database::new();
    database
        .execute(
            "INSERT INTO todos (title, completed, deadline_at) SELECT title, completed, (now() AT TIME ZONE 'utc') + due
             FROM (VALUES ('past', false, interval '-9 days'), ('soon', true, interval '1 day'),
                          ('later', false, interval '9 days')) AS t (title, completed, due)",
        )
        .await;
    let all = database.accept(filtered(None, None)).await;
    let open = database.accept(filtered(Some(false), None)).await;
    let near = database.accept(filtered(None, Some(5))).await;
    let near_open = database.accept(filtered(Some(false), Some(5))).await;
    let _worker = Worker::start(&database, "postgres:", &[]);
    for (id, wanted) in [
        (all, vec!["past", "soon", "later"]),
        (open, vec!["past", "later"]),
        (near, vec!["past", "soon"]),
        (near_open, vec!["past"]),
    ] {
        database.wait_until_ended(id).await;
        let calendar = database.calendar(id).await.unwrap();
        assert_eq!(
            summaries(&calendar),
            wanted.into_iter().map(str::to_owned).collect()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_todos_the_calendar_is_empty() {
    let database = Database::new();
    let id = database.accept(CalendarRequest::default()).await;
    let _worker = Worker::start(&database, "postgres:", &[]);
    assert_eq!(
        database.wait_until_ended(id).await.status,
        JobStatus::Success
    );
    assert!(
        database
            .calendar(id)
            .await
            .unwrap()
            .ends_with("END:VCALENDAR\r\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_with_the_same_todos_have_the_same_bytes() {
    let database = Database::new();
    database.add_todos(2500).await;
    let ids = database.accept_many(3).await;
    let _worker = Worker::start(&database, "postgres:", &[]);
    let mut contents = BTreeSet::new();
    for id in ids {
        database.wait_until_ended(id).await;
        contents.insert(
            database
                .pool
                .run(move |c| shared_model::results::part(c, id, 0, i32::MAX))
                .await
                .unwrap()
                .unwrap(),
        );
    }
    assert_eq!(contents.len(), 1);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_job_with_100_000_todos_takes_less_than_64_mib() {
    let database = Database::new();
    let worker = Worker::start(&database, "postgres:", &[]);
    let small = database.accept(CalendarRequest::default()).await;
    database.wait_until_ended(small).await;
    let peak = || local_services::testing::peak_bytes(worker.pid()).unwrap();
    let idle = peak();
    database.add_todos(100_000).await;
    let id = database.accept(CalendarRequest::default()).await;
    let job = database.wait_until_ended(id).await;
    assert_eq!(job.status, JobStatus::Success, "{:?}", job.error);
    let grown = peak() - idle;
    assert!(grown < 64 * 1024 * 1024, "grew by {grown} bytes");
    assert_eq!(
        database
            .calendar(id)
            .await
            .unwrap()
            .matches("BEGIN:VEVENT")
            .count(),
        90_000
    );
}
