//! Registers this process, and reports as long as it runs.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::report::{self, Control, NewProcess, Report};
use super::this_process::ThisProcess;
use crate::database::{DatabaseError, Pool};

/// The time between two reports.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long the last report may take: a process must not end late because of it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Registers this process and reports.
#[derive(Debug)]
pub struct Reporter {
    /// Connections for short statements.
    pub pool: Pool,
    /// What the process says about itself when it registers.
    pub process: NewProcess,
    /// Its id, and what it does.
    pub this: ThisProcess,
    /// What an operator wants from it; `None` until its first report has succeeded.
    pub control: watch::Sender<Option<Control>>,
}

impl Reporter {
    /// Registers the process and reports once a second, forever. `in_flight` returns how many jobs the process runs, if it is a worker.
    pub async fn run(&self, in_flight: impl Fn() -> Option<usize>) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failures = 0_u32;
        loop {
            ticks.tick().await;
            match self.report(in_flight()).await {
                Ok(()) => failures = 0,
                Err(error) => {
                    // about once a minute, because a worker that has never reported begins nothing
                    let level = if failures.is_multiple_of(60) {
                        log::Level::Warn
                    } else {
                        log::Level::Debug
                    };
                    failures = failures.wrapping_add(1);
                    log::log!(level, error:%; "could not report to the database what this process does; trying again");
                }
            }
        }
    }

    /// Reports for the last time, and records that the process has ended. Gives up after a second.
    pub async fn end(&self) {
        let Some(id) = self.this.id() else { return };
        let ending = async {
            self.report(None).await?;
            let stopped = self
                .pool
                .run(move |connection| report::stopped(connection, id));
            stopped.await
        };
        if let Ok(Err(error)) = tokio::time::timeout(PATIENCE, ending).await {
            log::debug!(error:%; "could not record that this process has ended");
        }
    }

    /// Reports once, or registers the process.
    async fn report(&self, in_flight: Option<usize>) -> Result<(), DatabaseError> {
        let control = match self.this.id() {
            Some(id) => self.report_as(id, in_flight).await?,
            None => self.register().await?,
        };
        if !control.known {
            // its row was deleted, because it had not reported for a long time
            self.this.set_id(None);
        }
        self.control.send_if_modified(|current| {
            let is_new = *current != Some(control);
            *current = Some(control);
            is_new
        });
        Ok(())
    }

    async fn register(&self) -> Result<Control, DatabaseError> {
        let process = self.process.clone();
        let registered = self
            .pool
            .run(move |connection| report::register(connection, &process));
        let (id, control) = registered.await?;
        self.this.set_id(Some(id));
        log::info!("process.id" = id, "process.host" = self.process.host; "registered");
        Ok(control)
    }

    async fn report_as(&self, id: i32, in_flight: Option<usize>) -> Result<Control, DatabaseError> {
        let tally = self.this.activity.take();
        let new = Report {
            in_flight: in_flight.map(|jobs| i32::try_from(jobs).unwrap_or(i32::MAX)),
            tally: tally.clone(),
        };
        let reported = self
            .pool
            .run(move |connection| report::report(connection, id, &new))
            .await;
        if !reported.as_ref().is_ok_and(|control| control.known) {
            self.this.activity.put_back(&tally);
        }
        reported
    }
}
