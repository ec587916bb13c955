//! A job's calendar.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, ETAG, VARY};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use diesel::PgConnection;
use shared_model::job::{JobId, JobStatus};
use shared_model::results::{self, ResultSummary};

use super::jobs::{PathId, find};
use crate::response::download::{ClientCopies, Coding, calendar_body};
use crate::response::openapi::{Expired, NotAcceptable, ProblemDetails, ServerFault};
use crate::response::problem::ApiError;
use crate::response::stored_calendar;
use crate::state::Api;

enum Content {
    /// The client has it.
    Known,
    /// The client asks for the headers only.
    NotWanted,
    /// The first part of it.
    Begun(Bytes),
}

#[utoipa::path(
    get,
    path = "/api/v1/todos/ical/{id}/result",
    operation_id = "job_result",
    tag = "Calendar jobs",
    summary = "The calendar",
    params(
        ("id" = Uuid, Path),
        ("If-None-Match" = Option<String>, Header),
    ),
    responses(
        (
            status = 200,
            description = "Done",
            body = String,
            content_type = "text/calendar",
            headers(("ETag" = String)),
        ),
        (status = 304, description = "As If-None-Match has it"),
        (
            status = 404,
            description = "Not finished, or no such job",
            body = ProblemDetails,
            content_type = "application/problem+json",
        ),
        (
            status = 409,
            description = "There will be none",
            body = ProblemDetails,
            content_type = "application/problem+json",
        ),
        NotAcceptable,
        Expired,
        ServerFault,
    ),
)]
pub(super) async fn result(
    request: HttpRequest,
    api: Data<Api>,
    PathId(id): PathId,
) -> Result<HttpResponse, ApiError> {
    let coding = Coding::negotiate(&request)?;
    let copies = ClientCopies::of(&request);
    let only_headers = request.method() == Method::HEAD;
    let (result, etag, content) = api
        .query(move |connection| {
            let result = find_result(connection, id)?;
            let etag = coding.etag(&result);
            let content = if copies.include(&etag) {
                Content::Known
            } else if only_headers {
                Content::NotWanted
            } else {
                let first = stored_calendar::first_part(connection, id)?;
                Content::Begun(first.ok_or(ApiError::JobExpired)?)
            };
            Ok((result, etag, content))
        })
        .await?;

    let mut response = HttpResponse::Ok();
    response
        .insert_header((ETAG, etag))
        .insert_header((VARY, "Accept-Encoding"))
        .insert_header((CACHE_CONTROL, "private, no-cache"));
    if let Content::Known = content {
        return Ok(response.status(StatusCode::NOT_MODIFIED).finish());
    }
    response.insert_header((
        CONTENT_DISPOSITION,
        "attachment; filename=\"taskoverflow.ics\"",
    ));
    let parts = match content {
        Content::Begun(first) => Some(stored_calendar::gzipped(api, id, first, result.gzip_length)),
        Content::Known | Content::NotWanted => None,
    };
    Ok(calendar_body(&mut response, coding, &result, parts))
}

fn find_result(connection: &mut PgConnection, id: JobId) -> Result<ResultSummary, ApiError> {
    let job = find(connection, id)?;
    match job.status {
        // a result goes only when its job expires, which may be now
        JobStatus::Success => results::summary(connection, id)?.ok_or(ApiError::JobExpired),
        JobStatus::Pending | JobStatus::Started | JobStatus::Retry => {
            Err(ApiError::JobNotFinished(job.status))
        }
        JobStatus::Failure | JobStatus::Revoked => Err(ApiError::NoResult {
            status: job.status,
            cause: job.error,
        }),
    }
}
