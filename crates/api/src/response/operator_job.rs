//! A job as an operator sees it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared_model::job::{JobError, JobId, JobStatus};
use shared_model::job_store::failed::Redriver;
use shared_model::job_store::history::{AttemptEnd, Event, JobHistory, Step};
use shared_model::job_store::record::{JobRecord, Worker};
use shared_model::trace::Trace;
use utoipa::ToSchema;

use crate::response::openapi::schemas::{JobFailure, TaskStatus};

/// A job as an operator sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperatorJob)]
pub struct OperatorJobView<'a> {
    #[schema(value_type = Uuid)]
    task_id: JobId,
    #[schema(value_type = TaskStatus)]
    task_status: JobStatus,
    /// How many attempts have begun since the job was accepted or last retried by an operator.
    attempt: i32,
    created_at: DateTime<Utc>,
    /// When the first of these attempts began.
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    #[schema(value_type = Option<JobFailure>)]
    error: Option<&'a JobError>,
    /// The worker that has the job, or had it last.
    worker: Option<WorkerView<'a>>,
    /// The name of the token that the job was requested with.
    token_name: Option<&'a str>,
    /// The id of the trace that the log lines of the job have.
    #[schema(example = "0197f3a200007000800000000000000a")]
    trace_id: String,
}

/// A worker that had a job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobWorker)]
pub struct WorkerView<'a> {
    id: i32,
    /// The name of its host; null if the process ended long ago.
    host: Option<&'a str>,
}

/// A job, and what happened to it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobHistory)]
pub struct JobHistoryView<'a> {
    #[serde(flatten)]
    job: OperatorJobView<'a>,
    /// What happened, in order of time.
    history: Vec<StepView<'a>>,
    /// Whether steps between the first and the second one are not kept.
    history_truncated: bool,
}

/// Something that happened to a job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobStep)]
struct StepView<'a> {
    /// When.
    at: DateTime<Utc>,
    #[serde(flatten)]
    event: EventView<'a>,
}

/// What happened to a job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobEvent)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum EventView<'a> {
    /// The API accepted it.
    Accepted,
    /// The queue accepted its message.
    Published,
    /// A worker began an attempt.
    Attempt {
        /// Its number, from 1. After an operator's retry, the attempts count from 1 again.
        attempt: i32,
        worker: Option<WorkerView<'a>>,
        /// When it ended, or its lease ran out; null while it runs.
        ended_at: Option<DateTime<Utc>>,
        /// `success`, `failure`, `revoked`, `retry`, or `lost` if the worker stopped responding; null while it
        /// runs.
        end: Option<&'static str>,
        /// Why it failed, if another attempt followed.
        #[schema(value_type = Option<JobFailure>)]
        error: Option<&'a JobError>,
    },
    /// Its message was lost, and is sent again.
    Republished,
    /// An operator retried it.
    Redriven { by: Option<RedriverView<'a>> },
    /// It ended.
    Ended {
        #[schema(value_type = TaskStatus)]
        status: JobStatus,
        #[schema(value_type = Option<JobFailure>)]
        error: Option<&'a JobError>,
    },
}

/// Who retried a job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobRedriver)]
struct RedriverView<'a> {
    /// `api`, or `command` for `taskoverflow-worker redrive`.
    #[schema(example = "api")]
    with: &'static str,
    /// The name of the operator's token; null for the command, and if the API needs no tokens.
    token_name: Option<&'a str>,
}

impl<'a> From<&'a Redriver> for RedriverView<'a> {
    fn from(by: &'a Redriver) -> Self {
        let (with, token_name) = match by {
            Redriver::Api { token_name } => ("api", token_name.as_deref()),
            Redriver::Command => ("command", None),
        };
        Self { with, token_name }
    }
}

impl<'a> From<&'a JobRecord> for OperatorJobView<'a> {
    fn from(job: &'a JobRecord) -> Self {
        Self {
            task_id: job.id,
            task_status: job.status,
            attempt: job.attempt,
            created_at: job.created_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
            error: job.error.as_ref(),
            worker: job.worker.as_ref().map(WorkerView::from),
            token_name: job.token_name.as_deref(),
            trace_id: Trace::of_job(job.id.0, job.traceparent.as_deref())
                .id()
                .to_string(),
        }
    }
}

impl<'a> From<&'a Worker> for WorkerView<'a> {
    fn from(worker: &'a Worker) -> Self {
        Self {
            id: worker.id,
            host: worker.host.as_deref(),
        }
    }
}

impl<'a> From<&'a JobHistory> for JobHistoryView<'a> {
    fn from(history: &'a JobHistory) -> Self {
        Self {
            job: (&history.job).into(),
            history: history.steps.iter().map(StepView::from).collect(),
            history_truncated: history.is_truncated,
        }
    }
}

impl<'a> From<&'a Step> for StepView<'a> {
    fn from(step: &'a Step) -> Self {
        let event = match &step.event {
            Event::Accepted => EventView::Accepted,
            Event::Published => EventView::Published,
            Event::Attempt(attempt) => EventView::Attempt {
                attempt: attempt.number,
                worker: attempt.worker.as_ref().map(WorkerView::from),
                ended_at: attempt.ended_at,
                end: attempt.end.map(AttemptEnd::name),
                error: attempt.error.as_ref(),
            },
            Event::Republished => EventView::Republished,
            Event::Redriven { by } => EventView::Redriven {
                by: by.as_ref().map(RedriverView::from),
            },
            Event::Ended { status, error } => EventView::Ended {
                status: *status,
                error: error.as_ref(),
            },
        };
        Self { at: step.at, event }
    }
}
