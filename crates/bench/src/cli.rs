//! The commands of the program: the benchmarks, and the processes that they start.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use serde::Serialize;

use crate::options::{
    FeedsOptions, OverloadOptions, PipelineOptions, SustainedOptions, SystemOptions,
};
use crate::timeline::Timeline;
use crate::{feeds, overload, pipeline, plot, report, sqs_stub, sustained};

/// Todos in the calendar of `feeds`.
const LARGE_CALENDAR: &str = "100000";

/// Measures TaskOverflow.
#[derive(Debug, Parser)]
#[command(name = "bench")]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// A command.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Measure the pipeline: what a job costs and how many are accepted and completed per second
    Pipeline(PipelineOptions),
    /// Measure a constant rate for minutes, and whether anything grows meanwhile
    Sustained(SustainedOptions),
    /// Measure what it costs when many programs poll a feed with a large calendar that does not change
    #[command(mut_arg("todos", |todos| todos.default_value(LARGE_CALENDAR)))]
    Feeds(FeedsOptions),
    /// Measure the response times of a client within its limit, while another sends many times more than it may
    Overload(OverloadOptions),
    /// Run the API, as `taskoverflow-api` does
    #[command(hide = true)]
    Api(Box<api::Config>),
    /// Run the worker, as `taskoverflow-worker` does
    #[command(hide = true)]
    Worker(Box<worker::config::Config>),
    /// Run the stub of SQS
    #[command(hide = true)]
    SqsStub {
        /// The address to listen on
        #[arg(long)]
        address: SocketAddr,
    },
}

impl Command {
    /// Runs the command to its end, and returns the exit code.
    pub fn run(self) -> ExitCode {
        let outcome = match self {
            Self::Pipeline(options) => measure_pipeline(&options),
            Self::Sustained(options) => measure_sustained(&options),
            Self::Feeds(options) => measure_feeds(&options),
            Self::Overload(options) => measure_overload(&options),
            Self::Api(config) => return api::run_process(*config),
            Self::Worker(config) => return worker::run_process(*config),
            Self::SqsStub { address } => block_on(sqs_stub::serve(address)),
        };
        outcome.map_or_else(
            |error| {
                eprintln!("bench: {error:#}");
                ExitCode::FAILURE
            },
            |()| ExitCode::SUCCESS,
        )
    }
}

fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Runtime::new()?.block_on(future)
}

fn measure_pipeline(options: &PipelineOptions) -> anyhow::Result<()> {
    let executable = std::env::current_exe()?;
    let results = block_on(pipeline::run(&executable, options))?;
    let mut out = std::io::stdout();
    report::write_pipeline(&mut out, options, &results)?;
    let system = &options.system;
    save_plot(&mut out, system, "pipeline", &results.timeline)?;
    save_numbers(&mut out, system, "pipeline", &results)
}

fn measure_sustained(options: &SustainedOptions) -> anyhow::Result<()> {
    let executable = std::env::current_exe()?;
    let results = block_on(sustained::run(&executable, options))?;
    let mut out = std::io::stdout();
    report::write_sustained(&mut out, options, &results)?;
    let system = &options.system;
    save_plot(&mut out, system, "sustained", &results.timeline)?;
    save_numbers(&mut out, system, "sustained", &results)
}

fn measure_feeds(options: &FeedsOptions) -> anyhow::Result<()> {
    let executable = std::env::current_exe()?;
    let results = block_on(feeds::run(&executable, options))?;
    let mut out = std::io::stdout();
    report::write_feeds(&mut out, options, &results)?;
    save_numbers(&mut out, &options.system, "feeds", &results)
}

fn measure_overload(options: &OverloadOptions) -> anyhow::Result<()> {
    let executable = std::env::current_exe()?;
    let results = block_on(overload::run(&executable, options))?;
    let mut out = std::io::stdout();
    report::write_overload(&mut out, options, &results)?;
    save_numbers(&mut out, &options.system, "overload", &results)
}

/// Writes the plot of a run, and prints its path.
fn save_plot(
    out: &mut impl Write,
    system: &SystemOptions,
    command: &str,
    timeline: &Timeline,
) -> anyhow::Result<()> {
    let path = file(system, command, "svg")?;
    std::fs::write(&path, plot::svg(timeline))?;
    writeln!(out, "\nplot: {}", path.display())?;
    Ok(())
}

/// Writes all numbers of a run as JSON, and prints the path.
fn save_numbers(
    out: &mut impl Write,
    system: &SystemOptions,
    command: &str,
    results: &impl Serialize,
) -> anyhow::Result<()> {
    let path = file(system, command, "json")?;
    std::fs::write(&path, serde_json::to_vec_pretty(results)?)?;
    writeln!(out, "all numbers: {}", path.display())?;
    Ok(())
}

fn file(system: &SystemOptions, command: &str, extension: &str) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(&system.out)?;
    let name = format!("{command}-{}.{extension}", system.queue.name());
    Ok(system.out.join(name))
}
