//! The command `feeds`.

use std::path::Path;

use bench::cli::{Cli, Command};
use bench::options::FeedsOptions;
use bench::{feeds, report};
use clap::Parser;

fn options(arguments: &[&str]) -> FeedsOptions {
    let arguments = ["bench", "feeds"].iter().chain(arguments);
    match Cli::try_parse_from(arguments).unwrap().command {
        Command::Feeds(options) => options,
        _ => unreachable!("the command is feeds"),
    }
}

#[test]
fn a_thousand_programs_poll_a_large_calendar_by_default() {
    let options = options(&[]);
    assert_eq!(options.system.todos, 100_000);
    assert_eq!(options.subscribers.get(), 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_counts_what_polls_cost() {
    let options = options(&[
        "--todos",
        "50",
        "--feeds",
        "2",
        "--subscribers",
        "6",
        "--interval",
        "100ms",
        "--time",
        "400ms",
        "--settle",
        "0s",
        "--worker",
        "RECEIVE_WAIT=1s",
    ]);
    let executable = Path::new(env!("CARGO_BIN_EXE_bench"));
    let results = feeds::run(executable, &options).await.unwrap();
    assert_eq!(results.polls, 6 * 4);
    // each poll reads a feed, its job and its calendar, and nothing looks these up while the system is idle
    let lookups = |phase: &feeds::Phase| -> i64 {
        let statements = phase.counted.statements.iter();
        let lookups = statements.filter(|one| {
            // the API also measures its tables, for its limits
            one.query.contains("calendar_feeds") && !one.query.contains("pg_total_relation_size")
        });
        lookups.map(|one| one.calls).sum()
    };
    assert_eq!((lookups(&results.idle), lookups(&results.polled)), (0, 24));
    let mut table = Vec::new();
    report::write_feeds(&mut table, &options, &results).unwrap();
    let table = String::from_utf8(table).unwrap();
    assert!(table.contains("% of a core"), "{table}");
}
