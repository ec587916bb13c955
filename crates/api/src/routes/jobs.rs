//! The calendar jobs.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, EntityTag, LINK, LOCATION, RETRY_AFTER};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder};
use diesel::PgConnection;
use shared_model::job::{Job, JobId, JobStatus};
use shared_model::job_store::requests::{self, Accepted, Cancelled, JobPosition};
use uuid::Uuid;

use crate::request::calendar;
use crate::request::headers::{self, IDEMPOTENCY_REPLAYED, PREFERENCE_APPLIED};
use crate::request::json_body::JsonBody;
use crate::request::query::Query;
use crate::response::cursor;
use crate::response::download::ClientCopies;
use crate::response::job::{AcceptedJob, JobView};
use crate::response::openapi::{
    BadBody, BadInput, CalendarOptions, Expired, NotFound, Page, ProblemDetails, ServerFault,
    TaskStatus,
};
use crate::response::problem::{ApiError, POLL_AFTER_SECONDS};
use crate::state::Api;

/// How many jobs are listed where no `limit` is given.
const DEFAULT_PAGE: u16 = 100;

/// The id in the path. What is no UUID is no job.
pub(super) struct PathId(pub(super) JobId);

impl FromRequest for PathId {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().get("id").unwrap_or_default();
        let id = Uuid::try_parse(id).map(|id| Self(JobId(id)));
        ready(id.or(Err(ApiError::JobNotFound)))
    }
}

#[utoipa::path(
    post,
    path = "/api/v1/todos/ical",
    operation_id = "create_job",
    tag = "Calendar jobs",
    summary = "Ask for a calendar",
    params(
        CalendarOptions,
        (
            "Idempotency-Key" = Option<String>,
            Header,
            min_length = 1,
            max_length = 255,
            pattern = "^[!#-~]+$",
            description = "The same key again is the same job",
        ),
        (
            "Prefer" = Option<String>,
            Header,
            description = "wait=N: answer when the job has ended, or after N seconds",
        ),
    ),
    request_body(content = Option<CalendarOptions>),
    responses(
        (status = 200, description = "Ended in time, as preferred", body = JobView),
        (
            status = 202,
            description = "Recorded",
            body = AcceptedJob,
            headers(("Location" = String), ("Retry-After" = u32)),
        ),
        BadInput,
        BadBody,
        (
            status = 422,
            description = "The key was used for another request",
            body = ProblemDetails,
            content_type = "application/problem+json",
        ),
        ServerFault,
    ),
)]
pub(super) async fn create(
    request: HttpRequest,
    api: Data<Api>,
    query: Query,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let wanted = calendar::read(&query, body.members()?)?;
    let key = headers::idempotency_key(&request)?;
    let wait = headers::preferred_wait(&request);
    let expiry_seconds = api.job_expiry_seconds;
    let accepted = api
        .query(move |connection| {
            let id = JobId::new();
            Ok(match key {
                Some(key) => requests::insert_once(connection, id, &key, &wanted, expiry_seconds)?,
                None => Accepted::New(requests::insert(connection, id, &wanted, expiry_seconds)?),
            })
        })
        .await?;
    let (job, is_replayed) = match accepted {
        Accepted::New(job) => (job, false),
        Accepted::Replayed(job) => (job, true),
        Accepted::KeyReused => return Err(ApiError::KeyReused),
    };
    api.job_accepted.notify_one();

    let links = api.origin.links(&request);
    let mut response = HttpResponse::Accepted();
    if is_replayed {
        response.insert_header((IDEMPOTENCY_REPLAYED, "true"));
    }
    if let Some(wait) = wait
        && let Some(job) = api.wait_until_ended(job.id, job.version, wait).await
    {
        return Ok(response
            .status(StatusCode::OK)
            .insert_header((ETAG, EntityTag::new_strong(job.version.to_string())))
            .insert_header((PREFERENCE_APPLIED, format!("wait={}", wait.as_secs())))
            .json(JobView::new(&job, &links)));
    }
    let accepted = AcceptedJob::new(&job, &links);
    Ok(response
        .insert_header((LOCATION, accepted.task_url.as_str()))
        .insert_header((RETRY_AFTER, POLL_AFTER_SECONDS))
        .json(accepted))
}

#[utoipa::path(
    get,
    path = "/api/v1/todos/ical",
    operation_id = "list_jobs",
    tag = "Calendar jobs",
    summary = "Jobs, newest first",
    params(
        ("status" = Option<TaskStatus>, Query),
        Page,
    ),
    responses(
        (
            status = 200,
            description = "Done",
            body = [JobView],
            headers(("Link" = String, description = "The next page")),
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
        "one of PENDING, STARTED, RETRY, SUCCESS, FAILURE and REVOKED",
    )?;
    let after = query.after(|cursor| {
        let (created_at, id) = cursor::decode(cursor)?;
        Some(JobPosition {
            created_at,
            id: JobId(id),
        })
    })?;
    let limit = query.limit()?.unwrap_or(DEFAULT_PAGE);
    // one more tells whether another page follows
    let rows = i64::from(limit) + 1;
    let mut jobs = api
        .query(move |connection| Ok(requests::list(connection, status, after, rows)?))
        .await?;
    let links = api.origin.links(&request);
    let mut response = HttpResponse::Ok();
    if jobs.len() > usize::from(limit) {
        jobs.pop();
        let parameters = [
            ("status", status.map(|status| status.to_string())),
            ("limit", Some(limit.to_string())),
            (
                "cursor",
                jobs.last()
                    .map(|last| cursor::encode(last.created_at, last.id)),
            ),
        ];
        response.insert_header((LINK, links.next_page("/todos/ical", &parameters)));
    }
    let jobs: Vec<JobView<'_>> = jobs.iter().map(|job| JobView::new(job, &links)).collect();
    Ok(response.json(jobs))
}

#[utoipa::path(
    get,
    path = "/api/v1/todos/ical/{id}/status",
    operation_id = "job_status",
    tag = "Calendar jobs",
    summary = "How a job stands",
    params(
        ("id" = Uuid, Path),
        ("If-None-Match" = Option<String>, Header),
    ),
    responses(
        (
            status = 200,
            description = "Done",
            body = JobView,
            headers(("ETag" = String), ("Retry-After" = u32, description = "Until the job has ended")),
        ),
        (status = 304, description = "As If-None-Match has it"),
        NotFound,
        Expired,
        ServerFault,
    ),
)]
pub(super) async fn status(
    request: HttpRequest,
    api: Data<Api>,
    PathId(id): PathId,
) -> Result<HttpResponse, ApiError> {
    let job = api.query(move |connection| find(connection, id)).await?;
    let etag = EntityTag::new_strong(job.version.to_string());
    let is_known = ClientCopies::of(&request).include(&etag);
    let mut response = HttpResponse::build(if is_known {
        StatusCode::NOT_MODIFIED
    } else {
        StatusCode::OK
    });
    response.insert_header((ETAG, etag));
    ask_again_until_ended(&mut response, &job);
    Ok(if is_known {
        response.finish()
    } else {
        response.json(JobView::new(&job, &api.origin.links(&request)))
    })
}

#[utoipa::path(
    delete,
    path = "/api/v1/todos/ical/{id}",
    operation_id = "cancel_job",
    tag = "Calendar jobs",
    summary = "Cancel a job",
    params(
        ("id" = Uuid, Path),
    ),
    responses(
        (status = 200, description = "Cancelled", body = JobView),
        (status = 202, description = "Asked of its worker", body = JobView),
        NotFound,
        (
            status = 409,
            description = "The job has ended",
            body = ProblemDetails,
            content_type = "application/problem+json",
        ),
        Expired,
        ServerFault,
    ),
)]
pub(super) async fn cancel(
    request: HttpRequest,
    api: Data<Api>,
    PathId(id): PathId,
) -> Result<HttpResponse, ApiError> {
    let cancelled = api
        .query(move |connection| Ok(requests::cancel(connection, id)?))
        .await?;
    let (status, job) = match cancelled.ok_or(ApiError::JobNotFound)? {
        Cancelled::Already(job) | Cancelled::TooLate(job) if job.expired => {
            return Err(ApiError::JobExpired);
        }
        Cancelled::Revoked(job) | Cancelled::Already(job) => (StatusCode::OK, job),
        Cancelled::Asked(job) => (StatusCode::ACCEPTED, job),
        Cancelled::TooLate(job) => return Err(ApiError::JobEnded(job.status)),
    };
    let mut response = HttpResponse::build(status);
    ask_again_until_ended(&mut response, &job);
    Ok(response.json(JobView::new(&job, &api.origin.links(&request))))
}

fn ask_again_until_ended(response: &mut HttpResponseBuilder, job: &Job) {
    if !job.status.is_terminal() {
        response.insert_header((RETRY_AFTER, POLL_AFTER_SECONDS));
    }
}

/// The job, as long as it is kept.
pub(super) fn find(connection: &mut PgConnection, id: JobId) -> Result<Job, ApiError> {
    let job = requests::find(connection, id)?.ok_or(ApiError::JobNotFound)?;
    if job.expired {
        return Err(ApiError::JobExpired);
    }
    Ok(job)
}
