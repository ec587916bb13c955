//! Stores new jobs.

use std::sync::Arc;

use shared_model::activity::Activity;
use shared_model::batch_lane::RunBatch;
use shared_model::database::{DatabaseError, Pool};
use shared_model::job::{CalendarRequest, JobId};
use shared_model::job_store::requests::{self, NewJob};
use shared_model::trace::TraceContext;

use crate::background::dispatch::Dispatch;

/// A job to store.
#[derive(Debug)]
pub(super) struct WantedJob {
    pub(super) id: JobId,
    pub(super) request: CalendarRequest,
    pub(super) expiry_seconds: u32,
    pub(super) token_name: Option<Arc<str>>,
    pub(super) traceparent: Option<TraceContext>,
    pub(super) event_destinations: Vec<String>,
}

/// Stores a batch of jobs in one statement, and then announces them.
#[derive(Debug)]
pub(super) struct Accept {
    pub(super) pool: Pool,
    pub(super) dispatch: Dispatch,
    pub(super) activity: Activity,
}

impl RunBatch<WantedJob, ()> for Accept {
    async fn run(&self, wanted: Arc<Vec<WantedJob>>) -> Result<Vec<()>, DatabaseError> {
        let announcement = self.dispatch.prepare(wanted.len());
        let sender = announcement.sender();
        let jobs: Vec<NewJob> = wanted
            .iter()
            .map(|job| NewJob {
                id: job.id,
                request: job.request.clone(),
                expiry_seconds: job.expiry_seconds,
                sender,
                token_name: job.token_name.clone(),
                traceparent: job.traceparent,
                event_destinations: job.event_destinations.clone(),
            })
            .collect();
        let stored = self
            .pool
            .run(move |connection| requests::insert(connection, &jobs));
        let messages = wanted.iter().map(|job| (job.id, job.traceparent));
        announcement.stored(messages, stored.await?);
        self.activity.accepted(wanted.len());
        Ok(vec![(); wanted.len()])
    }
}
