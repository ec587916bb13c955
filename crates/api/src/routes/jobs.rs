//! A calendar job: create, read its status, cancel.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, EntityTag, LOCATION, RETRY_AFTER};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use shared_model::job::{CalendarRequest, Job, JobId, JobStatus};
use shared_model::job_store::requests::{self, Accepted, Cancelled, NewJob};
use shared_model::trace::{self, Operation, Span};

use super::path::JobPath;
use crate::access;
use crate::request::headers::{self, IDEMPOTENCY_REPLAYED, PREFERENCE_APPLIED};
use crate::request::json_body::JsonBody;
use crate::request::query::Query;
use crate::request::{calendar, callback, openapi};
use crate::response::download::ClientCopies;
use crate::response::job::{AcceptedJob, JobView};
use crate::response::links::Links;
use crate::response::openapi::problems::{
    BadBody, BadInput, Ended, Expired, NotFound, ServerFault, Unusable,
};
use crate::response::openapi::schemas::NotModified;
use crate::response::problem::{ApiError, POLL_AFTER_SECONDS};
use crate::state::Api;

/// The version of a new job.
const FIRST_VERSION: i64 = 1;

#[utoipa::path(
    post,
    path = "/api/v1/todos/ical",
    operation_id = "create_job",
    tag = "Calendar jobs",
    summary = "Create a job that renders a calendar",
    params(
        openapi::CalendarOptions,
        (
            "Idempotency-Key" = Option<String>,
            Header,
            min_length = 1,
            max_length = 255,
            pattern = "^[!#-~]+$",
            description = "The client's key for this request. Another request with the same key returns the same job.",
        ),
        (
            "Prefer" = Option<String>,
            Header,
            description = "`wait=N`: respond when the job has ended, or after N seconds (at most 20).",
        ),
    ),
    request_body(content = Option<openapi::NewJob>),
    responses(
        (status = 200, description = "The status of the job, which ended within the time in `Prefer: wait`", body = JobView),
        (
            status = 202,
            description = "The accepted job",
            body = AcceptedJob,
            headers(("Location" = String), ("Retry-After" = u32)),
        ),
        BadInput,
        BadBody,
        Unusable,
        ServerFault,
    ),
)]
pub(super) async fn create(
    request: HttpRequest,
    api: Data<Api>,
    query: Query,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let mut members = body.members()?;
    let callback_url = match callback::take(&query, members.as_mut())? {
        Some(url) => Some(api.destinations.callback(&url)?.as_str().to_owned()),
        None => None,
    };
    let wanted = CalendarRequest {
        callback_url,
        ..calendar::read(&query, members)?
    };
    let key = headers::idempotency_key(&request)?;
    let wait = headers::preferred_wait(&request);
    let token_name = access::token_name(&request);
    let may_wait = match wait {
        Some(_) => api
            .limits
            .begin_wait(&request)
            .map(|place| place.assign_to(&request)),
        None => Ok(()),
    };
    let may_create = api.limits.usage.check_job(token_name.as_deref());
    let accepted = match (may_create.and(may_wait), key) {
        (Ok(()), None) => CreatedJob::New(api.accept_job(wanted, token_name.clone()).await?),
        (Ok(()), Some(key)) => accept_once(&api, key, wanted, token_name.clone()).await?,
        (Err(limit), None) => return Err(limit.into()),
        (Err(limit), Some(key)) => find_replayed(&api, key, wanted).await?.ok_or(limit)?,
    };
    if let CreatedJob::New(_) = accepted {
        api.limits.usage.add_job(token_name.as_ref());
    }
    let links = Links::new(&api.origin, &request);
    let mut response = HttpResponse::Accepted();
    let (id, status, version) = match accepted {
        CreatedJob::New(id) => (id, JobStatus::Pending, FIRST_VERSION),
        CreatedJob::Replayed(job) => {
            response.insert_header((IDEMPOTENCY_REPLAYED, "true"));
            (job.id, job.status, job.version)
        }
    };
    if let (Some(wait), Ok(())) = (wait, may_wait)
        && let Some(job) = api.wait_until_ended(id, version, wait).await
    {
        return Ok(response
            .status(StatusCode::OK)
            .insert_header((ETAG, EntityTag::new_strong(job.version.to_string())))
            .insert_header((PREFERENCE_APPLIED, format!("wait={}", wait.as_secs())))
            .json(JobView::new(&job, &links)));
    }
    let accepted = AcceptedJob::new(id, status, &links);
    Ok(response
        .insert_header((LOCATION, accepted.task_url.as_str()))
        .insert_header((RETRY_AFTER, POLL_AFTER_SECONDS))
        .json(accepted))
}

/// The job that a request gets.
enum CreatedJob {
    /// A job that was created for it.
    New(JobId),
    /// The job of an earlier request with the same key.
    Replayed(Box<Job>),
}

/// Creates the job of a request with an idempotency key. Such a request has a statement of its own, because it may have
/// to wait for another one with the same key.
async fn accept_once(
    api: &Api,
    key: String,
    wanted: CalendarRequest,
    token_name: Option<Arc<str>>,
) -> Result<CreatedJob, ApiError> {
    let announcement = api.dispatch.prepare(1);
    let mut span = Span::operation(Operation::Accept);
    let (id, traceparent) = trace::new_job(&mut span);
    let event_destinations = api.destinations.of_job(wanted.callback_url.as_deref());
    let job = NewJob {
        id: JobId(id),
        request: wanted,
        expiry_seconds: api.job_expiry_seconds,
        sender: announcement.sender(),
        token_name,
        traceparent,
        event_destinations,
    };
    let accepted = api
        .query(move |connection| requests::insert_once(connection, &key, &job))
        .await?;
    match accepted {
        Accepted::New(job) => {
            announcement.stored([(job.id, traceparent)], job.created_at);
            api.process.activity.accepted(1);
            Ok(CreatedJob::New(job.id))
        }
        Accepted::Replayed(job) => Ok(CreatedJob::Replayed(job.into())),
        Accepted::KeyReused => Err(ApiError::KeyReused),
    }
}

/// Returns the job that an earlier request with the same key has created, for a request that must not create another one.
async fn find_replayed(
    api: &Api,
    key: String,
    wanted: CalendarRequest,
) -> Result<Option<CreatedJob>, ApiError> {
    let found = api
        .query(move |connection| requests::find_replayed(connection, &key, &wanted))
        .await?;
    match found {
        None => Ok(None),
        Some(Accepted::New(job) | Accepted::Replayed(job)) => {
            Ok(Some(CreatedJob::Replayed(job.into())))
        }
        Some(Accepted::KeyReused) => Err(ApiError::KeyReused),
    }
}

#[utoipa::path(
    get,
    path = "/api/v1/todos/ical/{id}/status",
    operation_id = "job_status",
    tag = "Calendar jobs",
    summary = "Read the status of a job",
    params(
        openapi::UuidPath,
        openapi::IfNoneMatch,
    ),
    responses(
        (
            status = 200,
            description = "The status of the job",
            body = JobView,
            headers(("ETag" = String), ("Retry-After" = u32, description = "Seconds until the next request; absent once the job has ended")),
        ),
        NotModified,
        NotFound,
        Expired,
        ServerFault,
    ),
)]
pub(super) async fn status(
    request: HttpRequest,
    api: Data<Api>,
    JobPath(id): JobPath,
) -> Result<HttpResponse, ApiError> {
    let job = find(&api, id).await?;
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
        response.json(JobView::new(&job, &Links::new(&api.origin, &request)))
    })
}

#[utoipa::path(
    delete,
    path = "/api/v1/todos/ical/{id}",
    operation_id = "cancel_job",
    tag = "Calendar jobs",
    summary = "Cancel a job",
    params(
        openapi::UuidPath,
    ),
    responses(
        (status = 200, description = "The cancelled job", body = JobView),
        (status = 202, description = "The job, which is still running; its worker was asked to stop", body = JobView),
        NotFound,
        Ended,
        Expired,
        ServerFault,
    ),
)]
pub(super) async fn cancel(
    request: HttpRequest,
    api: Data<Api>,
    JobPath(id): JobPath,
) -> Result<HttpResponse, ApiError> {
    let cancelled = api
        .query(move |connection| requests::cancel(connection, id))
        .await?
        .ok_or(ApiError::JobNotFound)?;
    if let Cancelled::Revoked(_) | Cancelled::Requested(_) = cancelled {
        api.notifier.jobs_changed([id]);
    }
    if let Cancelled::Revoked(_) = cancelled {
        api.process.activity.revoked(1);
    }
    let (status, job) = match cancelled {
        Cancelled::Already(job) | Cancelled::TooLate(job) if job.expired => {
            return Err(ApiError::JobExpired);
        }
        Cancelled::Revoked(job) | Cancelled::Already(job) => (StatusCode::OK, job),
        Cancelled::Requested(job) => (StatusCode::ACCEPTED, job),
        Cancelled::TooLate(job) => return Err(ApiError::JobEnded(job.status)),
    };
    let mut response = HttpResponse::build(status);
    ask_again_until_ended(&mut response, &job);
    Ok(response.json(JobView::new(&job, &Links::new(&api.origin, &request))))
}

fn ask_again_until_ended(response: &mut HttpResponseBuilder, job: &Job) {
    if !job.status.is_terminal() {
        response.insert_header((RETRY_AFTER, POLL_AFTER_SECONDS));
    }
}

/// Finds the job `id`.
///
/// # Errors
/// Returns an error if the job does not exist or has expired, or if the query fails.
pub(super) async fn find(api: &Api, id: JobId) -> Result<Job, ApiError> {
    let job = api.find_job(id).await?.ok_or(ApiError::JobNotFound)?;
    if job.expired {
        return Err(ApiError::JobExpired);
    }
    Ok(job)
}
