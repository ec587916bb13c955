//! The feeds, for their owner: create, list, delete.

use actix_web::http::header::LOCATION;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use uuid::Uuid;

use super::path::FeedPath;
use crate::feed_token::FeedToken;
use crate::request::json_body::JsonBody;
use crate::request::query::Query;
use crate::request::{calendar, openapi};
use crate::response::feed::FeedView;
use crate::response::links::Links;
use crate::response::openapi::problems::{BadBody, BadInput, NotFound, ServerFault, TooMany};
use crate::response::openapi::schemas;
use crate::response::problem::ApiError;
use crate::state::Api;
use crate::store::feeds;

#[utoipa::path(
    post,
    path = "/api/v1/calendar/feeds",
    operation_id = "create_feed",
    tag = "Feeds",
    summary = "Create a feed; only this response contains its address",
    params(
        openapi::CalendarOptions,
    ),
    request_body(content = Option<openapi::CalendarOptions>),
    responses(
        (status = 201, description = "The new feed, with its address", body = schemas::Feed, headers(("Location" = String))),
        BadInput,
        BadBody,
        TooMany,
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
    api.limits.usage.check_feed()?;
    let token = FeedToken::generate(Uuid::now_v7())?;
    let stored = token.clone();
    let feed = api
        .query(move |connection| feeds::insert(connection, &stored, &wanted))
        .await?;
    api.limits.usage.add_feed();
    let links = Links::new(&api.origin, &request);
    Ok(HttpResponse::Created()
        .insert_header((LOCATION, links.feed_resource(feed.id)))
        .json(FeedView::new(&feed).with_addresses(&token, &links)))
}

#[utoipa::path(
    get,
    path = "/api/v1/calendar/feeds",
    operation_id = "list_feeds",
    tag = "Feeds",
    summary = "List the feeds, without their addresses",
    responses(
        (status = 200, description = "All feeds, newest first", body = [schemas::Feed]),
        ServerFault,
    ),
)]
pub(super) async fn list(api: Data<Api>) -> Result<HttpResponse, ApiError> {
    let feeds = api.query(feeds::list).await?;
    let feeds: Vec<FeedView<'_>> = feeds.iter().map(FeedView::new).collect();
    Ok(HttpResponse::Ok().json(feeds))
}

#[utoipa::path(
    delete,
    path = "/api/v1/calendar/feeds/{id}",
    operation_id = "delete_feed",
    tag = "Feeds",
    summary = "Delete a feed; its address stops working",
    params(
        openapi::UuidPath,
    ),
    responses(
        (status = 204, description = "The feed was deleted"),
        NotFound,
        ServerFault,
    ),
)]
pub(super) async fn delete(
    api: Data<Api>,
    FeedPath(id): FeedPath,
) -> Result<HttpResponse, ApiError> {
    let is_deleted = api
        .query(move |connection| feeds::delete(connection, id))
        .await?;
    if is_deleted {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(ApiError::FeedNotFound)
    }
}
