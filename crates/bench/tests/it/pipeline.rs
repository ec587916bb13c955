//! The command `pipeline`.

use std::path::Path;

use bench::cli::{Cli, Command};
use bench::pipeline::{self, Results};
use bench::{plot, report};
use clap::Parser;
use tokio::sync::OnceCell;

/// Posted by many clients, by a few, and one after the other.
const JOBS: u64 = 60 + 30 + 5;

async fn run(queue: &str) -> Results {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let arguments = [
        "bench",
        "pipeline",
        "--queue",
        queue,
        "--jobs",
        "60",
        "--clients",
        "8",
        "--few-clients",
        "2",
        "--idle-jobs",
        "5",
        "--todos",
        "3",
        "--posting",
        "300ms",
        "--reads",
        "100ms",
        "--settle",
        "0s",
        "--worker",
        "RECEIVE_WAIT=1s",
        "--watchers",
        "2",
        "--out",
        out,
    ];
    let Command::Pipeline(options) = Cli::try_parse_from(arguments).unwrap().command else {
        unreachable!("the command is pipeline");
    };
    let executable = Path::new(env!("CARGO_BIN_EXE_bench"));
    pipeline::run(executable, &options).await.unwrap()
}

/// The run over `postgres:`, which two tests look at.
async fn postgres_run() -> &'static Results {
    static RUN: OnceCell<Results> = OnceCell::const_new();
    RUN.get_or_init(|| run("postgres:")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_counts_what_each_phase_costs() {
    let results = postgres_run().await;
    assert_eq!(results.accept.posted.jobs, 60);
    assert_eq!(results.drain.jobs, 90);
    for counted in [&results.accept.counted, &results.drain.counted] {
        assert!(counted.database.statements > 0);
        assert!(counted.database.writing_commits > 0);
        assert!(counted.database.wal_bytes > counted.database.result_bytes);
        assert!(!counted.statements.is_empty());
        assert!(counted.queue_calls.is_empty());
    }
    assert_eq!(results.accept.counted.database.result_bytes, 0);
    assert!(results.drain.counted.database.result_bytes > 0);
    assert!(results.drain.rate > 0.0);
    assert!(results.reads.status > 0.0 && results.reads.health > 0.0);
    assert!(results.memory.worker > 1.0);
    for phase in &results.watched {
        assert_eq!(phase.watchers.len(), 2);
        for seen in &phase.watchers {
            assert!(seen.longest_gap <= phase.seconds, "{phase:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_job_of_a_run_is_in_the_timeline_the_table_and_the_plot() {
    let results = postgres_run().await;
    let jobs = i64::try_from(JOBS + results.posting.posted.jobs).unwrap();
    let seconds = &results.timeline.seconds;
    assert_eq!(
        seconds.iter().map(|second| second.accepted).sum::<i64>(),
        jobs
    );
    assert_eq!(
        seconds.iter().map(|second| second.completed).sum::<i64>(),
        jobs
    );
    let mut table = Vec::new();
    report::write_pipeline(&mut table, &results.options, results).unwrap();
    let table = String::from_utf8(table).unwrap();
    assert!(table.contains("database statements"), "{table}");
    assert_eq!(table.matches("watcher 2").count(), 5, "{table}");
    let svg = plot::svg(&results.timeline);
    assert_eq!(svg.matches("stroke-linecap").count(), 4, "{svg}");
    assert!(svg.contains("post and complete"), "{svg}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stub_carries_and_counts_the_messages_of_standard_and_fifo_queues() {
    let (standard, fifo) = tokio::join!(run("sqs"), run("sqs-fifo"));
    for results in [standard, fifo] {
        let sent = &results.accept.counted.queue_calls;
        let done = &results.drain.counted.queue_calls;
        assert!(sent["SendMessageBatch"] >= 6, "{sent:?}");
        assert!(done["ReceiveMessage"] >= 9, "{done:?}");
        assert!(done["DeleteMessageBatch"] >= 9, "{done:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(not(has_redis), ignore = "needs redis-server")]
async fn what_passes_to_redis_and_back_is_counted() {
    let results = run("redis").await;
    let (sent, done) = (results.accept.counted.broker, results.drain.counted.broker);
    // each message names its job
    assert!(
        sent.round_trips > 0 && sent.sent_bytes > 60 * 36,
        "{sent:?}"
    );
    assert!(sent.writes >= sent.round_trips, "{sent:?}");
    assert!(
        done.round_trips > 0 && done.received_bytes > 90 * 36,
        "{done:?}"
    );
    let mut table = Vec::new();
    report::write_pipeline(&mut table, &results.options, &results).unwrap();
    let table = String::from_utf8(table).unwrap();
    assert!(table.contains("round trips to the broker"), "{table}");
    assert!(!table.contains("SQS"), "{table}");
}

/// Other brokers take too long to start.
#[test]
fn redis_rabbitmq_and_activemq_are_built_in() {
    for url in ["redis://h/bench", "amqp://h/bench", "stomp://h/bench"] {
        let api = [
            "bench",
            "api",
            "--database-url",
            "postgres://h/d",
            "--queue-url",
            url,
        ];
        let worker = [
            "bench",
            "worker",
            "--database-url",
            "postgres://h/d",
            "--queue-url",
            url,
        ];
        for arguments in [api, worker] {
            Cli::try_parse_from(arguments).unwrap();
        }
    }
}
