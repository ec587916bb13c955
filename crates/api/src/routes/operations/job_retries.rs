//! Retrying failed jobs.

use std::time::Duration;

use actix_web::web::{Data, Json};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use serde::Serialize;
use shared_model::database::{self, DatabaseError};
use shared_model::job::{JobId, JobStatus};
use shared_model::job_store::failed::{self, Redriver};
use shared_model::job_store::requests;
use tokio::time::Instant;
use utoipa::ToSchema;

use crate::access;
use crate::operations::refusal::Refusal;
use crate::request::failed_jobs;
use crate::request::json_body::JsonBody;
use crate::request::openapi;
use crate::response::openapi::problems::{
    BadBody, BadInput, Expired, NotFound, OperationRefused, ServerFault,
};
use crate::response::openapi::schemas::TaskStatus;
use crate::response::problem::ApiError;
use crate::routes::path::JobPath;
use crate::state::Api;

/// A request begins no other batch when this time is over, so that its client gets a response.
const BATCHES_TIME: Duration = Duration::from_secs(5);

/// A job that will be attempted again.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RetriedJob)]
pub(in crate::routes) struct RetriedJobView {
    #[schema(value_type = Uuid)]
    task_id: JobId,
    #[schema(value_type = TaskStatus)]
    task_status: JobStatus,
    /// When it was. Snapshots with a later `at` count it, earlier ones may not.
    at: DateTime<Utc>,
}

/// The job is PENDING again, with all its attempts and the full time left.
#[utoipa::path(
    post,
    path = "/api/v1/operations/jobs/{id}/retry",
    operation_id = "retry_job",
    tag = "Operations",
    summary = "Retry a failed job",
    params(openapi::UuidPath),
    responses(
        (status = 202, description = "The job", body = RetriedJobView),
        NotFound,
        OperationRefused,
        Expired,
        ServerFault,
    ),
)]
pub(in crate::routes) async fn retry(
    request: HttpRequest,
    api: Data<Api>,
    JobPath(id): JobPath,
) -> Result<HttpResponse, ApiError> {
    let by = redriver(&request);
    let retry = move |connection: &mut _| -> Result<_, DatabaseError> {
        let retried = failed::redrive(connection, &[id], &by)?;
        let unchanged = if retried.is_empty() {
            Some(requests::find(connection, id)?)
        } else {
            None
        };
        Ok((retried, unchanged, database::now(connection)?))
    };
    let (retried, unchanged, at) = api.query(retry).await?;
    if let Some(job) = unchanged {
        let job = job.ok_or(ApiError::JobNotFound)?;
        return Err(if job.expired {
            ApiError::JobExpired
        } else {
            Refusal::NotFailed(job.status).into()
        });
    }
    announce(&api, retried);
    Ok(HttpResponse::Accepted().json(RetriedJobView {
        task_id: id,
        task_status: JobStatus::Pending,
        at,
    }))
}

/// How many jobs will be attempted again.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = RetriedJobs)]
pub(in crate::routes) struct RetriedJobsView {
    retried: usize,
    /// Whether there may be more: then repeat the request with `cursor`.
    remaining: bool,
    /// Where the next request goes on.
    cursor: Option<String>,
    /// When they were PENDING. Snapshots with a later `at` count them, earlier ones may not.
    at: Option<DateTime<Utc>>,
}

/// The failed jobs that match all conditions and have not expired, or all of them with `"all": true`. Jobs that fail again
/// before the last of these requests are not retried a second time.
#[utoipa::path(
    post,
    path = "/api/v1/operations/jobs/retry",
    operation_id = "retry_jobs",
    tag = "Operations",
    summary = "Retry failed jobs, as many as a few seconds allow",
    request_body = openapi::FailedJobsToRetry,
    responses(
        (status = 200, description = "The number of jobs that are PENDING again", body = RetriedJobsView),
        BadInput,
        BadBody,
        ServerFault,
    ),
)]
pub(in crate::routes) async fn retry_all(
    request: HttpRequest,
    api: Data<Api>,
    body: JsonBody,
) -> Result<Json<RetriedJobsView>, ApiError> {
    let (filter, pass) = failed_jobs::from_members(body.members()?.unwrap_or_default())?;
    let by = redriver(&request);
    let begun = Instant::now();
    let mut all = RetriedJobsView::default();
    let mut rest = Some(pass.unwrap_or_default());
    while let Some(pass) = rest {
        if begun.elapsed() >= BATCHES_TIME {
            all.remaining = true;
            all.cursor = Some(failed_jobs::to_cursor(pass));
            break;
        }
        let (filter, by) = (filter.clone(), by.clone());
        let redrive = move |connection: &mut _| -> Result<_, DatabaseError> {
            let batch = failed::redrive_matching(connection, &filter, pass, &by)?;
            Ok((batch, database::now(connection)?))
        };
        let (batch, at) = api.query(redrive).await?;
        all.at = Some(at);
        all.retried += batch.jobs.len();
        announce(&api, batch.jobs);
        rest = batch.rest;
    }
    log::info!(
        by:? = access::token_name(&request), jobs = all.retried, remaining = all.remaining;
        "an operator has retried failed jobs"
    );
    Ok(Json(all))
}

/// Who sent a request.
fn redriver(request: &HttpRequest) -> Redriver {
    let token_name = access::token_name(request).map(|name| name.to_string());
    Redriver::Api { token_name }
}

/// Tells clients and workers that jobs are PENDING again.
fn announce(api: &Api, jobs: Vec<JobId>) {
    if !jobs.is_empty() {
        api.notifier.jobs_changed(jobs);
        api.dispatch.job_in_table();
    }
}
