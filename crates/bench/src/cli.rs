//! The commands of the program: the benchmarks, and the processes that they start.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use serde::Serialize;

use crate::options::{PipelineOptions, SustainedOptions, SystemOptions};
use crate::timeline::Timeline;
use crate::{pipeline, plot, report, sqs_stub, sustained};

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
    save(&mut out, system, "pipeline", &results, &results.timeline)
}

fn measure_sustained(options: &SustainedOptions) -> anyhow::Result<()> {
    let executable = std::env::current_exe()?;
    let results = block_on(sustained::run(&executable, options))?;
    let mut out = std::io::stdout();
    report::write_sustained(&mut out, options, &results)?;
    let system = &options.system;
    save(&mut out, system, "sustained", &results, &results.timeline)
}

/// Writes the JSON and the plot of a run, and prints their paths.
fn save(
    out: &mut impl Write,
    system: &SystemOptions,
    command: &str,
    results: &impl Serialize,
    timeline: &Timeline,
) -> anyhow::Result<()> {
    let folder = &system.out;
    let name = format!("{command}-{}", system.queue.name());
    std::fs::create_dir_all(folder)?;
    let json = folder.join(format!("{name}.json"));
    std::fs::write(&json, serde_json::to_vec_pretty(results)?)?;
    let svg = folder.join(format!("{name}.svg"));
    std::fs::write(&svg, plot::svg(timeline))?;
    writeln!(
        out,
        "\nplot: {}\nall numbers: {}",
        svg.display(),
        json.display()
    )?;
    Ok(())
}
