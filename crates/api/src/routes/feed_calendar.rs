//! The calendar of a feed, for calendar programs.

use std::time::{Duration, SystemTime};

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};

use super::calendar_download::CalendarDownload;
use crate::feed_token::FeedToken;
use crate::request::openapi;
use crate::response::download::Coding;
use crate::response::openapi::problems::{NotAcceptable, NotFound, ServerFault};
use crate::response::openapi::schemas::NotModified;
use crate::response::problem::ApiError;
use crate::state::Api;
use crate::store::feeds::{self, FeedState, Shown};

/// How long a program's first request waits for the first calendar.
const FIRST_WAIT: Duration = Duration::from_secs(20);

/// The first request for a new feed waits up to 20 seconds for its calendar. Later requests get the newest finished
/// calendar immediately. If todos have changed since it was rendered, the request also creates a job for the next one.
#[utoipa::path(
    get,
    path = "/calendar/{token}.ics",
    operation_id = "feed_calendar",
    tag = "Feeds",
    summary = "Download the newest calendar of a feed",
    params(
        ("token" = String, Path),
        openapi::IfNoneMatch,
    ),
    responses(
        (
            status = 200,
            description = "The calendar",
            body = String,
            content_type = "text/calendar",
            headers(("ETag" = String), ("Last-Modified" = String)),
        ),
        NotModified,
        NotFound,
        NotAcceptable,
        ServerFault,
    ),
)]
pub(super) async fn calendar(
    request: HttpRequest,
    api: Data<Api>,
    token: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let token = FeedToken::parse(&token).ok_or(ApiError::FeedNotFound)?;
    let mut state = refresh(&api, &token).await?;
    if let (None, Some(first)) = (&state.shown, state.pending) {
        api.wait_until_ended(first, 0, FIRST_WAIT).await;
        state = refresh(&api, &token).await?;
    }
    let shown = state.shown.ok_or(ApiError::FeedNotReady)?;
    respond(&request, api, shown).await
}

async fn refresh(api: &Api, token: &FeedToken) -> Result<FeedState, ApiError> {
    let (token, expiry_seconds) = (token.clone(), api.job_expiry_seconds);
    let sender = api.dispatch.table_sender();
    let state = api
        .query(move |connection| feeds::refresh(connection, &token, expiry_seconds, sender))
        .await?
        .ok_or(ApiError::FeedNotFound)?;
    if state.is_new {
        api.dispatch.job_in_table();
    }
    Ok(state)
}

async fn respond(
    request: &HttpRequest,
    api: Data<Api>,
    shown: Shown,
) -> Result<HttpResponse, ApiError> {
    // HTTP dates have whole seconds. Another calendar may finish within the same second, so `Last-Modified` is sent
    // only once that second is over
    let finished_at = u64::try_from(shown.finished_at.timestamp()).unwrap_or_default();
    let finished_at = SystemTime::UNIX_EPOCH + Duration::from_secs(finished_at);
    let is_over = finished_at + Duration::from_secs(1) <= SystemTime::now();
    let download = CalendarDownload {
        job_id: shown.job_id,
        result: shown.result,
        coding: Coding::negotiate(request)?,
        cache_control: "private, max-age=300",
        content_disposition: "inline; filename=\"taskoverflow.ics\"",
        last_modified: is_over.then(|| finished_at.into()),
    };
    download.respond(request, api, ApiError::FeedNotReady).await
}
