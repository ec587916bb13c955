//! `queue`: publishers and subscribers that show how SQS standard and FIFO queues behave.
//!
//! # Layout, in the order a message travels
//! - `cli`: the options and commands
//! - `message`: a message before it is sent, and a message as it was received
//! - `queue`: the calls to SQS, with their number and price, and their errors in words
//! - `send`: a publisher
//! - `receive`: a subscriber, and the messages that are in flight because of it
//! - `report`: order, duplicates, gaps and latencies of the messages that a subscriber received
//! - `operate`: what operators do with a queue
//! - `output`, `signals`, `error`: the terminal, and the exit codes
//!
//! Results go to stdout, everything else to stderr. The program never exits without a note about the messages that it
//! left in flight.

mod cli;
mod error;
mod message;
mod operate;
mod output;
mod queue;
mod receive;
mod report;
mod send;
mod signals;

use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

pub use cli::Cli;

use cli::{Command, Demo};
use error::Error;
use operate::{create, purge, redrive, stats, tail};
use output::Output;
use queue::Queue;
use signals::Stop;

/// Runs the program. Errors are reported on stderr.
pub async fn run(cli: Cli) -> ExitCode {
    let stop = match Stop::listen() {
        Ok(stop) => stop,
        Err(error) => return error.report(),
    };
    let result = tokio::select! {
        result = dispatch(cli, &stop.graceful) => result,
        () = stop.immediate.cancelled() => Err(Error::Failed(
            "exited immediately: messages that were received and not deleted stay in flight until their visibility timeout ends"
                .to_owned(),
        )),
    };
    result.unwrap_or_else(|error| error.report())
}

async fn dispatch(cli: Cli, stop: &CancellationToken) -> Result<ExitCode, Error> {
    match cli.command {
        Some(Command::Stats(arguments)) => stats::stats(arguments).await?,
        Some(Command::Purge(arguments)) => purge::purge(arguments, stop).await?,
        Some(Command::Redrive(arguments)) => redrive::redrive(arguments, stop).await?,
        Some(Command::Tail(arguments)) => tail::tail(arguments, stop).await?,
        None => return demonstrate(cli.demo, stop).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn demonstrate(demo: Demo, stop: &CancellationToken) -> Result<ExitCode, Error> {
    let mut output = Output::new(demo.json);
    if demo.create {
        create::create(demo.name, demo.max_receives, &mut output).await?;
        return Ok(ExitCode::SUCCESS);
    }
    if demo.delete_queue {
        create::delete(demo.name, &mut output).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(name) = demo.name else {
        return Err(Error::Setup("which queue? --name NAME".to_owned()));
    };
    let incompatibility = demo.sending.incompatibility(name.is_fifo());
    if let (Some(incompatibility), false) = (incompatibility, demo.receive) {
        return Err(Error::Setup(incompatibility.to_owned()));
    }
    let mut queue = Queue::open(&name).await?;
    output.note(format_args!("Connected to {}", queue.name));
    if demo.receive {
        receive::receive(&mut queue, demo.receiving.options(), &mut output, stop).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let client = demo
        .client_name
        .unwrap_or_else(|| format!("Client {}", std::process::id()));
    let source = demo.sending.source(client, queue.is_fifo);
    let options = demo.sending.options();
    send::send(&mut queue, source, options, &mut output, stop).await
}
