//! Feeds: what their owner does with them, and what a calendar program gets.

use std::time::{Duration, SystemTime};

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, ETAG, HttpDate, IfModifiedSince, LAST_MODIFIED, LOCATION,
    VARY,
};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Data, Path};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use serde::Serialize;
use shared_model::job::CalendarRequest;
use uuid::Uuid;

use crate::feed_token::FeedToken;
use crate::request::calendar;
use crate::request::json_body::JsonBody;
use crate::request::query::Query;
use crate::response::download::{ClientCopies, Coding, calendar_body};
use crate::response::links::Links;
use crate::response::openapi::{
    self, BadBody, BadInput, CalendarOptions, NotAcceptable, NotFound, ServerFault,
};
use crate::response::problem::ApiError;
use crate::response::stored_calendar;
use crate::state::Api;
use crate::store::feeds::{self, Feed, FeedState, Shown};

/// How long a program's first request waits for the first calendar.
const FIRST_WAIT: Duration = Duration::from_secs(20);

/// A feed as its owner sees it.
#[derive(Serialize)]
struct FeedView<'a> {
    id: Uuid,
    name: &'a str,
    request: &'a CalendarRequest,
    created_at: DateTime<Utc>,
    /// Given once: nobody can read it from what is stored.
    #[serde(flatten)]
    addresses: Option<Addresses>,
}

#[derive(Serialize)]
struct Addresses {
    url: String,
    webcal_url: String,
}

impl<'a> FeedView<'a> {
    fn new(feed: &'a Feed, addresses: Option<Addresses>) -> Self {
        let name = feed.request.options.name.as_ref();
        Self {
            id: feed.id,
            name: name.map_or("TaskOverflow", |name| name.as_str()),
            request: &feed.request,
            created_at: feed.created_at,
            addresses,
        }
    }
}

impl Addresses {
    fn new(token: &FeedToken, links: &Links) -> Self {
        let url = links.feed(token);
        let webcal_url = match url.split_once("://") {
            Some((_, rest)) => format!("webcal://{rest}"),
            None => url.clone(),
        };
        Self { url, webcal_url }
    }
}

#[utoipa::path(
    post,
    path = "/api/v1/calendar/feeds",
    operation_id = "create_feed",
    tag = "Feeds",
    summary = "Make an address to subscribe to; it is given once",
    params(
        CalendarOptions,
    ),
    request_body(content = Option<CalendarOptions>),
    responses(
        (status = 201, description = "Made", body = openapi::Feed, headers(("Location" = String))),
        BadInput,
        BadBody,
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
    let token = FeedToken::generate(Uuid::now_v7())?;
    let stored = token.clone();
    let feed = api
        .query(move |connection| Ok(feeds::insert(connection, &stored, &wanted)?))
        .await?;
    let links = api.origin.links(&request);
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, links.feed_resource(feed.id)))
        .json(FeedView::new(&feed, Some(Addresses::new(&token, &links)))))
}

#[utoipa::path(
    get,
    path = "/api/v1/calendar/feeds",
    operation_id = "list_feeds",
    tag = "Feeds",
    summary = "The feeds, without their addresses",
    responses(
        (status = 200, description = "Done", body = [openapi::Feed]),
        ServerFault,
    ),
)]
pub(super) async fn list(api: Data<Api>) -> Result<HttpResponse, ApiError> {
    let feeds = api.query(|connection| Ok(feeds::list(connection)?)).await?;
    let feeds: Vec<FeedView<'_>> = feeds.iter().map(|feed| FeedView::new(feed, None)).collect();
    Ok(HttpResponse::Ok().json(feeds))
}

#[utoipa::path(
    delete,
    path = "/api/v1/calendar/feeds/{id}",
    operation_id = "delete_feed",
    tag = "Feeds",
    summary = "Revoke a feed",
    params(
        ("id" = Uuid, Path),
    ),
    responses(
        (status = 204, description = "Revoked"),
        NotFound,
        ServerFault,
    ),
)]
pub(super) async fn delete(api: Data<Api>, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let Ok(id) = Uuid::try_parse(&id) else {
        return Err(ApiError::FeedNotFound);
    };
    let is_deleted = api
        .query(move |connection| Ok(feeds::delete(connection, id)?))
        .await?;
    if is_deleted {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(ApiError::FeedNotFound)
    }
}

/// The newest finished calendar. When todos have changed since, the next one is made meanwhile.
#[utoipa::path(
    get,
    path = "/calendar/{token}.ics",
    operation_id = "feed_calendar",
    tag = "Feeds",
    summary = "The newest calendar of a feed",
    params(
        ("token" = String, Path),
        ("If-None-Match" = Option<String>, Header),
    ),
    responses(
        (
            status = 200,
            description = "Done",
            body = String,
            content_type = "text/calendar",
            headers(("ETag" = String), ("Last-Modified" = String)),
        ),
        (status = 304, description = "As If-None-Match has it"),
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
    let state = api
        .query(move |connection| Ok(feeds::refresh(connection, &token, expiry_seconds)?))
        .await?
        .ok_or(ApiError::FeedNotFound)?;
    if state.is_new {
        api.job_accepted.notify_one();
    }
    Ok(state)
}

async fn respond(
    request: &HttpRequest,
    api: Data<Api>,
    shown: Shown,
) -> Result<HttpResponse, ApiError> {
    let coding = Coding::negotiate(request)?;
    let etag = coding.etag(&shown.result);
    // HTTP's dates have whole seconds. Within the second another calendar may follow, so it is not named before it is over
    let finished_at = u64::try_from(shown.finished_at.timestamp()).unwrap_or_default();
    let finished_at = SystemTime::UNIX_EPOCH + Duration::from_secs(finished_at);
    let is_over = finished_at + Duration::from_secs(1) <= SystemTime::now();
    let last_modified = HttpDate::from(finished_at);
    let is_known = if request.headers().contains_key("If-None-Match") {
        ClientCopies::of(request).include(&etag)
    } else {
        let since: Option<IfModifiedSince> = request.get_header();
        is_over && since.is_some_and(|IfModifiedSince(since)| last_modified <= since)
    };
    let mut response = HttpResponse::Ok();
    response
        .insert_header((ETAG, etag))
        .insert_header((VARY, "Accept-Encoding"))
        .insert_header((CACHE_CONTROL, "private, max-age=300"));
    if is_over {
        response.insert_header((LAST_MODIFIED, last_modified));
    }
    if is_known {
        return Ok(response.status(StatusCode::NOT_MODIFIED).finish());
    }
    let id = shown.job_id;
    let parts = if request.method() == Method::HEAD {
        None
    } else {
        let first = api.query(move |connection| Ok(stored_calendar::first_part(connection, id)?));
        // it may have expired a moment ago
        let first = first.await?.ok_or(ApiError::FeedNotReady)?;
        Some(stored_calendar::gzipped(
            api,
            id,
            first,
            shown.result.gzip_length,
        ))
    };
    response.insert_header((CONTENT_DISPOSITION, "inline; filename=\"taskoverflow.ics\""));
    Ok(calendar_body(&mut response, coding, &shown.result, parts))
}
