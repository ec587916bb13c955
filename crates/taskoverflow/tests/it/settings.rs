//! `.env.example` names every setting of the API and the worker, and nothing else.

use std::collections::BTreeSet;
use std::path::Path;

use clap::{Args, Command};

/// The settings of both processes. This crate is the place to compare them because it depends on both.
fn settings() -> BTreeSet<String> {
    let api = api::Config::augment_args(Command::new("api"));
    let worker = worker::config::Config::augment_args(Command::new("worker"));
    let variables = |command: &Command| -> Vec<String> {
        let names = command.get_arguments().filter_map(clap::Arg::get_env);
        names
            .map(|name| name.to_string_lossy().into_owned())
            .collect()
    };
    variables(&api)
        .into_iter()
        .chain(variables(&worker))
        .collect()
}

#[test]
fn the_example_names_every_setting() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.env.example");
    let text = std::fs::read_to_string(file).unwrap();
    let named: BTreeSet<String> = text
        .lines()
        .filter_map(|line| {
            line.trim_start_matches('#')
                .split_once('=')
                .map(|(name, _)| name.to_owned())
        })
        .filter(|name| {
            !name.starts_with("AWS_")
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        })
        .collect();
    assert_eq!(named, settings());
}
