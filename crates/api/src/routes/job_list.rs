//! The list of calendar jobs.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use shared_model::job::{JobId, JobStatus};
use shared_model::job_store::requests;

use crate::request::openapi::Page;
use crate::request::query::Query;
use crate::response::job::JobView;
use crate::response::links::Links;
use crate::response::list_page::ListPage;
use crate::response::openapi::problems::{BadInput, ServerFault};
use crate::response::openapi::schemas::TaskStatus;
use crate::response::problem::ApiError;
use crate::state::Api;

/// How many jobs a page has if the request has no `limit`.
const DEFAULT_PAGE: u16 = 100;

#[utoipa::path(
    get,
    path = "/api/v1/todos/ical",
    operation_id = "list_jobs",
    tag = "Calendar jobs",
    summary = "List the jobs, newest first",
    params(
        ("status" = Option<TaskStatus>, Query, description = "Only jobs with this status."),
        Page,
    ),
    responses(
        (
            status = 200,
            description = "One page of jobs",
            body = [JobView],
            headers(("Link" = String, description = "The URL of the next page, if there is one")),
        ),
        BadInput,
        ServerFault,
    ),
)]
pub(super) async fn list(
    request: HttpRequest,
    api: Data<Api>,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let status: Option<JobStatus> = query.value(
        "status",
        "PENDING, STARTED, RETRY, SUCCESS, FAILURE or REVOKED",
    )?;
    // ids are ordered by time, so the id of a page's last job is the cursor of the next page
    let before = query.after(|cursor| Some(JobId(cursor.parse().ok()?)))?;
    let limit = query.limit()?.unwrap_or(DEFAULT_PAGE);
    let jobs = api
        .query(move |connection| requests::list(connection, status, before, i64::from(limit) + 1))
        .await?;
    let page = ListPage::new(jobs, limit, |last| last.id.to_string());
    let links = Links::new(&api.origin, &request);
    let filters = [("status", status.map(|status| status.to_string()))];
    Ok(page.respond(&links, "/todos/ical", filters, |job| {
        JobView::new(job, &links)
    }))
}
