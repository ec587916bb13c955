//! The calendar of a feed, for calendar programs.

use std::time::{Duration, SystemTime};

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use shared_model::database::DatabaseError;
use shared_model::job::JobId;
use shared_model::job_store::requests::NewJob;
use shared_model::trace::{self, Operation, Span};

use super::calendar_download::CalendarDownload;
use crate::feed_token::FeedToken;
use crate::request::openapi;
use crate::response::download::Coding;
use crate::response::openapi::problems::{NotAcceptable, NotFound, ServerFault};
use crate::response::openapi::schemas::NotModified;
use crate::response::problem::ApiError;
use crate::state::{Api, QueryError};
use crate::store::feed_calendars::{self, FeedState, Shown};

/// How long a program's first request waits for the first calendar.
const FIRST_WAIT: Duration = Duration::from_secs(20);

/// How long a request waits until the todos have been compared: longer than a statement may take.
const COMPARISON_LIMIT: Duration = Duration::from_secs(15);

/// The first request for a new feed waits up to 20 seconds for its calendar. Later requests get the newest finished
/// calendar immediately. At most once a minute, a request also compares the todos with the calendar, and creates a job for
/// the next one if they have changed since it was rendered.
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
    let mut feed = find(&api, &token).await?;
    let takes_time = feed.is_due || feed.shown.is_none();
    if takes_time && let Ok(place) = api.limits.begin_wait(&request) {
        place.assign_to(&request);
        feed = bring_up_to_date(&api, &token, feed).await?;
    }
    let shown = feed.shown.ok_or(ApiError::FeedNotReady)?;
    respond(&request, api, shown).await
}

/// Reads the state of a feed each time, so that a deleted feed and a new calendar take effect immediately.
async fn find(api: &Api, token: &FeedToken) -> Result<FeedState, ApiError> {
    let token = token.clone();
    let found = api.query(move |connection| feed_calendars::find(connection, &token));
    found.await?.ok_or(ApiError::FeedNotFound)
}

/// Refreshes a feed if that is due and another job may be created, and waits for its first calendar.
async fn bring_up_to_date(
    api: &Data<Api>,
    token: &FeedToken,
    mut feed: FeedState,
) -> Result<FeedState, ApiError> {
    if feed.is_due && api.limits.usage.check_job(None).is_ok() {
        refresh(api, &feed).await;
        if feed.shown.is_none() {
            feed = find(api, token).await?;
        }
    }
    if let (None, Some(first)) = (&feed.shown, feed.pending) {
        api.wait_until_ended(first, 0, FIRST_WAIT).await;
        feed = find(api, token).await?;
    }
    Ok(feed)
}

/// Creates a job if the feed needs a new calendar. If that fails, the request still gets the calendar that is there, and
/// the next attempt begins a minute later. The caller waits for this, although its response does not depend on it: a
/// service with too much to compare gets fewer polls then.
async fn refresh(api: &Data<Api>, feed: &FeedState) {
    let (api, feed) = (Data::clone(api), feed.clone());
    // a task, because a client that goes away must not end what others rely on for a minute
    let refreshing = async move {
        let id = feed.id;
        if let Err(error) = try_refresh(&api, feed).await {
            log::warn!("feed.id":% = id, error:%; "could not refresh a feed");
        }
    };
    let task = tokio::spawn(trace::scope(trace::current(), refreshing));
    if let Err(error) = task.await {
        log::warn!(error:%; "could not refresh a feed");
    }
}

async fn try_refresh(api: &Api, feed: FeedState) -> Result<(), QueryError> {
    // a feed without a calendar needs one, whatever the todos are
    let feed = if feed.shown.is_none() {
        feed
    } else {
        let claimed = api.query(move |connection| feed_calendars::claim_refresh(connection, feed));
        match claimed.await? {
            Some(feed) if is_outdated(api, &feed).await? => feed,
            _ => return Ok(()),
        }
    };
    let mut span = Span::operation(Operation::Accept);
    let (id, traceparent) = trace::new_job(&mut span);
    let job = NewJob {
        id: JobId(id),
        request: feed.request.clone(),
        expiry_seconds: api.job_expiry_seconds,
        sender: api.dispatch.table_sender(),
        token_name: None,
        traceparent,
        event_destinations: api.destinations.of_job(None),
    };
    let created = api.query(move |connection| feed_calendars::create_job(connection, &feed, &job));
    if created.await? {
        api.limits.usage.add_job(None);
        api.dispatch.job_in_table();
        api.process.activity.accepted(1);
    }
    Ok(())
}

/// Returns whether the feed needs a new calendar: the todos have changed, or the newest calendar is about to expire.
async fn is_outdated(api: &Api, feed: &FeedState) -> Result<bool, QueryError> {
    let Some(shown) = feed.shown.as_ref().filter(|shown| !shown.expires_soon) else {
        return Ok(true);
    };
    let filter = feed.request.filter.clone();
    let compute = api.query(move |connection| Ok(filter.selection(connection)?.fingerprint));
    let fingerprint = api.fingerprints.get(&feed.request.filter, compute);
    let fingerprint = tokio::time::timeout(COMPARISON_LIMIT, fingerprint)
        .await
        .unwrap_or_else(|_elapsed| {
            let error = "the todos were not read in time".to_owned();
            Err(DatabaseError::Unavailable(error).into())
        })?;
    Ok(fingerprint != shown.result.todos_fingerprint)
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
