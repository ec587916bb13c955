//! `queue`: publishers and subscribers that show how queues behave: those of SQS, standard and FIFO, and those of other
//! services.
//!
//! # Layout, in the order a message travels
//! - `cli`: the options and commands
//! - `message`: a message before it is sent, and a message as it was received
//! - `target`: the queue that the options name
//! - `transport`: what the program needs of a queue, and the number of calls and their price
//! - `queue`: the calls to SQS, and their errors in words
//! - `broker`: the queues of other services
//! - `send`: a publisher
//! - `receive`: a subscriber, and the messages that are in flight because of it
//! - `report`: order, duplicates, gaps and latencies of the messages that a subscriber received
//! - `operate`: what operators do with a queue
//! - `compare`: the same messages through several queues, and what each of them did
//! - `output`, `signals`, `error`: the terminal, and the exit codes
//!
//! Results go to stdout, everything else to stderr. The program never exits without a note about the messages that it
//! left in flight.

mod broker;
mod cli;
mod compare;
mod error;
mod message;
mod operate;
mod output;
mod queue;
mod receive;
mod report;
mod send;
mod signals;
mod target;
mod transport;

use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

pub use cli::Cli;

use broker::Role;
use cli::{Command, Demo};
use error::Error;
use operate::{create, purge, redrive, stats, tail};
use output::Output;
use signals::Stop;
use target::Target;

/// Runs the program. Errors are reported on stderr.
pub async fn run(cli: Cli) -> ExitCode {
    let stop = match Stop::listen() {
        Ok(stop) => stop,
        Err(error) => return error.report(),
    };
    let result = tokio::select! {
        result = Box::pin(dispatch(cli, &stop.graceful)) => result,
        () = stop.immediate.cancelled() => Err(Error::Failed(
            "exited immediately: messages that were received and not deleted stay in flight until their visibility timeout ends"
                .to_owned(),
        )),
    };
    result.unwrap_or_else(|error| error.report())
}

async fn dispatch(mut cli: Cli, stop: &CancellationToken) -> Result<ExitCode, Error> {
    cli.share_files()?;
    match cli.command {
        Some(Command::Stats(arguments)) => stats::stats(arguments).await?,
        Some(Command::Purge(arguments)) => purge::purge(arguments, stop).await?,
        Some(Command::Redrive(arguments)) => redrive::redrive(arguments, stop).await?,
        Some(Command::Tail(arguments)) => tail::tail(arguments, stop).await?,
        Some(Command::Compare(arguments)) => {
            return compare::compare(arguments.options(), stop).await;
        }
        Some(Command::Victim) => compare::be_the_victim().await?,
        None => return demonstrate(cli.demo, stop).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn demonstrate(demo: Demo, stop: &CancellationToken) -> Result<ExitCode, Error> {
    let mut output = Output::new(demo.json);
    let target = demo.url.or(demo.name.map(Target::Sqs));
    if demo.create {
        create::create(target, demo.max_receives, &mut output).await?;
        return Ok(ExitCode::SUCCESS);
    }
    if demo.delete_queue {
        create::delete(target, &mut output).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(target) = target else {
        return Err(Error::Setup("which queue? --name NAME".to_owned()));
    };
    let (role, incompatibility) = if demo.receive {
        (Role::Subscriber, demo.receiving.incompatibility(&target))
    } else {
        (Role::Publisher, demo.sending.incompatibility(&target))
    };
    if let Some(incompatibility) = incompatibility {
        return Err(Error::Setup(incompatibility.to_owned()));
    }
    let mut queue = target.open(role).await?;
    output.note(format_args!("Connected to {}", queue.name()));
    let result = if demo.receive {
        let options = demo.receiving.options();
        let received = receive::receive(queue.as_mut(), options, &mut output, stop).await;
        received.map(|()| ExitCode::SUCCESS)
    } else {
        let client = demo
            .client_name
            .unwrap_or_else(|| format!("Client {}", std::process::id()));
        let source = demo.sending.source(client, target.is_fifo());
        let options = demo.sending.options();
        send::send(queue.as_mut(), source, options, &mut output, stop).await
    };
    queue.close().await;
    result
}
