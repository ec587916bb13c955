//! `queue`: publishers and subscribers that show what SQS standard and FIFO queues do.
//!
//! # Layout, in the order a message travels
//! - `cli`, `name`: what is asked for
//! - `client`, `queue`: the calls on SQS, counted; `explain`: their errors in words; `cost`: their price
//! - `outgoing`, `batches`, `send`: a publisher; `batch`: what a batch call did, entry by entry
//! - `receive`, `received`, `held`: a subscriber, and what is in flight because of it
//! - `summary`, `latency`, `report`, `table`, `plot`: what it saw
//! - `create`, `stats`, `purge`, `redrive`, `tail`: what operators do with a queue
//! - `output`, `signals`: the terminal
//!
//! Results go to stdout, all else to stderr. It never ends with messages in flight that it does not tell of.

mod attributes;
mod batch;
mod batches;
mod cli;
mod client;
mod cost;
mod create;
mod error;
mod explain;
mod held;
mod latency;
mod name;
mod outgoing;
mod output;
mod plot;
mod purge;
mod queue;
mod receive;
mod received;
mod redrive;
mod report;
mod send;
mod signals;
mod stats;
mod summary;
mod table;
mod tail;

use std::process::ExitCode;

pub use cli::Cli;

use cli::{Command, Demo};
use error::Error;
use outgoing::Source;
use output::Output;
use queue::Queue;
use signals::Stop;

/// Does what the flags ask for. Says on stderr what went wrong.
pub async fn run(cli: Cli) -> ExitCode {
    let stop = match Stop::listen() {
        Ok(stop) => stop,
        Err(error) => return error.report(),
    };
    let done = tokio::select! {
        done = dispatch(cli, &stop) => done,
        () = stop.at_once.cancelled() => Err(Error::Failed(
            "stopped at once: what was received and not deleted stays in flight until its visibility timeout ends"
                .to_owned(),
        )),
    };
    done.unwrap_or_else(|error| error.report())
}

async fn dispatch(cli: Cli, stop: &Stop) -> Result<ExitCode, Error> {
    let stop = &stop.gently;
    match cli.command {
        Some(Command::Stats(arguments)) => stats::stats(arguments).await?,
        Some(Command::Purge(arguments)) => purge::purge(arguments, stop).await?,
        Some(Command::Redrive(arguments)) => redrive::redrive(arguments, stop).await?,
        Some(Command::Tail(arguments)) => tail::tail(arguments, stop).await?,
        None => return demonstrate(cli.demo, stop).await,
    }
    Ok(ExitCode::SUCCESS)
}

async fn demonstrate(
    demo: Demo,
    stop: &tokio_util::sync::CancellationToken,
) -> Result<ExitCode, Error> {
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
    let misfit = demo.sending.misfit(name.is_fifo());
    if let (Some(misfit), false) = (misfit, demo.receive) {
        return Err(Error::Setup(misfit.to_owned()));
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
    let pattern = demo.sending.pattern(client, queue.is_fifo);
    let source = match demo.sending.template() {
        Some((body, count)) => Source::template(pattern, body, count),
        None => Source::stdin(pattern, demo.sending.lines()),
    };
    let options = demo.sending.options();
    send::send(&mut queue, source, options, &mut output, stop).await
}
