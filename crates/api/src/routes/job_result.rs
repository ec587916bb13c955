//! The result of a calendar job.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use shared_model::job::{JobId, JobStatus};
use shared_model::results::{self, ResultSummary};

use super::calendar_download::CalendarDownload;
use super::jobs::find;
use super::path::JobPath;
use crate::request::openapi;
use crate::response::download::Coding;
use crate::response::openapi::problems::{
    Expired, NoResult, NotAcceptable, NotFinished, ServerFault,
};
use crate::response::openapi::schemas::NotModified;
use crate::response::problem::ApiError;
use crate::state::Api;

#[utoipa::path(
    get,
    path = "/api/v1/todos/ical/{id}/result",
    operation_id = "job_result",
    tag = "Calendar jobs",
    summary = "Download the calendar of a job",
    params(
        openapi::UuidPath,
        openapi::IfNoneMatch,
    ),
    responses(
        (
            status = 200,
            description = "The calendar",
            body = String,
            content_type = "text/calendar",
            headers(("ETag" = String)),
        ),
        NotModified,
        NotFinished,
        NoResult,
        NotAcceptable,
        Expired,
        ServerFault,
    ),
)]
pub(super) async fn result(
    request: HttpRequest,
    api: Data<Api>,
    JobPath(id): JobPath,
) -> Result<HttpResponse, ApiError> {
    let coding = Coding::negotiate(&request)?;
    let download = CalendarDownload {
        job_id: id,
        result: find_result(&api, id).await?,
        coding,
        cache_control: "private, no-cache",
        content_disposition: "attachment; filename=\"taskoverflow.ics\"",
        last_modified: None,
    };
    download.respond(&request, api, ApiError::JobExpired).await
}

async fn find_result(api: &Api, id: JobId) -> Result<ResultSummary, ApiError> {
    let job = find(api, id).await?;
    match job.status {
        JobStatus::Success => {
            let result = api
                .query(move |connection| results::summary(connection, id))
                .await?;
            // only the expiry of its job deletes a result, and that may have happened just now
            result.ok_or(ApiError::JobExpired)
        }
        JobStatus::Pending | JobStatus::Started | JobStatus::Retry => {
            Err(ApiError::JobNotFinished(job.status))
        }
        JobStatus::Failure | JobStatus::Revoked => Err(ApiError::NoResult {
            status: job.status,
            cause: job.error,
        }),
    }
}
