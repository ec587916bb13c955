//! The settings of the API and the worker: `.env.example` names every one and nothing else, and the defaults are safe.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use clap::{Arg, Args, Command};

/// Both processes. This crate is the place to compare them because it depends on both.
fn processes() -> [Command; 2] {
    [
        api::Config::augment_args(Command::new("api")),
        worker::config::Config::augment_args(Command::new("worker")),
    ]
}

/// The settings of both processes and of `taskoverflow-api migrate`.
fn settings() -> BTreeSet<String> {
    let migrate = api::migrate::MigrateConfig::augment_args(Command::new("migrate"));
    let variables = |command: &Command| -> Vec<String> {
        let names = command.get_arguments().filter_map(Arg::get_env);
        names
            .map(|name| name.to_string_lossy().into_owned())
            .collect()
    };
    let commands = processes().into_iter().chain([migrate]);
    commands.flat_map(|command| variables(&command)).collect()
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

#[test]
fn only_this_machine_can_reach_a_process_with_the_default_settings() {
    for process in processes() {
        let mut addresses = process
            .get_arguments()
            .filter(|setting| setting.get_id().as_str().ends_with("_addr"))
            .flat_map(Arg::get_default_values)
            .map(|address| address.to_str().unwrap().parse::<SocketAddr>().unwrap())
            .peekable();
        assert!(addresses.peek().is_some(), "{}", process.get_name());
        assert!(addresses.all(|address| address.ip().is_loopback()));
    }
}
