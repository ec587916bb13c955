//! Failed jobs, and what happened to one job.

use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::web::Data;
use shared_model::job::JobId;
use shared_model::job_store::failed::{self, Filter, Page};
use shared_model::job_store::history;

use crate::request::failed_jobs;
use crate::request::openapi;
use crate::request::query::Query;
use crate::response::links::Links;
use crate::response::list_page::ListPage;
use crate::response::openapi::problems::{BadInput, NotFound, ServerFault};
use crate::response::operator_job::{JobHistoryView, OperatorJobView};
use crate::response::problem::ApiError;
use crate::routes::path::JobPath;
use crate::state::Api;

/// How many jobs a page has if the request has no `limit`.
const DEFAULT_PAGE: u16 = 100;
/// How many parts of the failed jobs a request looks at for a job that matches.
const MAX_PARTS: usize = 10;

/// Those that were accepted last come first. If few jobs match, a page may be shorter than `limit`, or empty, although
/// there is a next one.
#[utoipa::path(
    get,
    path = "/api/v1/operations/jobs",
    operation_id = "list_failed_jobs",
    tag = "Operations",
    summary = "List failed jobs",
    params(openapi::FailedJobs, openapi::Page),
    responses(
        (
            status = 200,
            description = "One page of failed jobs that have not expired",
            body = [OperatorJobView],
            headers(("Link" = String, description = "The URL of the next page, if there is one")),
        ),
        BadInput,
        ServerFault,
    ),
)]
pub(in crate::routes) async fn list(
    request: HttpRequest,
    api: Data<Api>,
    query: Query,
) -> Result<HttpResponse, ApiError> {
    let filter = failed_jobs::from_query(&query)?;
    let before = query.after(|cursor| Some(JobId(cursor.parse().ok()?)))?;
    let limit = query.limit()?.unwrap_or(DEFAULT_PAGE);
    let page = find(&api, &filter, before, limit).await?;
    let next = page.next.map(|id| id.to_string());
    let page = ListPage::with_next(page.jobs, limit, next);
    let links = Links::new(&api.origin, &request);
    let filters = failed_jobs::to_parameters(&filter);
    Ok(page.respond(&links, "/operations/jobs", filters, OperatorJobView::from))
}

/// Returns the next page that is not empty, or the last one that it looked at.
async fn find(
    api: &Api,
    filter: &Filter,
    before: Option<JobId>,
    limit: u16,
) -> Result<Page, ApiError> {
    let mut page = Page {
        jobs: Vec::new(),
        next: before,
    };
    for _ in 0..MAX_PARTS {
        let (filter, before) = (filter.clone(), page.next);
        page = api
            .query(move |connection| failed::list(connection, &filter, before, limit.into()))
            .await?;
        if !page.jobs.is_empty() || page.next.is_none() {
            break;
        }
    }
    Ok(page)
}

/// The history is kept as long as the job, also after the job has expired.
#[utoipa::path(
    get,
    path = "/api/v1/operations/jobs/{id}",
    operation_id = "job_history",
    tag = "Operations",
    summary = "Read what happened to a job",
    params(openapi::UuidPath),
    responses(
        (status = 200, description = "The job and its history", body = JobHistoryView),
        NotFound,
        ServerFault,
    ),
)]
pub(in crate::routes) async fn find_history(
    api: Data<Api>,
    JobPath(id): JobPath,
) -> Result<HttpResponse, ApiError> {
    let history = api
        .query(move |connection| history::history(connection, id))
        .await?
        .ok_or(ApiError::JobNotFound)?;
    Ok(HttpResponse::Ok().json(JobHistoryView::from(&history)))
}
