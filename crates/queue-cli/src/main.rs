//! Shows how SQS standard and FIFO queues behave.

use std::process::ExitCode;

use clap::Parser;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    queue_cli::run(queue_cli::Cli::parse()).await
}
