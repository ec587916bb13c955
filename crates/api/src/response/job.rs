//! A job as a client sees it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared_model::job::{Job, JobError, JobId, JobStatus};
use utoipa::ToSchema;

use crate::response::links::Links;
use crate::response::openapi::schemas::{JobFailure, TaskStatus};

/// The response to the creation of a job.
#[derive(Debug, Serialize, ToSchema)]
pub struct AcceptedJob {
    #[schema(value_type = Uuid)]
    task_id: JobId,
    /// The URL of the job's status.
    pub task_url: String,
    #[schema(value_type = TaskStatus)]
    task_status: JobStatus,
}

impl AcceptedJob {
    /// Returns the view of the job `id`, with its URL from `links`.
    pub fn new(id: JobId, status: JobStatus, links: &Links) -> Self {
        Self {
            task_id: id,
            task_url: links.job_status(id),
            task_status: status,
        }
    }
}

/// The status of a job. The original has only the first three members.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Job)]
pub struct JobView<'a> {
    #[schema(value_type = Uuid)]
    task_id: JobId,
    #[schema(value_type = TaskStatus)]
    task_status: JobStatus,
    result_url: String,
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    attempt: i32,
    progress: Progress,
    /// How many todos the calendar leaves out, because they have no deadline; null until the job has succeeded.
    skipped_count: Option<i32>,
    #[schema(value_type = Option<JobFailure>)]
    error: Option<&'a JobError>,
    expires_at: DateTime<Utc>,
}

/// The progress of an attempt, as a number of todos.
#[derive(Debug, Serialize, ToSchema)]
struct Progress {
    done: i32,
    total: Option<i32>,
}

impl<'a> JobView<'a> {
    /// Returns the view of `job`, with its URL from `links`.
    pub fn new(job: &'a Job, links: &Links) -> Self {
        Self {
            task_id: job.id,
            task_status: job.status,
            result_url: links.job_result(job.id),
            created_at: job.created_at,
            started_at: job.started_at,
            finished_at: job.finished_at,
            attempt: job.attempt,
            progress: Progress {
                done: job.progress_done,
                total: job.progress_total,
            },
            skipped_count: job.skipped_count,
            error: job.error.as_ref(),
            expires_at: job.expires_at,
        }
    }
}
