//! `queue compare`: the same messages through several queues, and a table of what each of them did.
//!
//! # Layout, in the order of a run
//! - `plan`: the queues, and the local servers that are started for them
//! - `address`: how to connect to a queue that is compared
//! - `run`: publishers, and two subscribers, one of which is killed; `publisher`, `subscriber`, `victim`: these
//! - `record`: what was sent and what arrived
//! - `measure`: the numbers of the table
//! - `table`, `html`, `chart`: the results as text, and as a page

mod address;
mod chart;
mod html;
mod measure;
mod plan;
mod publisher;
mod record;
mod run;
mod subscriber;
mod table;
mod topic;
mod victim;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::output::Output;
use crate::target::Target;

pub(crate) use plan::Contestant;
pub(crate) use victim::{COMMAND as VICTIM, be_the_victim};

use html::Report;
use measure::Row;

/// What is said of a queue whose server is not installed.
const SKIPPED: &str = "skipped";

/// What is sent through each queue, and how.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) publishers: u64,
    /// The messages of each publisher.
    pub(crate) count: u64,
    /// The messages per second of all publishers.
    pub(crate) rate: f64,
    /// How long a received message is hidden, where the subscriber decides that.
    pub(crate) visibility: Duration,
}

/// What is compared, and how the result is shown.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// If empty, all whose local server can be started, unless there are [`Options::existing`] queues.
    pub(crate) queues: Vec<Contestant>,
    pub(crate) existing: Vec<Target>,
    pub(crate) load: Load,
    /// The file to write a page to.
    pub(crate) html: Option<PathBuf>,
    pub(crate) json: bool,
    /// A local SQS and SNS endpoint that already runs.
    pub(crate) sqs_endpoint: Option<String>,
}

/// Runs the comparison, and prints the table.
pub(crate) async fn compare(options: Options, stop: &CancellationToken) -> Result<ExitCode, Error> {
    let mut output = Output::new(options.json);
    let compared = Box::pin(compare_all(&options, &mut output));
    let compared = stop.run_until_cancelled(compared);
    let rows = compared
        .await
        .unwrap_or_else(|| Err(Error::Failed("the comparison was interrupted".to_owned())))?;
    output.end_progress();
    output.text(&table::table(
        &rows.iter().map(|row| &row.row).collect::<Vec<_>>(),
    ))?;
    if let Some(path) = &options.html {
        let page = html::page(&options.load, &rows);
        std::fs::write(path, page).map_err(|error| {
            Error::Failed(format!("could not write {}: {error}", path.display()))
        })?;
        output.note(format_args!("{} was written", path.display()));
    }
    let failed = rows
        .iter()
        .any(|row| row.row.result.is_err() && row.row.event != SKIPPED);
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn compare_all(options: &Options, output: &mut Output) -> Result<Vec<Report>, Error> {
    output.start_spinner();
    let mut plan = plan::plan(options).await?;
    let mut rows = Vec::new();
    for contender in plan.take_contenders() {
        let contender = match contender {
            Ok(contender) => contender,
            Err(skipped) => {
                let row = Row {
                    event: SKIPPED,
                    queue: skipped.title,
                    note: None,
                    result: Err(skipped.reason),
                };
                output.json(&row)?;
                let chart = String::new();
                rows.push(Report { row, chart });
                continue;
            }
        };
        output.note(format_args!("{} …", contender.title));
        let run = run::run(&contender, &options.load).await;
        let (result, chart) = match run {
            Ok(run) => (Ok(measure::measure(&run)), chart::chart(&run)),
            Err(error) => (Err(error.to_string()), String::new()),
        };
        let row = Row {
            event: "compared",
            queue: contender.title,
            note: contender.note,
            result,
        };
        output.json(&row)?;
        rows.push(Report { row, chart });
    }
    Ok(rows)
}
