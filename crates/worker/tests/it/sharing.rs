//! Jobs that share statements: what one of them does to the others.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use local_services::testing::eventually;
use shared_model::database::DatabaseError;
use shared_model::job::{CalendarRequest, ErrorCode, JobId, JobStatus};
use shared_model::job_store::claims::{self, ClaimKey, Completion, Written};
use shared_model::results::NewResult;
use shared_model::todo::{SelectedTodos, TodoFilter};
use tokio::time::Instant;
use uuid::Uuid;
use worker::database::{MAX_SHARED_TODOS, SharedTodos};
use worker::in_flight::{InFlight, RenderControl};
use worker::render::{self, Compressor, RenderError, Source};

use crate::support::{CLAIM, Database, Running, Setup};

fn few(todos: SharedTodos) -> Arc<SelectedTodos> {
    match todos {
        SharedTodos::Few(todos) => todos,
        SharedTodos::Many => panic!("too many todos to share them"),
    }
}

fn filter(completed: Option<bool>) -> TodoFilter {
    TodoFilter {
        completed,
        window: None,
    }
}

// On a runtime with one thread, all calls are in the lane before its first batch begins.
#[tokio::test]
async fn calendars_with_equal_filters_that_are_claimed_together_read_the_todos_once() {
    let database = Database::new();
    database.add_todos(30).await;
    let of_worker = database.of_worker();
    let filters = [filter(None), filter(Some(true)), filter(Some(false))];
    let calls = filters
        .iter()
        .cycle()
        .take(15)
        .map(|filter| of_worker.todos(filter));
    let read: Vec<_> = join_all(calls)
        .await
        .into_iter()
        .map(|todos| few(todos.unwrap()))
        .collect();
    let distinct: BTreeSet<_> = read.iter().map(Arc::as_ptr).collect();
    assert_eq!(distinct.len(), 3);
    for (todos, filter) in read.iter().zip(filters.iter().cycle()) {
        let completed = filter.completed;
        assert!(
            todos
                .todos
                .iter()
                .all(|todo| completed.is_none_or(|completed| todo.completed == completed))
        );
        assert_eq!(todos.todos.len(), if completed.is_none() { 30 } else { 15 });
        let filter = filter.clone();
        let selection = database
            .pool
            .run::<_, DatabaseError, _>(move |connection| Ok(filter.selection(connection)?));
        assert_eq!(todos.fingerprint, selection.await.unwrap().fingerprint);
    }
}

#[tokio::test]
async fn a_calendar_is_never_older_than_its_claim() {
    let database = Database::new();
    let of_worker = database.of_worker();
    for count in 0..3 {
        let todos = few(of_worker.todos(&filter(None)).await.unwrap());
        assert_eq!(todos.todos.len(), count);
        database.add_todos(1).await;
    }
}

fn control() -> RenderControl {
    let key = ClaimKey {
        id: JobId::new(),
        claim: Uuid::nil(),
    };
    let guard = InFlight::default().add_claim(key, Instant::now());
    guard.render_control()
}

/// Renders all todos from memory and from the database, and makes sure that the results are equal.
async fn renders_the_same_from_memory_and_from_the_database(database: &Database) {
    let rendered = database.pool.run::<_, RenderError, _>(|connection| {
        let request = CalendarRequest::default();
        let todos = request.filter.select_few(connection, u16::MAX)?.unwrap();
        let render = |source| {
            render::render(
                source,
                &request,
                "host",
                &control(),
                &mut Compressor::default(),
            )
        };
        let memory = render(Source::Memory(&todos))?;
        let chunks = render(Source::Database(connection))?;
        Ok((memory, chunks))
    });
    let (memory, chunks) = rendered.await.unwrap();
    assert_eq!(memory, chunks);
}

#[tokio::test]
async fn a_calendar_is_the_same_whether_its_todos_are_read_together_or_chunk_by_chunk() {
    let database = Database::new();
    database.add_todos(usize::from(MAX_SHARED_TODOS)).await;
    let of_worker = database.of_worker();
    let at_the_limit = few(of_worker.todos(&filter(None)).await.unwrap());
    assert_eq!(at_the_limit.todos.len(), usize::from(MAX_SHARED_TODOS));
    renders_the_same_from_memory_and_from_the_database(&database).await;

    database.add_todos(1).await;
    let above_the_limit = of_worker.todos(&filter(None)).await.unwrap();
    assert!(matches!(above_the_limit, SharedTodos::Many));
    renders_the_same_from_memory_and_from_the_database(&database).await;
}

fn result(byte_length: i64, content: usize, fingerprint: &str) -> NewResult {
    NewResult {
        content: vec![7; content],
        sha256: vec![1; 32],
        gzip_sha256: vec![2; 32],
        byte_length,
        event_count: 1,
        skipped_count: 0,
        todos_fingerprint: fingerprint.to_owned(),
    }
}

/// Stores and claims jobs.
async fn claimed(database: &Database, count: usize) -> Vec<ClaimKey> {
    database.accept_many(count).await;
    let claims = database.pool.run(move |connection| {
        claims::claim_pending(
            connection,
            CLAIM,
            Uuid::now_v7(),
            JobId(Uuid::nil()),
            i64::try_from(count).unwrap(),
        )
    });
    let keys: Vec<ClaimKey> = claims
        .await
        .unwrap()
        .iter()
        .map(|claim| claim.key)
        .collect();
    assert_eq!(keys.len(), count);
    keys
}

#[tokio::test]
async fn a_result_that_the_database_rejects_fails_alone() {
    let database = Database::new();
    let of_worker = database.of_worker();
    let keys = claimed(&database, 9).await;
    let bad = keys[4];
    let calls = keys.iter().map(|key| {
        // a text in the database can't contain a zero byte
        let fingerprint = if *key == bad { "\0" } else { "1:1" };
        of_worker.complete(Completion {
            key: *key,
            result: Arc::new(result(100, 100, fingerprint)),
        })
    });
    for (key, written) in keys.iter().zip(join_all(calls).await) {
        let status = database.find(key.id).await.status;
        if *key == bad {
            assert!(
                matches!(written, Err(DatabaseError::Query(_))),
                "{written:?}"
            );
            assert_eq!(status, JobStatus::Started);
        } else {
            assert_eq!(written.unwrap(), Written::Done);
            assert_eq!(status, JobStatus::Success);
        }
    }
}

#[tokio::test]
async fn a_large_result_does_not_delay_small_ones() {
    let database = Database::new();
    let of_worker = database.of_worker();
    let keys = claimed(&database, 6).await;
    let blocked = database.block_results(1_000_000).await;
    let large = Completion {
        key: keys[0],
        result: Arc::new(result(1_000_000, 300 * 1024, "1:1")),
    };
    let storing = {
        let of_worker = of_worker.clone();
        tokio::spawn(async move { of_worker.complete(large).await })
    };
    database.wait_until_a_result_is_blocked().await;
    let small = keys[1..].iter().map(|key| {
        of_worker.complete(Completion {
            key: *key,
            result: Arc::new(result(100, 100, "1:1")),
        })
    });
    for written in join_all(small).await {
        assert_eq!(written.unwrap(), Written::Done);
    }
    assert!(!storing.is_finished());
    drop(blocked);
    assert_eq!(storing.await.unwrap().unwrap(), Written::Done);
}

/// How many large calendars have been rendered.
static RENDERED: AtomicUsize = AtomicUsize::new(0);

fn count_and_render(
    source: Source<'_>,
    request: &CalendarRequest,
    host: &str,
    control: &RenderControl,
    compressor: &mut Compressor,
) -> Result<NewResult, RenderError> {
    RENDERED.fetch_add(1, Ordering::Relaxed);
    render::render(source, request, host, control, compressor)
}

#[tokio::test(flavor = "multi_thread")]
async fn large_calendars_are_not_rendered_faster_than_they_are_stored() {
    let database = Database::new();
    database.add_todos(usize::from(MAX_SHARED_TODOS) + 1).await;
    let slots = database.of_worker().large_slots.available_permits();
    let jobs = database.accept_many(slots + 3).await;
    let blocked = database.block_results(0).await;
    let setup = Setup {
        concurrency: jobs.len(),
        render: count_and_render,
        ..Setup::default()
    };
    let _running = Running::start(&database, Arc::new(database.subscription()), setup);
    eventually("the slots are used", async || {
        RENDERED.load(Ordering::Relaxed) == slots
    })
    .await;
    database.wait_until_a_result_is_blocked().await;
    // nothing tells when the next render would begin, if it did
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(RENDERED.load(Ordering::Relaxed), slots);
    drop(blocked);
    for id in jobs {
        let job = database.wait_until_ended(id).await;
        assert_eq!(job.status, JobStatus::Success);
    }
}

/// Panics in the calendars of completed todos.
fn render_or_panic(
    source: Source<'_>,
    request: &CalendarRequest,
    host: &str,
    control: &RenderControl,
    compressor: &mut Compressor,
) -> Result<NewResult, RenderError> {
    assert_ne!(request.filter.completed, Some(true), "injected");
    render::render(source, request, host, control, compressor)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_render_that_panics_costs_only_its_own_job_an_attempt() {
    let database = Database::new();
    database.add_todos(10).await;
    let mut harmless = database.accept_many(4).await;
    let panics = CalendarRequest {
        filter: filter(Some(true)),
        ..CalendarRequest::default()
    };
    let panics = database.accept(panics).await;
    harmless.extend(database.accept_many(4).await);
    let setup = Setup {
        concurrency: 20,
        render_delay: Duration::from_millis(1),
        render: render_or_panic,
        ..Setup::default()
    };
    let _running = Running::start(&database, Arc::new(database.subscription()), setup);
    for id in harmless {
        let job = database.wait_until_ended(id).await;
        assert_eq!((job.status, job.attempt), (JobStatus::Success, 1));
    }
    let job = database
        .wait_for(panics, |job| job.status == JobStatus::Retry)
        .await;
    assert_eq!(job.attempt, 1);
    assert_eq!(job.error.unwrap().code, ErrorCode::Panic);
}
