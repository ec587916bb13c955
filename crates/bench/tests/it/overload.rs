//! The command `overload`.

use std::path::Path;

use bench::cli::{Cli, Command};
use bench::{overload, report};
use clap::Parser;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_within_its_limit_is_accepted_while_another_is_refused() {
    let arguments = [
        "bench",
        "overload",
        "--todos",
        "1",
        "--clients",
        "2",
        "--limit",
        "50",
        "--time",
        "2s",
    ];
    let Command::Overload(options) = Cli::try_parse_from(arguments).unwrap().command else {
        unreachable!("the command is overload");
    };
    let executable = Path::new(env!("CARGO_BIN_EXE_bench"));
    let results = overload::run(executable, &options).await.unwrap();
    assert!(results.alone.accepted > 0.0 && results.polite.accepted > 0.0);
    assert!(results.greedy.refused > results.greedy.accepted);
    let mut table = Vec::new();
    report::write_overload(&mut table, &options, &results).unwrap();
    let table = String::from_utf8(table).unwrap();
    assert!(table.contains("50 jobs per second allowed"), "{table}");
}
